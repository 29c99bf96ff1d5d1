"""Tables as the names in a query see them: columns, aliases, and what is visible from where."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from serving.lineage.values import NOTHING, Value, merged

Column = tuple[str, Value]
# An expression without an alias has the engine's own name for it, which is not told here.
UNNAMED = "?"


@dataclass(frozen=True)
class Relation:
    """The columns of a table or of a query's result, in order.

    ``rows`` is what chose, grouped or ordered its rows. ``others`` is what further columns, whose
    names are not known, are made of; None where there are none.
    """

    columns: tuple[Column, ...]
    rows: Value = NOTHING
    others: Value | None = None

    def column(self, name: str) -> Value | None:
        """Return what a column is made of; None where there is no such column.

        A column whose name is not known may be the one that is meant.
        """
        found = [value for column, value in self.columns if column in (name, UNNAMED)]
        if self.others is not None:
            found.append(self.others)
        return merged(found) if found else None

    def has(self, name: str) -> bool:
        """Whether a column surely has this name."""
        return any(column == name for column, _ in self.columns)

    def everything(self) -> Value:
        """Return what all columns together are made of: the whole row as one value."""
        return merged([*(value for _, value in self.columns), self.others or NOTHING])

    def renamed(self, names: list[str]) -> "Relation":
        """Return the relation with its first columns under other names: ``t(a, b)``."""
        if self.others is not None:
            whole = self.everything()
            return Relation(tuple((name, whole) for name in names), self.rows, whole)
        old = [name for name, _ in self.columns]
        every = [*names, *old[len(names) :]]
        columns = tuple(
            (name, value) for name, (_, value) in zip(every, self.columns, strict=False)
        )
        return replace(self, columns=columns)


@dataclass(frozen=True)
class Entry:
    """A table in FROM; ``qualifiers`` are its alias, or its name after its schema and database.

    ``hidden`` columns are merged into another table's by USING: reached by the alias alone.
    """

    qualifiers: tuple[str, ...]
    relation: Relation
    hidden: frozenset[str] = frozenset()

    def visible(self) -> Iterable[Column]:
        """Return the columns that a star shows."""
        return (column for column in self.relation.columns if column[0] not in self.hidden)

    def is_called(self, names: list[str]) -> bool:
        """Whether these names, the last of them a table's, mean this entry."""
        return bool(names) and tuple(names) == self.qualifiers[-len(names) :]


@dataclass(frozen=True)
class Tables:
    """All of a FROM, with what its joins used."""

    entries: tuple[Entry, ...] = ()
    rows: Value = NOTHING


@dataclass(frozen=True)
class Scope:
    """The names that an expression sees; those of ``outer`` where it has none of its own."""

    tables: Tables = Tables()
    ctes: Mapping[str, Relation] = field(default_factory=dict)
    aliases: Mapping[str, Value] = field(default_factory=dict)
    outer: "Scope | None" = None

    def inside(self, tables: Tables = Tables()) -> "Scope":
        """Return a scope within this one."""
        return Scope(tables=tables, ctes=self.ctes, outer=self)

    def find(self, names: list[str]) -> Value | None:
        """Return what a column reference is made of, from the nearest scope that has the name.

        A table's column goes before a struct's field, that before a whole row. Where a table has
        columns whose names are not known, these count beside what any scope around has.
        """
        for known, possible in (self._columns(names), self._fields(names)):
            if known:
                return merged(known)
            if possible:
                return merged([*possible, self._beyond(names)])
        rows = self._rows(names)
        if rows:
            return merged(rows)
        return self.outer.find(names) if self.outer else None

    def _beyond(self, names: list[str]) -> Value:
        around = self.outer.find(names) if self.outer else None
        return merged([*self._known_fields(names), *self._rows(names), around or NOTHING])

    def _columns(self, names: list[str]) -> tuple[list[Value], list[Value]]:
        return _split(
            (entry.relation, names[split])
            for entry in self.tables.entries
            for split in range(1, len(names))
            if entry.is_called(names[:split])
        )

    def _fields(self, names: list[str]) -> tuple[list[Value], list[Value]]:
        known, possible = _split((entry.relation, names[0]) for entry in self.tables.entries)
        alias = self.aliases.get(names[0])
        return [*known, *([] if alias is None else [alias])], possible

    def _known_fields(self, names: list[str]) -> list[Value]:
        return self._fields(names)[0]

    def _rows(self, names: list[str]) -> list[Value]:
        return [
            entry.relation.everything() for entry in self.tables.entries if entry.is_called(names)
        ]


def _split(lookups: Iterable[tuple[Relation, str]]) -> tuple[list[Value], list[Value]]:
    """Return what surely is of the name, and what may be."""
    known: list[Value] = []
    possible: list[Value] = []
    for relation, name in lookups:
        value = relation.column(name)
        if value is not None:
            (known if relation.has(name) else possible).append(value)
    return known, possible
