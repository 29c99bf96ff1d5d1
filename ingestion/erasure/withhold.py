"""The filter that every way into raw passes: what belongs to an erased person does not enter.

rows of a table -> own key or a link is marked? -> withheld whole, or with columns emptied -> dlt
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from dlt.extract import DltResource

from ingestion.erasure.marks import Marks, append_marks, read_marks
from ingestion.erasure.normal import mark_sql, set_pads
from ingestion.erasure.relations import Link, TableRule, erasure_folder, read_relations
from ingestion.erasure.sweep import sweep_tables
from ingestion.errors import UnloadableTable
from ingestion.names import raw_name

Row = Mapping[str, Any]
_PLACE = "_place_of_row"


@dataclass
class Withholding:
    """The marks as one load of one source applies them.

    ``withheld`` and ``emptied`` count the rows. A row known by a link alone may be referred to by
    rows that are already in raw: then a file says that a sweep is due, until one has been done.
    """

    home: Path
    source: str
    rules: dict[str, TableRule]
    marks: Marks
    withheld: Counter[str] = field(default_factory=Counter)
    emptied: Counter[str] = field(default_factory=Counter)
    _keys: dict[str, set[str]] = field(default_factory=dict)

    def sweep_if_due(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Remove from raw, of every source, what this or a killed load found to be theirs too."""
        if not self._due.exists():
            return
        marks = read_marks(self.home)
        assert marks is not None
        before = {domain: set(found) for domain, found in marks.of_present_key().items()}
        connection.begin()
        sweep_tables(connection, read_relations(self.home).tables, marks)
        after = marks.of_present_key()
        new = {domain: found - before.get(domain, set()) for domain, found in after.items()}
        append_marks(self.home, marks.present, new)
        connection.commit()
        self._due.unlink()

    @property
    def _due(self) -> Path:
        return erasure_folder(self.home) / f"{self.source}.sweep"

    def apply(self, resources: Iterable[DltResource]) -> None:
        """Let the rows of these resources pass the filter last, whatever made them."""
        for resource in resources:
            table = str(resource.table_name)
            if table in self.rules:
                resource.add_step(self._step(table))

    def rows(self, table: str, rows: pa.Table) -> pa.Table:
        """Return Arrow rows without those withheld, with marked columns NULL."""
        found = self._judged(self.rules[table], rows)
        if found is None:
            return rows
        struck, empty = found
        for name, mask in empty.items():
            if name in rows.column_names and pc.any(mask).as_py():
                place = rows.column_names.index(name)
                rows = rows.set_column(place, rows.field(name), _emptied(rows[name], mask))
        return rows.filter(pc.invert(struck))

    def dicts(self, table: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return rows of JSON without those withheld, with marked columns NULL."""
        found = self._judged(self.rules[table], _as_arrow(self.rules[table], rows))
        if found is None:
            return rows
        struck, empty = found
        kept = []
        for index, row in enumerate(rows):
            if not struck[index].as_py():
                gone = {n: None for n, mask in empty.items() if n in row and mask[index].as_py()}
                kept.append({**row, **gone})
        return kept

    def strikes(self, table: str, row: Row) -> bool:
        """Whether one row as its source names it is to be withheld, or even its key untold."""
        rule = self.rules.get(table)
        if rule is None:
            return False
        found = self._judged(rule, _as_arrow(rule, [{raw_name(n): v for n, v in row.items()}]))
        return found is not None and bool(found[0][0].as_py())

    def has_key(self, table: str, parts: list[str]) -> bool:
        """Whether raw differs from its source at this key because somebody was erased."""
        rule = self.rules.get(table)
        if rule is None:
            return False
        mentions = [rule.mention_domain(column) for column in rule.classes]
        domains = [rule.own_domain, rule.blanked_domain, *mentions]
        return any(self.marks.of(d) and self.marks.has(d, parts) for d in domains)

    def _step(self, table: str) -> Any:
        def withhold(item: Any, meta: Any = None) -> Any:
            if isinstance(item, pa.Table):
                return self.rows(table, item)
            if isinstance(item, pa.RecordBatch):
                return self.rows(table, pa.Table.from_batches([item]))
            if isinstance(item, dict):
                return next(iter(self.dicts(table, [item])), None)
            if isinstance(item, list) and all(isinstance(row, dict) for row in item):
                return self.dicts(table, item)
            raise UnloadableTable(f"{table} arrives as {type(item).__name__}, unfiltered")

        return withhold

    def _judged(
        self, rule: TableRule, rows: pa.Table
    ) -> tuple[pa.Array, dict[str, pa.Array]] | None:
        """Which rows are withheld, and in which rows which columns are emptied."""
        if not rows.num_rows:
            return None
        # A row that only lost columns is known by its link alone: without it, it is nobody's.
        by_key = self._marked(rule.own, rule.own_domain, rows)
        by_link = [self._marked(link, link.domain, rows) for link in rule.links]
        linked = _any(by_link, rows.num_rows)
        struck = _any([by_key, linked if rule.effect == "row" else None], rows.num_rows)
        empty: dict[str, pa.Array] = {}
        blank = _any([linked if rule.effect == "columns" else None], rows.num_rows)
        for column in rule.classes:
            mentioned = self._marked(rule.own, rule.mention_domain(column), rows)
            of_row = blank if column in rule.blanked else None
            empty[column] = _any([of_row, mentioned], rows.num_rows)
        self._remember(rule, rows, struck, rule.own_domain, self.withheld)
        touched = _any(list(empty.values()), rows.num_rows)
        self._count(rule, rows, touched, self.emptied)
        if rule.effect == "columns":
            self._remember(rule, rows, blank, rule.blanked_domain, None)
        return struck, empty

    def _marked(self, link: Link, domain: str, rows: pa.Table) -> pa.Array | None:
        """Which rows hold a marked value; None where none can."""
        known = self.marks.of(domain)
        if not known or not set(link.columns) <= set(rows.column_names):
            return None
        named = link.model_copy(update={"domain": domain})
        distinct, places = _distinct(rows.select(link.columns))
        marked = np.zeros(distinct.num_rows, np.bool_)
        for key_id, marks in known.items():
            marked[self._places_of(named, distinct, key_id, marks)] = True
        found = pa.array(marked)
        return found if places is None else pc.take(found, places)

    def _places_of(self, link: Link, rows: pa.Table, key_id: str, marks: set[str]) -> Any:
        """The places of rows whose mark is one of these; DuckDB hashes on all cores."""
        numbered = rows.select(link.columns).append_column(_PLACE, pa.array(np.arange(len(rows))))
        with self._connected(key_id, numbered) as connection:
            found = connection.execute(
                f"select {_PLACE} from judged where {mark_sql(link)} in (select unnest(?))",
                [sorted(marks)],
            )
            return found.to_arrow_table()[_PLACE].to_numpy()

    def _hashed(self, link: Link, rows: pa.Table, key_id: str) -> pa.Array:
        with self._connected(key_id, rows.select(link.columns)) as connection:
            hashed = connection.execute(f"select {mark_sql(link)} as mark from judged")
            return hashed.to_arrow_table()["mark"].combine_chunks()

    @contextmanager
    def _connected(self, key_id: str, rows: pa.Table) -> Iterator[duckdb.DuckDBPyConnection]:
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            set_pads(connection, self.marks.keys[key_id])
            connection.register("judged", rows)
            yield connection

    def _remember(
        self,
        rule: TableRule,
        rows: pa.Table,
        mask: pa.Array,
        domain: str,
        counter: Counter[str] | None,
    ) -> None:
        """Mark the keys of rows known by a link, so that rows which refer to them are known too."""
        if not pc.any(mask).as_py() or not set(rule.key) <= set(rows.column_names):
            return
        named = rule.own.model_copy(update={"domain": domain})
        own = self._hashed(named, rows.filter(mask), self.marks.present.key_id)
        marks = set(own.drop_null().to_pylist())
        if counter is not None:
            seen = self._keys.setdefault(domain, set())
            counter[rule.table] += len(marks - seen)
            seen |= marks
        by_old_keys = self._marked(named, domain, rows.filter(mask))
        if by_old_keys is not None and pc.all(by_old_keys).as_py():
            return
        new = self.marks.add(domain, marks)
        if new:
            # First the file: a load that is killed between the two is swept for nothing.
            self._due.touch()
            append_marks(self.home, self.marks.present, {domain: new})

    def _count(
        self, rule: TableRule, rows: pa.Table, mask: pa.Array, counter: Counter[str]
    ) -> None:
        counter[rule.table] += int(pc.sum(mask).as_py() or 0)


def withholding(home: Path, source: str) -> Withholding | None:
    """Return the filter of a source's loads; None where nobody was erased."""
    marks = read_marks(home)
    if marks is None:
        return None
    return Withholding(home, source, read_relations(home).of_source(source), marks)


def _any(masks: list[pa.Array | None], count: int) -> pa.Array:
    result = pa.repeat(pa.scalar(False), count)
    for mask in masks:
        if mask is not None:
            result = pc.or_(result, pc.fill_null(mask, False))
    return result


def _distinct(rows: pa.Table) -> tuple[pa.Table, pa.Array | None]:
    """The values of a single column each once, and where each row's is: hashing costs the most."""
    if rows.num_columns > 1:
        return rows, None
    try:
        encoded = pc.dictionary_encode(rows.column(0).combine_chunks())
    except pa.ArrowNotImplementedError:
        return rows, None
    if isinstance(encoded, pa.ChunkedArray):
        return rows, None
    return pa.table({rows.column_names[0]: encoded.dictionary}), encoded.indices


def _emptied(column: Any, mask: pa.Array) -> Any:
    """NULL where the mask holds; by taking, which works for every type."""
    places = pa.array(range(len(column)), pa.int64())
    return column.take(pc.if_else(mask, pa.scalar(None, pa.int64()), places))


def _as_arrow(rule: TableRule, rows: list[dict[str, Any]]) -> pa.Table:
    names = dict.fromkeys([*rule.key, *(name for link in rule.links for name in link.columns)])
    there = [name for name in names if any(name in row for row in rows)]
    return pa.table({name: _column([row.get(name) for row in rows]) for name in there})


def _column(values: list[Any]) -> pa.Array:
    """Values in the types that they have, or as text where they have no type in common."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())
