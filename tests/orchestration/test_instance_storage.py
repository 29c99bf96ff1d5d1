"""The runs and events of an instance, as our storages keep them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata

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


@dg.multi_asset(
    specs=[dg.AssetSpec("parent"), dg.AssetSpec("seen", deps=["parent"])],
    check_specs=[dg.AssetCheckSpec(name, asset="seen") for name in ("holds", "fails")],
)
def seen(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Assets, checks of both outcomes and an observation."""
    context.log_event(dg.AssetObservation("elsewhere", metadata={"rows": 3}))
    unplanned = dg.AssetCheckEvaluation(dg.AssetKey("seen"), "unplanned", passed=True)
    context.log_event(unplanned)
    yield dg.MaterializeResult("parent", metadata={"rows": 1}, tags={"team": "data"})
    yield dg.MaterializeResult("seen")
    yield dg.AssetCheckResult(asset_key="seen", check_name="holds", passed=True)
    yield dg.AssetCheckResult(asset_key="seen", check_name="fails", passed=False)


def rows_of(storage: ConsolidatedSqliteEventLogStorage) -> dict[str, list[dict[str, Any]]]:
    """Everything that is stored, but when a row was made."""
    with storage.index_connection() as connection:
        return {
            table.name: [
                {name: value for name, value in row._mapping.items() if name != "create_timestamp"}
                for row in connection.execute(sa.select(table).order_by(*table.primary_key))
            ]
            for table in SqlEventLogStorageMetadata.sorted_tables
            if table.name != "secondary_indexes"
        }


def test_what_is_stored_is_what_dagsters_own_storage_stores_of_the_same_events(
    home: Path,
) -> None:
    with open_instance(home) as instance:
        runs = [dg.materialize([seen], instance=instance).run_id for _ in range(2)]
        evaluation = dg.AssetCheckEvaluation(dg.AssetKey("seen"), "of no run", passed=True)
        instance.report_runless_asset_event(evaluation)
        ours = instance.event_log_storage
        assert isinstance(ours, KeptSqliteEventLogStorage)
        events = [event for run in runs for event in instance.all_logs(run)]
        events += instance.all_logs("")
        (home / "theirs").mkdir()
        theirs = ConsolidatedSqliteEventLogStorage(str(home / "theirs"))
        for event in events:
            theirs.store_event(event)
        stored = rows_of(theirs)
        assert len(stored["asset_check_executions"]) == 7 and len(stored["asset_keys"]) == 3
        assert rows_of(ours) == stored


def test_a_deleted_run_leaves_of_its_checks_what_no_later_run_told(home: Path) -> None:
    with open_instance(home) as instance:
        runs = [dg.materialize([made], instance=instance).run_id for _ in range(3)]
        check = dg.AssetCheckKey(dg.AssetKey("made"), "holds")

        def told() -> list[str]:
            storage = instance.event_log_storage
            return [one.run_id for one in storage.get_asset_check_execution_history(check, 9)]

        assert told() == runs[::-1]
        instance.delete_run(runs[1])
        assert told() == [runs[2], runs[0]]
        instance.delete_run(runs[2])
        assert told() == [runs[2], runs[0]] and not instance.all_logs(runs[2])
