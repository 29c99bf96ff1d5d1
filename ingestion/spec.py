"""The shape of sources.yaml: a source is data, not code."""

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

NAME = r"^[a-z][a-z0-9_]*$"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
FieldType = Literal["integer", "number", "text", "boolean", "timestamp", "date", "object", "array"]


def parse_duration(value: object) -> timedelta:
    """Read ``90s``, ``10m``, ``2h`` or ``1d``."""
    match = re.fullmatch(r"(\d+)([smhd])", str(value).strip())
    if match is None:
        raise ValueError("write a number and a unit: 90s, 10m, 2h or 1d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def fields_of(path: str) -> list[str]:
    """The names in braces of a path."""
    return re.findall(r"\{([^{}]*)\}", path)


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CursorSpec(_Spec):
    """A column that grows with every change, and how far back each load reads again.

    ``overlap`` covers transactions that commit late: a row whose cursor was set that long before
    it became visible is still found. ``param`` is the query parameter of an API.
    """

    column: str
    overlap: Duration = timedelta(minutes=10)
    param: str | None = None


class RowField(_Spec):
    """What one value must be for its row to be loaded; a row that breaks it is quarantined."""

    type: FieldType
    required: bool = False
    ge: float | None = None
    le: float | None = None


class QuarantineSpec(_Spec):
    """The share of a table's rows that may wait in quarantine before its asset check fails."""

    max_share: float = Field(default=0.01, ge=0, le=1)


class ReconcileSpec(_Spec):
    """When a cursor's table is compared with its source, and how much that may delete.

    A cursor sees no deletes. A comparison that would delete more than ``max_delete_share`` of the
    table deletes nothing and says so.
    """

    schedule: str = Field(default="0 3 * * *", description="cron, in UTC")
    max_delete_share: float = Field(default=0.1, ge=0, le=1)


class TableSpec(_Spec):
    """One raw table: its key, its cursor and what its rows must be.

    A load that reads the whole table deletes the rows that it did not find; it fails and deletes
    nothing where that are more than ``max_shrink_share`` of them.
    """

    primary_key: list[str] = Field(min_length=1)
    cursor: CursorSpec | None = None
    row: dict[str, RowField] = {}
    quarantine: QuarantineSpec = QuarantineSpec()
    max_shrink_share: float = Field(default=0.5, ge=0, le=1)
    reconcile: ReconcileSpec | None = None


class SqlTableSpec(TableSpec):
    """A table of a database; ``source_table`` where it has another name there.

    ``partial`` says that the publication of its log holds rows or columns back on purpose; without
    it such a publication is refused.
    """

    source_table: str | None = None
    partial: bool = False


class CompletenessSpec(_Spec):
    """What an API says about the whole of a listing, against which its pages are held.

    ``total_path`` is the JSON path of the number of rows in the listing, ``has_more_path`` that of
    a flag, ``page_size`` what every page but the last holds. ``confirm`` reads each listing twice
    and believes it if both are equal; by default where pages are numbered or offset and there is no
    total, because a row deleted meanwhile moves the next one, unread, to the page before.
    """

    total_path: str | None = None
    has_more_path: str | None = None
    page_size: int | None = Field(default=None, ge=1)
    confirm: bool | None = None


class RestTableSpec(TableSpec):
    """An endpoint of an API: ``data`` is the JSON path of the rows in a page.

    ``ordered`` says that rows come in the order of the cursor; then a load is made durable after
    every ``checkpoint_pages``, and one that was killed goes on from there. More pages lose more
    work to a kill, fewer cost more merges: about 1 s each.
    ``row_path`` is where one row is read, as ``/tickets/{id}``, and ``row_data`` its JSON path in
    the answer; with it rows are read again by key, without it by listing them all. A row that
    answers 404 or 410 there is gone.
    """

    path: str
    row_path: str | None = None
    row_data: str = "$"
    data: str = "data"
    params: dict[str, str | int] = {}
    completeness: CompletenessSpec | None = None
    ordered: bool = False
    checkpoint_pages: int = Field(default=100, ge=1)


class FileTableSpec(_Spec):
    """The files below the source's folder that match ``glob``.

    ``markdown`` is one row a file, with its path as key. ``csv``, ``jsonl`` and ``parquet`` are
    many rows a file: ``primary_key`` says which columns identify one, ``row`` types them (text
    where it does not), and a key that several files hold is the row of the last path. A file
    younger than ``settle`` waits for the next load, because it may still be written.

    A file that is ``append_only`` grows by whole lines: it is read although it grows meanwhile, and
    the next load reads on from there, or all of it where what was read is not as it was.
    ``only_declared`` loads the columns of ``row`` and no other.
    """

    glob: str = "**/*.md"
    format: Literal["markdown", "csv", "jsonl", "parquet"] = "markdown"
    primary_key: list[str] = Field(default=["path"], min_length=1)
    row: dict[str, RowField] = {}
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    append_only: bool = False
    only_declared: bool = False
    settle: Duration = timedelta(0)
    quarantine: QuarantineSpec = QuarantineSpec()
    max_shrink_share: float = Field(default=0.5, ge=0, le=1)

    @model_validator(mode="after")
    def _rows_of_a_file_have_a_declared_key(self) -> "FileTableSpec":
        declared = "primary_key" in self.model_fields_set
        if self.format == "markdown" and (self.row or self.primary_key != ["path"]):
            raise ValueError("a markdown file is one row with the key [path]; leave out both")
        if self.format != "markdown" and not declared:
            raise ValueError(
                f"primary_key is missing: the columns that identify a row of {self.format}"
            )
        if self.append_only and self.format != "jsonl":
            raise ValueError("only a jsonl file can be append_only: each line stands for itself")
        return self


class _SourceSpec(_Spec):
    description: str
    owner: str
    schedule: str = Field(description="cron, in UTC")
    follow_every: Duration = Field(
        default=timedelta(minutes=1),
        gt=timedelta(0),
        description="how often `grounded follow` loads it when a look tells of nothing new",
    )
    demo: bool = False


class SqlDatabaseSource(_SourceSpec):
    """A database: its address is the secret ``sources.<name>.url``.

    ``capture: log`` reads every change of a PostgreSQL, deletes included, from its log; ``slot``
    and ``publication`` are then ``grounded_<source>`` unless declared. ``cursor`` asks each table
    for what its cursor says is new.
    """

    kind: Literal["sql_database"]
    db_schema: str | None = None
    capture: Literal["log", "cursor"] = "cursor"
    slot: str | None = Field(default=None, pattern=r"^[a-z0-9_]{1,63}$")
    publication: str | None = Field(default=None, min_length=1, max_length=63)
    tables: dict[Annotated[str, Field(pattern=NAME)], SqlTableSpec]


class AuthSpec(_Spec):
    """How an API knows us; the credentials are secrets below ``sources.<name>``.

    ``bearer`` and ``api_key`` use ``token``, ``basic`` uses ``user`` and ``password``, ``oauth2``
    (client credentials) uses ``client_id`` and ``client_secret``.
    """

    type: Literal["bearer", "basic", "api_key", "oauth2", "none"] = "bearer"
    name: str = Field(default="Authorization", description="header or parameter of an api_key")
    location: Literal["header", "query"] = "header"
    token_url: str | None = Field(default=None, description="where oauth2 gets its tokens")
    scope: str | None = None

    @model_validator(mode="after")
    def _oauth2_says_where_its_tokens_come_from(self) -> "AuthSpec":
        if self.type == "oauth2" and self.token_url is None:
            raise ValueError("token_url is missing: where oauth2 gets its tokens")
        return self


class PaginatorSpec(_Spec):
    """How an API hands out its pages, in the words of dlt's paginators."""

    type: Literal["cursor", "json_link", "header_link", "offset", "page_number", "single_page"]
    cursor_path: str = "next_cursor"
    cursor_param: str = "cursor"
    next_url_path: str = "next"
    links_next_key: str = "next"
    limit: int | None = Field(default=None, ge=1, description="rows of a page, sent with offset")
    limit_param: str = "limit"
    offset_param: str = "offset"
    page_param: str = "page"
    base_page: int = 0

    @property
    def shifts(self) -> bool:
        """Whether a row that vanishes moves all later ones towards pages already read."""
        return self.type in ("offset", "page_number")

    @model_validator(mode="after")
    def _an_offset_says_its_limit(self) -> "PaginatorSpec":
        if self.type == "offset" and self.limit is None:
            raise ValueError("limit is missing: the rows of a page")
        return self


class RateLimitSpec(_Spec):
    """At most ``calls`` requests in any window of ``per``."""

    calls: int = Field(ge=1)
    per: Duration = timedelta(seconds=1)


class RestApiSource(_SourceSpec):
    """An HTTP API: its address is the secret ``sources.<name>.url``.

    ``timeout`` bounds connecting and every pause within an answer, which may take ten times that
    in all. ``max_wait`` bounds how long one request waits because the API asks for it (429).
    ``max_response_mb`` bounds an answer, decompressed. A redirect to another host is followed only
    if ``redirect_hosts`` names it, and never with credentials.
    """

    kind: Literal["rest_api"]
    auth: AuthSpec = AuthSpec()
    paginator: PaginatorSpec
    completeness: CompletenessSpec = CompletenessSpec()
    rate_limit: RateLimitSpec | None = None
    timeout: Duration = timedelta(seconds=30)
    max_wait: Duration = timedelta(minutes=5)
    max_response_mb: int = Field(default=64, ge=1, le=1024)
    redirect_hosts: list[str] = []
    tables: dict[Annotated[str, Field(pattern=NAME)], RestTableSpec]

    def completeness_of(self, table: RestTableSpec) -> CompletenessSpec:
        """What holds for a table; an offset's limit is a page size too."""
        declared = table.completeness or self.completeness
        if declared.page_size is None and self.paginator.type == "offset":
            return declared.model_copy(update={"page_size": self.paginator.limit})
        return declared

    @model_validator(mode="after")
    def _an_endpoint_with_a_cursor_says_its_parameter(self) -> "RestApiSource":
        for name, table in self.tables.items():
            if table.cursor is not None and table.cursor.param is None:
                raise ValueError(f"tables.{name}.cursor.param is missing: the query parameter")
            if table.cursor is not None and table.cursor.column not in table.row:
                raise ValueError(
                    f"tables.{name}.row has no {table.cursor.column}: the cursor's type"
                )
        return self

    @model_validator(mode="after")
    def _a_row_path_names_the_key(self) -> "RestApiSource":
        for name, table in self.tables.items():
            path = table.row_path
            if path is not None and sorted(fields_of(path)) != sorted(table.primary_key):
                named = "".join(f"/{{{column}}}" for column in table.primary_key)
                raise ValueError(
                    f"tables.{name}.row_path does not name each column of the key once: write "
                    f"{table.path}{named}"
                )
        return self

    @model_validator(mode="after")
    def _an_ordered_endpoint_can_be_held_against_its_pages(self) -> "RestApiSource":
        for name, table in self.tables.items():
            if table.ordered and table.cursor is None:
                raise ValueError(
                    f"tables.{name}.cursor is missing: what ordered rows are ordered by"
                )
            if table.ordered and self.completeness_of(table).page_size is None:
                raise ValueError(
                    f"tables.{name}.completeness.page_size is missing: a part of a listing is kept "
                    "only if each of its pages is known to be full"
                )
        return self


class FilesSource(_SourceSpec):
    """A folder: its path is the secret ``sources.<name>.url``.

    ``home_folder`` is in place of that a folder of our own below the run-time home, which may not
    be there yet.
    """

    kind: Literal["files"]
    home_folder: str | None = Field(default=None, pattern=NAME)
    tables: dict[Annotated[str, Field(pattern=NAME)], FileTableSpec]


SourceSpec = Annotated[SqlDatabaseSource | RestApiSource | FilesSource, Field(discriminator="kind")]


class SourcesFile(_Spec):
    """All sources by name; a name is also the raw schema."""

    sources: dict[Annotated[str, Field(pattern=NAME)], SourceSpec]
