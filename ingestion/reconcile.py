"""Finds what a cursor cannot see, by comparing raw with its source, and mends it.

ordinary load -> ranges on both sides -> rows of the ranges that differ -> load those, again
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict

from ingestion.batch import Key, Selection
from ingestion.comparison import Comparison, differences
from ingestion.connection import connect
from ingestion.databases import open_engine
from ingestion.errors import UnloadableTable
from ingestion.faults import explain
from ingestion.load import load_source
from ingestion.row_listing import (
    HASHING_DIALECTS,
    HashingSide,
    ListingSide,
    RawSide,
    key_as_read,
)
from ingestion.spec import (
    FilesSource,
    ReconcileSpec,
    RestApiSource,
    SourceSpec,
    SqlDatabaseSource,
    SqlTableSpec,
)
from ingestion.status import still_served

KEYS_A_LOAD = 5_000
# Beyond this many odd rows one reading of the whole table is cheaper than reading by key.
KEYS_BY_KEY = 50_000
# What a clock without fractions is behind at most.
A_SECOND = timedelta(seconds=1)

OnProgress = Callable[[str], None]


class TableReconciliation(BaseModel):
    """What a comparison found in one table and did about it.

    ``missing`` rows were not in raw, ``extra`` ones no longer at the source, ``different`` ones
    had other values. ``refused`` says why extra rows were not deleted.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    ranges: int = 0
    ranges_read: int = 0
    missing: int = 0
    extra: int = 0
    different: int | None = 0
    deleted: int = 0
    refused: str | None = None

    @property
    def agrees(self) -> bool:
        """Whether raw held what the source holds before anything was mended."""
        return not (self.missing or self.extra or self.different)


class ReconcileReport(BaseModel):
    """One comparison of one source."""

    model_config = ConfigDict(frozen=True)

    source: str
    tables: dict[str, TableReconciliation]
    seconds: float


def reconcile(
    name: str,
    spec: SourceSpec,
    home: Path,
    *,
    tables: Sequence[str] | None = None,
    on_progress: OnProgress | None = None,
) -> ReconcileReport:
    """Compare tables with their source and mend raw; by default those that follow a cursor.

    Of an API, which cannot be asked for hashes, the tables that declare ``reconcile`` are listed
    anew. Files need none: every load compares them. Raises what load_source raises.
    """
    began = time.monotonic()
    told = on_progress or (lambda message: None)
    chosen = list(tables) if tables is not None else _comparable_tables(spec)
    found: dict[str, TableReconciliation] = {}
    if isinstance(spec, RestApiSource):
        found = {table: _list_anew(name, spec, home, table, told) for table in chosen}
    elif isinstance(spec, SqlDatabaseSource) and chosen:
        found = _compare_all(name, spec, home, chosen, told)
    return ReconcileReport(source=name, tables=found, seconds=time.monotonic() - began)


def brake(table: str, extra: int, rows: int, declared: ReconcileSpec) -> str | None:
    """Say why the extra rows are too many to delete; None where they are not."""
    if extra <= rows * declared.max_delete_share:
        return None
    return (
        f"{extra:,} of {rows:,} rows of {table} are no longer at the source, more than the "
        f"{declared.max_delete_share:.0%} that a comparison may delete, so none was; if that is "
        f"right, raise reconcile.max_delete_share of {table} in sources.yaml for one run"
    )


def _comparable_tables(spec: SourceSpec) -> list[str]:
    if isinstance(spec, FilesSource):
        return []
    return [
        name
        for name, table in spec.tables.items()
        if table.reconcile is not None
        or (isinstance(table, SqlTableSpec) and table.cursor is not None)
    ]


