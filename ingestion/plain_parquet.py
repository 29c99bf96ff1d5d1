"""Lets dlt write Arrow tables as Parquet that is cheap to write and to read back.

A load package is read once, by DuckDB, seconds after it was written: dictionaries and statistics
were two thirds of the time that writing it took, and help nobody.
"""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from dlt.common.data_writers.writers import WRITER_SPECS, ArrowToParquetWriter


def write_plainly() -> None:
    """Have every Arrow table of this process written so; dlt has no setting for it."""
    WRITER_SPECS[ArrowToParquetWriter.writer_spec()] = _PlainWriter


class _PlainWriter(ArrowToParquetWriter):
    def _create_writer(self, schema: pa.Schema) -> Any:
        return pq.ParquetWriter(
            self._f,
            schema,
            compression="none",
            use_dictionary=False,
            write_statistics=False,
            store_decimal_as_integer=True,
        )
