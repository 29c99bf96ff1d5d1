"""The disk is full: the old snapshot answers, and the next run recovers when there is room."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serving import snapshot
from tests.faults.children import Zygote
from tests.faults.conftest import MakeSource, execute
from tests.faults.oracle import assert_equal_to_source, in_view
from tests.faults.views import VIEWS

SIZE_MB = 320
LEFT_KB = (0, 200, 1_000, 3_000, 8_000)
"""From nothing to about as much as the work takes, so that it runs out at different places."""

# Text that does not compress: about 12 MB.
LONG = (
    "insert into items select i, 'long', (select string_agg(md5(i || ':' || j || ':{round}'), '') "
    "from generate_series(1, 100) j), i from generate_series(1001, 5000) i "
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


@pytest.mark.parametrize("capture", ["log", "cursor"])
def test_a_load_on_a_full_disk_fails_and_the_next_one_with_room_completes(
    small_disk: Path, zygote: Zygote, source: str, capture: str
) -> None:
    home = small_disk / "home"
    kind = "log" if capture == "log" else "cursor"
    assert zygote.run(home, source, kind, "load", "publish").status == 0
    reasons = []
    for number, left_kb in enumerate(LEFT_KB):
        before = published(home)
        execute(source, LONG.format(round=number))
        with filled(small_disk, left_kb):
            trial = zygote.run(home, source, kind, "load")
            assert published(home) == before
        reasons.append((left_kb, trial.status, trial.error))
        trial = zygote.run(home, source, kind, "load", "publish")
        assert trial.status == 0, trial.error
        assert_equal_to_source(source, home)
    assert reasons[0][1] == 1, reasons
    assert all(error is None or "the disk is full" in error for _, _, error in reasons), reasons


def test_a_publish_on_a_full_disk_leaves_the_old_snapshot_and_the_next_one_publishes(
    small_disk: Path, zygote: Zygote, make_source: MakeSource
) -> None:
    home, source = small_disk / "home", make_source()
    assert zygote.run(home, source, "log", "load", "publish").status == 0
    failed = 0
    for number, left_kb in enumerate(LEFT_KB):
        before = published(home)
        execute(source, LONG.format(round=number))
        assert zygote.run(home, source, "log", "load").status == 0
        with filled(small_disk, left_kb):
            trial = zygote.run(home, source, "log", "publish")
            if trial.status != 0:
                failed += 1
                assert published(home) == before
        trial = zygote.run(home, source, "log", "publish")
        assert trial.status == 0, trial.error
        assert_equal_to_source(source, home)
    assert failed >= 2
