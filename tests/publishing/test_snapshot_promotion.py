"""Which snapshot answers: promotion, death in the middle, rollback, retention."""

import random
import shutil
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from publisher import Publisher
from small_warehouse import HashEmbedder, change_warehouse, declarations, publish

from serving import snapshot
from serving.errors import NoSnapshot, PublishError
from serving.layout import SNAPSHOT_ID, building_folder, pointer_path, snapshot_folder

NO_AGE = timedelta(0)
DEATHS = 15


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    server = Publisher()
    yield server
    server.close()


def subjects(home: Path) -> list[str]:
    folder, catalog = snapshot.current(home)
    store = catalog.agents["support_agent"].stores["agent_tickets"]
    with duckdb.connect(str(folder / store.duckdb), read_only=True) as connection:
        return [
            row[0] for row in connection.execute("select subject from agent_tickets").fetchall()
        ]


def test_an_id_tells_its_time_and_sorts_after_all_others(published: Path) -> None:
    first = snapshot.current_id(published)
    ids = [first, publish(published), publish(published)]
    assert ids == sorted(ids)
    assert all(SNAPSHOT_ID.fullmatch(name) for name in ids)


def test_an_id_is_newer_than_the_last_when_the_clock_was_set_back(published: Path) -> None:
    old = snapshot.current_id(published)
    future = f"2999{old[4:]}"
    snapshot_folder(published, old).rename(snapshot_folder(published, future))
    candidate = snapshot.export_views(published, declarations())
    assert candidate.snapshot_id > future
    snapshot.discard(candidate)


def test_a_candidate_answers_nobody_before_it_is_promoted(published: Path) -> None:
    before = snapshot.current_id(published)
    candidate = snapshot.build(published, declarations(), embedder=HashEmbedder())
    assert snapshot.current_id(published) == before
    assert [info.snapshot_id for info in snapshot.list_snapshots(published)] == [before]
    snapshot.promote(published, candidate)
    assert snapshot.current_id(published) == candidate.snapshot_id


@pytest.mark.thorough
def test_a_publisher_killed_anywhere_leaves_the_old_snapshot_and_the_next_publishes(
    published: Path, publisher: Publisher, tmp_path: Path
) -> None:
    old = snapshot.current_id(published)
    change_warehouse(published, "update agents.agent_tickets set subject = 'Changed'")
    status, touches = publisher.publish(shutil.copytree(published, tmp_path / "rehearsal"))
    assert status == 0
    # The last touches are the promotion; the draw of the others is the same in every run.
    last = range(touches - 4, touches + 1)
    others = random.Random(2).sample(range(1, touches - 4), DEATHS - len(last))
    outcomes = set()
    for point in (*others, *last):
        home = shutil.copytree(published, tmp_path / f"killed-{point}")
        status, _ = publisher.publish(home, die_at=point)
        assert status == -signal.SIGKILL
        was_promoted = snapshot.current_id(home) != old
        outcomes.add(was_promoted)
        assert (set(subjects(home)) == {"Changed"}) is was_promoted
        publish(home)
        assert set(subjects(home)) == {"Changed"}
        assert list(building_folder(home).iterdir()) == []
        listed = {info.snapshot_id for info in snapshot.list_snapshots(home)}
        assert {path.name for path in snapshot_folder(home, "x").parent.iterdir()} == listed
        shutil.rmtree(home)
    assert outcomes == {True, False}


def test_a_live_candidate_is_not_swept_and_an_older_one_cannot_replace_a_newer(
    published: Path,
) -> None:
    older = snapshot.build(published, declarations(), embedder=HashEmbedder())
    newer = snapshot.build(published, declarations(), embedder=HashEmbedder())
    assert older.folder.is_dir()
    snapshot.promote(published, newer)
    with pytest.raises(PublishError, match="newer snapshot"):
        snapshot.promote(published, older)
    assert snapshot.current_id(published) == newer.snapshot_id
    assert list(building_folder(published).iterdir()) == []


def test_the_steps_of_one_publish_may_find_the_candidate_by_its_id(published: Path) -> None:
    begun = snapshot.export_views(published, declarations())
    with pytest.raises(PublishError, match="in use"):
        snapshot.open_candidate(published, begun.snapshot_id)
    begun.lock.release()
    candidate = snapshot.open_candidate(published, begun.snapshot_id)
    snapshot.build_index(candidate, declarations(), HashEmbedder())
    snapshot.verify(candidate)
    assert snapshot.promote(published, candidate) == begun.snapshot_id
    with pytest.raises(PublishError, match="is gone"):
        snapshot.open_candidate(published, begun.snapshot_id)


