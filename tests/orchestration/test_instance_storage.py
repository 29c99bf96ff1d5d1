"""The runs and events of an instance, as our storages keep them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.instance_storage import KeptSqliteEventLogStorage, KeptSqliteRunStorage
from orchestration.run import open_instance


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    yield tmp_path


@dg.multi_asset(
    specs=[dg.AssetSpec("made")], check_specs=[dg.AssetCheckSpec("holds", asset="made")]
)
def made() -> Iterator[Any]:
    """One row."""
    yield dg.MaterializeResult()
    yield dg.AssetCheckResult(check_name="holds", passed=True)


def events_of_a_run(instance: dg.DagsterInstance) -> list[dg.EventLogEntry]:
    done = dg.materialize([made], instance=instance)
    return list(instance.all_logs(done.run_id))


def test_runs_stay_in_the_file_where_dagster_has_them(home: Path) -> None:
    with open_instance(home) as instance:
        assert isinstance(instance.run_storage, KeptSqliteRunStorage)
        run_id = dg.materialize([made], instance=instance).run_id
    assert (home / "dagster" / "history" / "runs.db").is_file()
    with dg.DagsterInstance.local_temp(str(home / "dagster")) as instance:
        assert instance.get_run_ids() == [run_id]


def test_what_one_instance_stores_another_reads_at_once(home: Path) -> None:
    with open_instance(home) as writer, open_instance(home) as reader:
        assert reader.get_run_ids() == []
        run_id = dg.materialize([made], instance=writer).run_id
        run = reader.get_run_by_id(run_id)
        assert run is not None and run.status == dg.DagsterRunStatus.SUCCESS
        assert len(reader.all_logs(run_id)) == len(writer.all_logs(run_id))
        assert reader.get_latest_materialization_event(dg.AssetKey("made")) is not None


def test_an_event_that_cannot_be_stored_whole_leaves_nothing_and_nor_does_its_batch(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_instance(home) as instance:
        stored = events_of_a_run(instance)
        storage = instance.event_log_storage
        assert isinstance(storage, KeptSqliteEventLogStorage)
        evaluation = next(
            one
            for one in stored
            if one.dagster_event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        )

        def full(*_: Any) -> None:
            raise OSError("no space left on device")

        monkeypatch.setattr(storage, "store_asset_check_event", full)
        for store in (
            lambda: storage.store_event(evaluation),
            lambda: storage.store_event_batch([stored[0], evaluation]),
        ):
            with pytest.raises(OSError, match="no space"):
                store()
            assert len(instance.all_logs(evaluation.run_id)) == len(stored)
        monkeypatch.undo()
        storage.store_event_batch([stored[0], stored[0]])
        assert len(instance.all_logs(evaluation.run_id)) == len(stored) + 2
