"""What dlt's destination is told of DuckDB."""

from pathlib import Path

import dlt
import duckdb
import pyarrow as pa
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from ingestion.destination import WarehouseDestination


def test_a_merge_that_fails_between_deletions_and_insertions_loses_no_row(tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    pipeline = dlt.pipeline(
        pipeline_name="own",
        pipelines_dir=str(tmp_path / "dlt"),
        destination=WarehouseDestination(str(warehouse)),
        dataset_name="own",
    )

    def merge(value: int) -> None:
        rows = pa.table({"id": [1, 2], "amount": [value, value]})
        pipeline.run(
            dlt.resource([rows], name="items", write_disposition="merge", primary_key=["id"])
        )

    merge(7)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("alter table own.items alter amount type tinyint")
    # Only the insertion into raw fails: the staging table still holds wide numbers.
    with pytest.raises(PipelineStepFailed):
        merge(1_000)
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        assert connection.execute("select id, amount from own.items order by id").fetchall() == [
            (1, 7),
            (2, 7),
        ]
