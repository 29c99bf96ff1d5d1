"""The disk is full: the old snapshot answers, and the next run recovers when there is room."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serving import snapshot
from serving.layout import building_folder
from tests.faults.children import Trial, Zygote
from tests.faults.conftest import execute
from tests.faults.oracle import assert_equal_to_source, at_source, in_raw, in_view
from tests.faults.views import VIEWS, Capture

SIZE_MB = 200
IN_LOADING: dict[Capture, list[tuple[str, int]]] = {
    "log": [("extract", 2_000), ("normalise", 0), ("load", 2_000)],
    "cursor": [("extract", 0), ("load", 0)],
}
IN_PUBLISHING = [("export", 0), ("export", 4_000), ("export", 12_000), ("index", 0), ("promote", 0)]
"""The phase from which the disk is full, and the room that is left, in KB."""
Job = tuple[Path, str, Capture]

# Text that does not compress: about 6 MB.
LONG = (
    "insert into items select i, 'long', (select string_agg(md5(i || ':' || j || ':{round}'), '') "
    "from generate_series(1, 100) j), i from generate_series(1001, 3000) i "
    "on conflict (id) do update set body = excluded.body, changed_at = clock_timestamp()"
)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of SIZE_MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode != 0:
        pytest.skip("this account may not mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled(disk: Path, left_kb: int) -> Iterator[None]:
    """Leave so much room on the disk, for a while."""
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(64 * 1024))
    except OSError:
        pass
    with filler.open("rb+") as file:
        file.truncate(max(0, filler.stat().st_size - left_kb * 1024))
    try:
        yield
    finally:
        filler.unlink()


def published(home: Path) -> object:
    """What answers now, in full."""
    return snapshot.current_id(home), [in_view(home, view) for view in VIEWS]


def on_a_full_disk(zygote: Zygote, job: Job, *steps: str, phase: str, left_kb: int) -> Trial:
    """Do the steps on a disk that is full from a phase on, to their end."""
    home, source, capture = job
    trial = zygote.start(home, source, capture, *steps, stop_at=phase)
    zygote.await_stop()
    assert trial.last_phase == phase, trial.error
    with filled(home.parent, left_kb):
        before = published(home)
        zygote.go_on()
        assert published(home) == before
    return trial


@pytest.mark.parametrize("capture", ["log", "cursor"])
def test_a_load_on_a_full_disk_fails_and_the_next_one_with_room_completes(
    small_disk: Path, zygote: Zygote, source: str, capture: Capture
) -> None:
    job = home, *_ = small_disk / "home", source, capture
    assert zygote.run(*job, "load", "publish").status == 0
    for number, (phase, left_kb) in enumerate(IN_LOADING[capture]):
        execute(source, LONG.format(round=number))
        trial = on_a_full_disk(zygote, job, "load", phase=phase, left_kb=left_kb)
        assert trial.status == 1 and "the disk is full" in str(trial.error), (phase, trial.error)
        trial = zygote.run(*job, "load")
        assert trial.status == 0, trial.error
        columns, rows = at_source(source, "items")
        assert in_raw(home, "items", columns) == rows
    assert zygote.run(*job, "publish").status == 0
    assert_equal_to_source(source, home)


def test_a_publish_on_a_full_disk_leaves_the_old_snapshot_and_the_next_one_publishes(
    small_disk: Path, zygote: Zygote, source: str
) -> None:
    job: Job = (small_disk / "home", source, "log")
    assert zygote.run(*job, "load", "publish").status == 0
    execute(source, LONG.format(round=0))
    assert zygote.run(*job, "load", "model").status == 0
    for phase, left_kb in IN_PUBLISHING:
        trial = on_a_full_disk(zygote, job, "export", phase=phase, left_kb=left_kb)
        assert trial.status == 1 and "the disk is full" in str(trial.error), (phase, trial.error)
        assert list(building_folder(job[0]).iterdir()) == []
    trial = zygote.run(*job, "export")
    assert trial.status == 0, trial.error
    assert_equal_to_source(source, job[0])
