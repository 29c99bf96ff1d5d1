"""The lineage of a whole dbt project: every model's columns, read from its compiled SQL.

manifest.json -> one Table a source table and model -> NotFollowed for what cannot be read
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from serving.errors import NotFollowed
from serving.lineage.guards import refuse_unreadable
from serving.lineage.queries import read_query
from serving.lineage.relations import UNNAMED, Relation
from serving.lineage.values import Input, plain

# How the columns of a model are called whose names are not known.
OTHERS = "*"


@dataclass(frozen=True)
class Table:
    """A source table or a model; ``key`` is its schema and name in the warehouse.

    ``relation`` holds the inputs of a model's columns in the tables that it reads; a source's
    columns have none.
    """

    key: str
    name: str
    is_source: bool
    relation: Relation
    reads: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Unfollowed:
    """A model whose lineage cannot be followed: where, and why."""

    model: str
    file: str
    reason: str


class ProjectLineage:
    """Reads the models of a manifest, each once and only when it is asked for.

    ``functions`` are those of the schema ``privacy``; ``technical`` the columns that ingestion
    adds to every raw table.
    """

    def __init__(
        self,
        manifest: Mapping[str, Any],
        *,
        functions: frozenset[str],
        technical: Collection[str],
    ) -> None:
        self._manifest = manifest
        self._functions = functions
        self._technical = [plain(name) for name in technical]
        self._nodes, self.unfollowed = _by_relation(manifest)
        self._tables: dict[str, Table] = {}
        self._under_way: list[str] = []

    def model(self, unique_id: str) -> Table:
        """Return a model's table; NotFollowed where it, or a model that it reads, is unreadable."""
        return self.table(_key(self._manifest["nodes"][unique_id]))

    def table(self, key: str) -> Table:
        """Return the table of this schema and name."""
        if key not in self._tables:
            node = self._nodes[key]
            if key in self.unfollowed:
                raise NotFollowed(f"it reads {node['name']}, which cannot be followed")
            if key in self._under_way:
                raise NotFollowed(f"{node['name']} reads itself")
            self._under_way.append(key)
            try:
                self._tables[key] = self._read(key, node)
            except NotFollowed as error:
                self.unfollowed[key] = _unfollowed(node, error)
                raise NotFollowed(f"it reads {node['name']}, which cannot be followed") from error
            finally:
                self._under_way.remove(key)
        return self._tables[key]

    def _read(self, key: str, node: Mapping[str, Any]) -> Table:
        if node["resource_type"] == "source":
            return self._source(key, node)
        refuse_unreadable(self._manifest, node)
        reads: set[str] = set()

        def catalog(names: list[str]) -> Relation | None:
            found = ".".join(names[-2:])
            if len(names) < 2 or found not in self._nodes:
                return None
            database = plain(self._nodes[found].get("database") or "")
            if len(names) == 3 and names[0] != database:
                return None
            reads.add(found)
            return _as_read(self.table(found))

        relation = read_query(node["compiled_code"], catalog, self._functions)
        return Table(key, node["name"], False, relation, frozenset(reads))

    def _source(self, key: str, node: Mapping[str, Any]) -> Table:
        columns = [plain(name) for name in node["columns"]]
        if not columns:
            raise NotFollowed("the source declares no columns")
        names = list(dict.fromkeys([*columns, *self._technical]))
        relation = Relation(tuple((name, frozenset()) for name in names))
        return Table(key, f"{node['source_name']}.{node['name']}", True, relation)


def _as_read(table: Table) -> Relation:
    """Return a table as those see it who read it: each column is made of itself."""
    columns = tuple(
        (name, frozenset({Input(table.key, name)})) for name, _ in table.relation.columns
    )
    others = None
    if table.relation.others is not None:
        others = frozenset({Input(table.key, OTHERS)})
    return Relation(columns, others=others)


def _key(node: Mapping[str, Any]) -> str:
    name = node.get("identifier") or node.get("alias") or node["name"]
    return f"{plain(node['schema'])}.{plain(name)}"


def _by_relation(
    manifest: Mapping[str, Any],
) -> tuple[dict[str, Mapping[str, Any]], dict[str, Unfollowed]]:
    """Map the relations of a manifest, and those that two nodes write."""
    nodes: dict[str, Mapping[str, Any]] = {}
    twice: dict[str, Unfollowed] = {}
    built = [n for n in manifest["nodes"].values() if n["resource_type"] in _BUILT]
    for node in [*manifest["sources"].values(), *built]:
        key = _key(node)
        if key in nodes:
            reason = f"it and {nodes[key]['name']} are the same table, {key}"
            twice[key] = Unfollowed(node["name"], node["original_file_path"], reason)
        nodes[key] = node
    return nodes, twice


_BUILT = frozenset({"model", "seed", "snapshot"})


def _unfollowed(node: Mapping[str, Any], error: NotFollowed) -> Unfollowed:
    where = ""
    if error.location is not None:
        before = node.get("compiled_code", "").encode()[: error.location].decode(errors="ignore")
        where = f" (line {len(before.splitlines()) or 1} of its compiled SQL)"
    return Unfollowed(node["name"], node["original_file_path"], f"{error.message}{where}")


def column_names(table: Table) -> list[str]:
    """Return the names of a table's columns; OTHERS for those whose names are not known."""
    names = list(dict.fromkeys(name for name, _ in table.relation.columns))
    return [*names, *([OTHERS] if table.relation.others is not None else [])]


def is_named(column: str) -> bool:
    """Whether a column's name is known."""
    return column not in (OTHERS, UNNAMED)
