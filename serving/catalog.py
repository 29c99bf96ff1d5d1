"""``catalog.json``: what a snapshot holds, for whom, how fresh and from where.

declarations (dbt) + warehouse -> Catalog -> snapshot folder -> reader
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

CATALOG_FILE = "catalog.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnOrigin(_Part):
    """A raw column that flows into a view's column.

    ``masks`` are the functions between, ``path`` the columns of the models, the view's own last.
    """

    table: str
    column: str
    privacy: str | None
    masks: list[str]
    path: list[str]


class CatalogColumn(_Part):
    """A column of a view; ``mask`` is None where the value is the source's own.

    ``origins`` are the raw columns behind it; None where nothing was proven.
    """

    name: str
    type: str
    description: str
    mask: str | None = None
    untrusted: bool = False
    origins: list[ColumnOrigin] | None = None


class SearchSpec(_Part):
    """Which columns of a view are searched, titled and filtered by."""

    text: list[str]
    title: str | None = None
    filters: list[str] = []


class MinGroup(_Part):
    """The fewest people that a row may stand for, and the column that counts them."""

    size: int = Field(ge=2)
    count: str


class SourceTable(_Part):
    """A raw table behind a view: its watermark and the load it was last changed by."""

    table: str
    watermark: datetime | None
    load_id: str | None


class Position(_Part):
    """How far a store follows the changes of its view's model.

    Another ``generation`` means that the model was built whole: nothing is known of what changed.
    """

    generation: str
    seq: int


class Layer(_Part):
    """The files that hold what changed of a store since its base was written whole.

    ``entries`` counts their keys, ``live`` those that have a row now, ``replaced`` those whose row
    in the base no longer counts.
    """

    duckdb: str
    lookup: str
    entries: int
    live: int
    replaced: int


class Store(_Part):
    """The files of one view for one scope, relative to the snapshot folder.

    ``duckdb`` and ``lookup`` are the base; with a ``layer`` its rows come in place of the base's.
    ``rows`` counts what this scope holds; ``index_table`` names its table in the LanceDB folder.
    ``content_hash`` changes with any cell, column, key or comment; equal ones share their files.
    ``shape`` changes with all but the rows; ``written_in`` is the snapshot that wrote the base, or
    last compared it as a whole, ``because`` why it did.
    """

    duckdb: str
    lookup: str | None
    index_table: str | None
    rows: int
    content_hash: str = ""
    shape: str = ""
    written_in: str = ""
    because: str = ""
    position: Position | None = None
    layer: Layer | None = None

    @property
    def base_rows(self) -> int:
        """How many rows the base has, those that no longer count among them."""
        return (
            self.rows if self.layer is None else self.rows - self.layer.live + self.layer.replaced
        )

    @property
    def files(self) -> list[str]:
        """The files of base and layer."""
        layer = [self.layer.duckdb, self.layer.lookup] if self.layer else []
        return [self.duckdb, *([self.lookup] if self.lookup else []), *layer]


class CatalogView(_Part):
    """One agent view: its columns, keys, limits and where it comes from."""

    name: str
    description: str
    columns: list[CatalogColumn]
    key: str
    lookups: list[str] = []
    warn_after_s: float | None = None
    error_after_s: float | None = None
    on_stale: Literal["warn", "refuse"] = "warn"
    search: SearchSpec | None = None
    min_group: MinGroup | None = None
    is_cached: bool = True
    data_as_of: datetime | None
    sources: list[SourceTable]


class Limits(_Part):
    """What one agent may use; the defaults hold where its exposure declares nothing.

    ``characters`` counts the text of all cells of one answer. Of long calls (SQL, search) so many
    run at once as ``concurrent`` says; a further one waits up to ``wait_seconds``. Together they
    may run ``seconds_per_minute``. ``identical_calls``: the same call so often in a row within a
    minute, with the same data; by default a quarter of ``calls_per_minute``, and 20 at least.
    ``memory_mb`` is what one of its worker processes may hold.
    """

    rows: int = Field(default=1_000, ge=1)
    characters: int = Field(default=400_000, ge=1)
    seconds: float = Field(default=10.0, gt=0)
    calls_per_minute: int = Field(default=600, ge=0)
    seconds_per_minute: float = Field(default=120.0, ge=0)
    concurrent: int = Field(default=2, ge=1)
    wait_seconds: float = Field(default=10.0, ge=0)
    identical_calls: int | None = Field(default=None, ge=1)
    memory_mb: int = Field(default=512, ge=64)

    @property
    def most_identical_calls(self) -> int:
        """How often the same call may come in a row."""
        if self.identical_calls is not None:
            return self.identical_calls
        return max(self.calls_per_minute // 4, 20)


class CatalogAgent(_Part):
    """An agent's whole world: for each of its views, the store that holds its rows alone.

    ``tells_hidden`` lets it know where a row filter may be why it finds nothing.
    """

    name: str
    purpose: str
    limits: Limits
    stores: dict[str, Store]
    row_filtered: list[str] = []
    tells_hidden: bool = False


class TableBuild(_Part):
    """How a table of the index came about: in which snapshot it was written whole, and why.

    ``layout`` changes with the search columns, the chunking or the model. ``updates`` counts the
    snapshots since it was last written whole that took all new rows into the indexes, ``untidy``
    those since then that did not, ``untidy_rows`` their chunks; ``removed`` the chunks that the
    files still hold.
    ``probes`` are the parts of the vector index that a search looks at, ``recall`` is recall@10.
    """

    layout: str
    written_in: str
    because: str
    updates: int = 0
    removed: int = 0
    untidy: int = 0
    untidy_rows: int = 0
    probes: int | None = None
    recall: float = 1.0


class EmbedderSpec(_Part):
    """Which model embeds; its key is no part of it.

    ``provider`` is ``builtin``, ``openai`` or ``ollama`` (the protocol that ``url`` speaks), or a
    name of LanceDB's registry such as ``sentence-transformers``.
    """

    provider: str = "builtin"
    model: str = ""
    url: str | None = None

    @property
    def label(self) -> str:
        """The name under which vectors of this model are kept."""
        return f"{self.provider}:{self.model}"


class IndexInfo(_Part):
    """The vector index of a snapshot; ``kinds`` tells the index kind of each table.

    ``recipes`` changes with a table's rows, its search columns, the chunking or the model;
    ``embedded`` and ``carried`` count texts that went through the model, and that did not need to.
    """

    folder: str
    model: str
    dimensions: int
    embedder: EmbedderSpec = EmbedderSpec()
    chunks: dict[str, int]
    kinds: dict[str, str]
    recipes: dict[str, str] = {}
    builds: dict[str, TableBuild] = {}
    embedded: int = 0
    carried: int = 0


class Catalog(_Part):
    """Everything that a reader needs to know about one snapshot.

    ``stores`` are the views before any row filter: for checks, and to tell an agent that
    ``tells_hidden`` whether a key exists; no row of them reaches an agent.
    """

    snapshot_id: str
    created_at: datetime
    contract_version: str
    views: dict[str, CatalogView]
    agents: dict[str, CatalogAgent]
    stores: dict[str, Store] = {}
    index: IndexInfo | None = None

    def all_stores(self) -> dict[str, tuple[str, Store]]:
        """Return each distinct store by its DuckDB file, with the name of its view."""
        scopes = [self.stores, *(agent.stores for agent in self.agents.values())]
        return {store.duckdb: (view, store) for scope in scopes for view, store in scope.items()}