def _list_anew(
    name: str, spec: RestApiSource, home: Path, table: str, told: OnProgress
) -> TableReconciliation:
    declared = spec.tables[table].reconcile or ReconcileSpec()
    everything = {table: Selection(None, declared.max_delete_share)}
    report = load_source(name, spec, home, selection=everything, on_progress=told).tables[table]
    return TableReconciliation(
        rows=report.rows,
        missing=report.new,
        extra=report.gone,
        different=None,
        deleted=0 if report.refused else report.gone,
        refused=report.refused,
    )


def _compare_all(
    name: str, spec: SqlDatabaseSource, home: Path, tables: list[str], told: OnProgress
) -> dict[str, TableReconciliation]:
    url = connect(name, spec, home).url
    engine = open_engine(url.get_secret_value())
    try:
        since = _present(engine)
        load_source(name, spec, home, tables=tables, on_progress=told)
        return {
            table: _compare(Comparison(name, spec, home, table, engine, since), told)
            for table in tables
        }
    except (sa.exc.SQLAlchemyError, duckdb.Error, UnloadableTable) as error:
        raise explain(name, url, error, still_served(home, name)) from None


def _compare(comparison: Comparison, told: OnProgress) -> TableReconciliation:
    if not comparison.raw_types:
        return TableReconciliation(rows=0)
    name, compared = comparison.name, comparison.compared
    told(f"comparing {name}")
    raw = RawSide(comparison.home, comparison.source, name, compared)
    with comparison.engine.connect() as live:
        can_hash = live.dialect.name in HASHING_DIALECTS
        side = (HashingSide if can_hash else ListingSide)(live, comparison.reflected, compared)
        theirs, ours = side.ranges(), raw.ranges()
        odd = {part for part in theirs.keys() | ours.keys() if theirs.get(part) != ours.get(part)}
        at_source = {row.key: row for row in side.rows(odd)} if odd else {}
    in_raw = {row.key: row for row in raw.rows(odd)} if odd else {}
    until = _present(comparison.engine) + A_SECOND
    missing, extra, different = differences(comparison, at_source, in_raw, until)
    refused = brake(
        f"{comparison.source}.{name}", len(extra), comparison.raw_rows, comparison.limits
    )
    mended = [*missing, *different, *([] if refused else extra)]
    deleted = _mend(comparison, mended, refused is not None, told) if mended else 0
    return TableReconciliation(
        rows=comparison.raw_rows,
        ranges=len(theirs.keys() | ours.keys()),
        ranges_read=len(odd),
        missing=len(missing),
        extra=len(extra),
        different=len(different),
        deleted=deleted,
        refused=refused,
    )


def _mend(comparison: Comparison, keys: list[Key], is_braked: bool, told: OnProgress) -> int:
    """Read rows again by the ordinary way; return how many became tombstones."""
    readers = [key_as_read(column) for column in comparison.compared.key]
    texts = [tuple(read(part) for read, part in zip(readers, key, strict=True)) for key in keys]
    if len(texts) > KEYS_BY_KEY and not is_braked:
        return _load(comparison, Selection(None, comparison.limits.max_delete_share), told)
    return sum(
        _load(comparison, Selection(tuple(texts[start : start + KEYS_A_LOAD])), told)
        for start in range(0, len(texts), KEYS_A_LOAD)
    )


def _load(comparison: Comparison, selection: Selection, told: OnProgress) -> int:
    report = load_source(
        comparison.source,
        comparison.spec,
        comparison.home,
        selection={comparison.name: selection},
        on_progress=told,
    ).tables[comparison.name]
    return 0 if report.refused else report.gone


def _present(engine: sa.Engine) -> datetime:
    """The source's own clock, in UTC; MySQL and SQLite leave out the fraction of the second."""
    # A transaction of its own: PostgreSQL's clock stands still within one.
    with engine.connect() as live:
        now: datetime | str = live.execute(sa.select(sa.func.current_timestamp())).scalar_one()
    now = datetime.fromisoformat(now) if isinstance(now, str) else now
    return now.astimezone(UTC) if now.tzinfo else now.replace(tzinfo=UTC)
