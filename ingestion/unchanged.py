"""Leaves a row of raw as it is where a load brings it again as it stands there.

staged rows + raw -> those whose every version is raw's own leave the stage -> dlt's merge

A cursor reads its overlap again and again, and a table without one is read whole each time. A row
that is written anew would be new to every model, index and scan that is made of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dlt.common.destination import PreparedTableSchema
from dlt.common.schema.utils import get_columns_names_with_prop
from dlt.destinations.sql_client import SqlClientBase
from dlt.destinations.sql_jobs import SqlMergeFollowupJob

from ingestion.names import LOAD_ID, LOADED_AT, LOADS
from ingestion.spec import FilesSource, SourceSpec, SqlDatabaseSource

UNCHANGED_STAY = "x-unchanged-rows-stay"
"""The hint of a table whose unchanged rows stay."""

_AWAITED = "x-awaited"
_OF_A_LOAD = frozenset({"_dlt_id", LOAD_ID, LOADED_AT})


def brings_unchanged(spec: SourceSpec) -> bool:
    """Whether a load brings rows as they were; a log or a file's hash tells what is new."""
    if isinstance(spec, SqlDatabaseSource):
        return spec.capture == "cursor"
    return not isinstance(spec, FilesSource)


class MergeOfChanges(SqlMergeFollowupJob):
    """dlt's merge, in whose transaction the unchanged rows leave the stage before."""

    @classmethod
    def of(
        cls,
        tables: Sequence[PreparedTableSchema],
        client: SqlClientBase[Any],
        awaited: Mapping[str, str],
    ) -> Any:
        """Return the job for a table; rows of ``raw`` that meet its condition are written anew."""
        root: Any = {**tables[0], _AWAITED: awaited.get(str(tables[0]["name"]))}
        return cls.from_table_chain([root, *tables[1:]], client)

    @classmethod
    def _gen_table_setup_clauses(
        cls, table_chain: Sequence[PreparedTableSchema], sql_client: SqlClientBase[Any]
    ) -> list[str]:
        table: Any = table_chain[0]
        if not table.get(UNCHANGED_STAY):
            return []
        raw, staged = sql_client.get_qualified_table_names(table["name"])
        name = sql_client.escape_column_name
        key = [name(column) for column in get_columns_names_with_prop(table, "primary_key")]
        told = set(get_columns_names_with_prop(table, "name")) - _OF_A_LOAD
        same = [
            f"staged.{column} is not distinct from raw.{column}"
            for column in sorted(map(name, told))
            if column not in key
        ]
        # A load that was killed between its tables leaves rows of which nobody knows.
        loads = sql_client.make_qualified_table_name(LOADS)
        same.append(f"raw.{LOAD_ID} in (select load_id from {loads} where status = 0)")
        if table[_AWAITED] is not None:
            same.append(f"not ({table[_AWAITED]})")
        joined = " and ".join(f"staged.{column} = raw.{column}" for column in key)
        keys = ", ".join(f"staged.{column}" for column in key)
        # An older version may come beside the one that raw has: then the merge has to choose.
        unchanged = (
            f"select {keys} from {staged} as staged join {raw} as raw on {joined} "
            f"group by {keys} having bool_and({' and '.join(same)})"
        )
        return [f"delete from {staged} where ({', '.join(key)}) in ({unchanged})"]