def test_a_candidate_without_its_index_is_not_promoted(published: Path) -> None:
    candidate = snapshot.export_views(published, declarations())
    with pytest.raises(PublishError, match=r"no catalog\.json"):
        snapshot.promote(published, candidate)
    snapshot.discard(candidate)


def test_a_reader_finishes_on_the_snapshot_that_it_opened(published: Path) -> None:
    folder, _ = snapshot.current(published)
    with duckdb.connect(str(folder / "views/agent_tickets.duckdb"), read_only=True) as reader:
        change_warehouse(published, "update agents.agent_tickets set subject = 'Changed'")
        publish(published)
        found = reader.execute("select distinct subject = 'Changed' from agent_tickets").fetchall()
    assert found == [(False,)]
    assert set(subjects(published)) == {"Changed"}


def test_rollback_goes_one_back_and_to_a_named_one(published: Path) -> None:
    first = snapshot.current_id(published)
    second, third = publish(published), publish(published)
    assert snapshot.rollback(published) == second == snapshot.current_id(published)
    assert snapshot.rollback(published) == first
    assert snapshot.rollback(published, third) == third
    assert [info.is_current for info in snapshot.list_snapshots(published)] == [True, False, False]


def test_rollback_without_an_earlier_snapshot_says_so_and_changes_nothing(published: Path) -> None:
    only = snapshot.current_id(published)
    with pytest.raises(NoSnapshot, match="no earlier snapshot"):
        snapshot.rollback(published)
    with pytest.raises(NoSnapshot, match="grounded snapshots"):
        snapshot.rollback(published, "../../etc")
    assert snapshot.current_id(published) == only


def test_nothing_published_is_told_with_the_command_to_run(home: Path) -> None:
    with pytest.raises(NoSnapshot, match="grounded run"):
        snapshot.current(home)
    with pytest.raises(NoSnapshot, match="grounded run"):
        snapshot.rollback(home)
    assert snapshot.list_snapshots(home) == []
    assert snapshot.expire(home) == []


def test_an_expired_or_made_up_id_opens_nothing(published: Path) -> None:
    for name in ("20000101T000000Z-abcdef", "../snapshots", ""):
        with pytest.raises(NoSnapshot):
            snapshot.open_snapshot(published, name)


def test_expiry_keeps_the_newest_and_the_current(published: Path) -> None:
    first = snapshot.current_id(published)
    others = [publish(published) for _ in range(4)]
    snapshot.rollback(published, first)
    assert snapshot.expire(published, keep=2, minimum_age=NO_AGE) == others[:2]
    kept = [info.snapshot_id for info in snapshot.list_snapshots(published)]
    assert kept == [others[3], others[2], first]
    assert list(building_folder(published).iterdir()) == []


def test_a_snapshot_that_answered_just_now_does_not_expire(published: Path) -> None:
    first = snapshot.current_id(published)
    publish(published)
    assert snapshot.expire(published, keep=1) == []
    assert snapshot.expire(published, keep=1, minimum_age=NO_AGE) == [first]


def test_expiry_of_one_snapshot_leaves_the_files_that_another_shares(published: Path) -> None:
    publish(published)
    before = subjects(published)
    snapshot.expire(published, keep=1, minimum_age=NO_AGE)
    candidate = snapshot.build(published, declarations(), embedder=HashEmbedder())
    snapshot.verify(candidate)
    snapshot.discard(candidate)
    assert subjects(published) == before


def test_the_list_tells_size_rows_and_chunks_once_for_each_view(published: Path) -> None:
    (info,) = snapshot.list_snapshots(published)
    assert (info.views, info.rows, info.chunks) == (3, 11, 9)
    assert info.size_bytes > 0


def test_of_many_young_snapshots_one_in_each_stretch_of_time_stays(published: Path) -> None:
    ids = [snapshot.current_id(published), *(publish(published) for _ in range(4))]
    pointer = snapshot.Pointer.model_validate_json(pointer_path(published).read_bytes())
    minute = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=2)
    times = [minute + timedelta(seconds=second) for second in (1, 30, 61, 90)]
    released = dict(zip(ids[:4], times, strict=True))
    pointer_path(published).write_text(
        pointer.model_copy(update={"released": released}).model_dump_json()
    )
    expired = snapshot.expire(published, keep=1, spacing=timedelta(minutes=1))
    assert expired == [ids[1], ids[3]]
    assert snapshot.expire(published, keep=1) == []
