"""How the rows of raw tables belong to people, as ingestion needs to know it.

``config.meta.subject`` in dbt's YAML -> orchestration -> <home>/erasure/relations.json -> a load

A domain names what a mark stands for: ``shop.customers(id)`` for the key of a customer. Equal
values of one domain have equal marks wherever they stand.
"""

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal["exact", "email", "phone"]
Effect = Literal["row", "columns"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Link(_Part):
    """Columns that together hold a value of another table's ``domain``."""

    columns: list[str]
    kinds: list[Kind]
    domain: str


class TableRule(_Part):
    """One raw table: its key, and what of a row goes when it belongs to an erased person.

    ``links`` are alternatives. ``exports`` are links to this table's own columns that others refer
    to. ``classes`` holds the privacy class of each column that is not public; ``keeps_mentions``
    leaves texts alone in which an erased person is named.
    """

    source: str
    table: str
    key: list[str]
    person: str | None = None
    is_person: bool = False
    links: list[Link] = []
    exports: list[Link] = []
    effect: Effect = "row"
    classes: dict[str, str] = {}
    keeps_mentions: bool = False

    @property
    def name(self) -> str:
        """``source.table``."""
        return f"{self.source}.{self.table}"

    @property
    def own(self) -> Link:
        """The row's own key."""
        return Link(columns=self.key, kinds=["exact"] * len(self.key), domain=self.own_domain)

    @property
    def own_domain(self) -> str:
        """The domain of the row's own key."""
        return domain_of(self.name, self.key)

    @property
    def blanked(self) -> list[str]:
        """The columns that are emptied where a row stays: all that are not public, but the key."""
        return [column for column in self.classes if column not in self.key]

    @property
    def blanked_domain(self) -> str:
        """The domain of keys of rows whose personal columns are emptied."""
        return f"columns:{self.own_domain}"

    def mention_domain(self, column: str) -> str:
        """The domain of keys of rows in which one column told of an erased person."""
        return f"mention:{self.name}.{column}({','.join(self.key)})"


class Relations(_Part):
    """Every declared raw table, in an order in which each comes after those it refers to."""

    tables: list[TableRule]

    def of_source(self, source: str) -> dict[str, TableRule]:
        """The tables of one source by name."""
        return {rule.table: rule for rule in self.tables if rule.source == source}


def domain_of(table: str, columns: list[str]) -> str:
    """Name what values of these columns of a table stand for."""
    return f"{table}({','.join(columns)})"


def erasure_folder(home: Path) -> Path:
    """Where marks, relations, receipts and the journal of a running erasure lie."""
    return home / "erasure"


def write_relations(home: Path, relations: Relations) -> None:
    """Leave the relations for loads, in one step."""
    path = erasure_folder(home) / "relations.json"
    text = relations.model_dump_json(indent=2)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Two processes may do so at once, each with a draft of its own.
    draft = path.with_name(f"relations.{os.getpid()}.new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def read_relations(home: Path) -> Relations:
    """Return the relations; none where nobody was ever erased here."""
    path = erasure_folder(home) / "relations.json"
    if not path.exists():
        return Relations(tables=[])
    return Relations.model_validate_json(path.read_bytes())
