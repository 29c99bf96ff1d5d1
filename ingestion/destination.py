"""dlt's DuckDB destination, told what it need not work out again.

staged rows -> MergeOfChanges -> raw
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dlt.common.destination import DestinationCapabilitiesContext, PreparedTableSchema
from dlt.common.destination.client import FollowupJobRequest
from dlt.destinations import duckdb
from dlt.destinations.impl.duckdb.duck import DuckDbClient

from ingestion.unchanged import MergeOfChanges


class WarehouseDestination(duckdb):
    """A load asks 20 times what DuckDB can do, each time resolved anew: a third of dlt's time."""

    awaited: Mapping[str, str] = {}
    """By table: a condition on ``raw`` for rows that are to be written also where none changed."""

    _known: DestinationCapabilitiesContext | None = None

    @property
    def destination_type(self) -> str:
        """Still dlt's own, for what earlier loads have written down."""
        return "dlt.destinations.duckdb"

    @property
    def client_class(self) -> type[DuckDbClient]:
        """What creates the tables."""
        return _Client

    def client(self, schema: Any, initial_config: Any = None) -> Any:
        """One client, which knows what is awaited."""
        client: Any = super().client(schema, initial_config)
        client.awaited = self.awaited
        return client

    def capabilities(self, config: Any = None, naming: Any = None) -> Any:
        """What DuckDB can do; the same throughout a load, but where letters' case tells names."""
        if config is not None or (naming is not None and naming.is_case_sensitive):
            return _transactional(super().capabilities(config, naming))
        if self._known is None:
            self._known = _transactional(super().capabilities())
        return self._known.copy()


def _transactional(known: DestinationCapabilitiesContext) -> DestinationCapabilitiesContext:
    """Say that DuckDB has transactions, which dlt does not know.

    Without one, a load killed between the deletions and the insertions of a merge lost the rows.
    """
    known.supports_transactions = True
    return known


class _Client(DuckDbClient):
    awaited: Mapping[str, str] = {}

    def _create_merge_followup_jobs(
        self, table_chain: Sequence[PreparedTableSchema]
    ) -> list[FollowupJobRequest]:
        return [MergeOfChanges.of(table_chain, self.sql_client, self.awaited)]
