"""``config.meta.subject`` of dbt's source tables, as the relations that ingestion works by.

subject: {person: customer, key: id}                        the table that is the person
subject: {person: customer, by: {customer_id: id}}          a row belongs to a person
subject: {person: customer, by: [{customer_id: id}, {requester_email: email}]}      either way
subject: {person: customer, through: helpdesk.tickets, by: {ticket_id: id}}         in a chain
    erase: row | columns     the whole row goes, or its columns that are not public are emptied
    mentions: empty | keep   texts of others that name the person; on any table
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingestion.erasure.relations import Kind, Link, Relations, TableRule, domain_of
from ingestion.names import raw_name
from ingestion.spec import SourceSpec
from orchestration.errors import SubjectError

_KINDS: dict[str, Kind] = {"email": "email", "phone": "phone"}


class Subject(BaseModel):
    """One table's ``config.meta.subject``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    person: str | None = None
    key: str | list[str] | None = None
    by: dict[str, str] | list[dict[str, str]] = Field(default_factory=list)
    through: str | None = None
    erase: Literal["row", "columns"] = "row"
    mentions: Literal["empty", "keep"] = "empty"

    @property
    def alternatives(self) -> list[dict[str, str]]:
        """The ways in which a row can belong to a person; the pairs of one hold together."""
        return [self.by] if isinstance(self.by, dict) else self.by

    @property
    def keys(self) -> list[str]:
        """The columns by which the person's own table is asked."""
        return [self.key] if isinstance(self.key, str) else (self.key or [])


class _Table(BaseModel):
    """A source table as the manifest has it."""

    name: str
    file: str
    classes: dict[str, str | None]
    primary_key: list[str]
    subject: Subject

    def refuse(self, what: str) -> SubjectError:
        return SubjectError(f"{self.file}: {self.name}: config.meta.subject: {what}")


def read_relations(manifest: Path, sources: Mapping[str, SourceSpec]) -> Relations:
    """Read dbt's manifest; SubjectError names the file, the table and what to write."""
    return parse_relations(json.loads(manifest.read_text(encoding="utf-8")), sources)


def parse_relations(manifest: Mapping[str, Any], sources: Mapping[str, SourceSpec]) -> Relations:
    """Turn a manifest into relations; pure. Tables that no source loads are left out."""
    tables = {
        f"{node['source_name']}.{node['name']}": _table(node, sources[node["source_name"]])
        for node in manifest["sources"].values()
        if node["source_name"] in sources and node["name"] in sources[node["source_name"]].tables
    }
    persons = _persons(tables)
    links = {name: _links(table, tables, persons) for name, table in tables.items()}
    return Relations(
        tables=[
            _rule(tables[name], links[name], _exports(name, links))
            for name in _in_order(tables, persons)
        ]
    )


def _table(node: Mapping[str, Any], spec: SourceSpec) -> _Table:
    name = f"{node['source_name']}.{node['name']}"
    declared = _meta(node).get("subject", {})
    try:
        subject = Subject.model_validate(declared)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in problem['loc']) or 'it'}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise SubjectError(
            f"{node['original_file_path']}: {name}: config.meta.subject: {'; '.join(problems)}"
        ) from error
    table = _Table(
        name=name,
        file=node["original_file_path"],
        classes={column: _meta(told).get("privacy") for column, told in node["columns"].items()},
        primary_key=[raw_name(column) for column in spec.tables[node["name"]].primary_key],
        subject=subject,
    )
    _refuse_nonsense(table)
    return table


def _meta(node: Mapping[str, Any]) -> dict[str, Any]:
    return {**(node.get("meta") or {}), **((node.get("config") or {}).get("meta") or {})}


def _refuse_nonsense(table: _Table) -> None:
    subject = table.subject
    related = [column for pairs in subject.alternatives for column in pairs]
    unknown = sorted({*subject.keys, *related} - table.classes.keys())
    if unknown:
        raise table.refuse(f"the table declares no column {', '.join(unknown)}")
    if subject.person is None:
        if subject.keys or related or subject.through:
            raise table.refuse("`person` is missing: whose rows these are, such as `customer`")
        return
    if subject.keys and (related or subject.through):
        raise table.refuse("`key` says that the table is the person; leave out `by` and `through`")
    if not subject.keys and (not related or not all(subject.alternatives)):
        raise table.refuse(
            "write `key: <column>` where the table is the person, or `by: {<column>: <column of "
            "the person's table>}` where its rows belong to one"
        )
    if subject.keys and subject.erase == "columns":
        raise table.refuse("the person's own row is always erased whole; leave out `erase`")
    if subject.keys and sorted(subject.keys) != sorted(table.primary_key):
        raise table.refuse(
            f"`key` is {', '.join(subject.keys)}, but sources.yaml declares the primary key "
            f"{', '.join(table.primary_key)}"
        )
    nulled = set(table.primary_key) & {c for pairs in subject.alternatives for c in pairs}
    if subject.erase == "columns" and nulled:
        raise table.refuse(
            f"`erase: columns` cannot empty {', '.join(sorted(nulled))}, which is in the key of "
            "the table; write `erase: row`"
        )


def _persons(tables: Mapping[str, _Table]) -> dict[str, str]:
    """The table that is each kind of person."""
    persons: dict[str, str] = {}
    for name, table in tables.items():
        person = table.subject.person
        if person is None or not table.subject.keys:
            continue
        if person in persons:
            raise table.refuse(f"{persons[person]} is the {person} too; one table can be")
        persons[person] = name
    return persons


def _target(table: _Table, tables: Mapping[str, _Table], persons: Mapping[str, str]) -> str:
    subject = table.subject
    assert subject.person is not None
    if subject.person not in persons:
        raise table.refuse(
            f"no table is the {subject.person}; write `subject: {{person: {subject.person}, "
            "key: <its key>}` on the one that is"
        )
    target = subject.through or persons[subject.person]
    if target not in tables:
        raise table.refuse(f"`through: {target}` is no declared source table")
    if tables[target].subject.person != subject.person or target == table.name:
        raise table.refuse(f"`through: {target}` does not lead to a {subject.person}")
    if tables[target].subject.erase == "columns":
        raise table.refuse(f"`through: {target}`, whose rows are not erased; relate it directly")
    return target


def _links(
    table: _Table, tables: Mapping[str, _Table], persons: Mapping[str, str]
) -> list[tuple[str, Link, Link]]:
    """For each way of belonging: the table referred to, the link, and that table's own columns."""
    if table.subject.person is None or table.subject.keys:
        return []
    target = _target(table, tables, persons)
    found = []
    for pairs in table.subject.alternatives:
        columns, referred = list(pairs), list(pairs.values())
        unknown = sorted(set(referred) - tables[target].classes.keys())
        if unknown:
            raise table.refuse(f"{target} declares no column {', '.join(unknown)}")
        ordered = tables[target].primary_key
        if sorted(referred) == sorted(ordered):
            # A key is one value in whatever order its parts are written.
            columns = [column for part in ordered for column in columns if pairs[column] == part]
            referred = ordered
        kinds = [_KINDS.get(tables[target].classes[c] or "", "exact") for c in referred]
        domain = domain_of(target, referred)
        found.append(
            (
                target,
                Link(columns=columns, kinds=kinds, domain=domain),
                Link(columns=referred, kinds=kinds, domain=domain),
            )
        )
    return found


def _exports(name: str, links: Mapping[str, Sequence[tuple[str, Link, Link]]]) -> list[Link]:
    referred = [own for found in links.values() for target, _, own in found if target == name]
    return list({link.domain: link for link in referred}.values())


def _rule(table: _Table, links: list[tuple[str, Link, Link]], exports: list[Link]) -> TableRule:
    source, _, name = table.name.partition(".")
    return TableRule(
        source=source,
        table=name,
        key=table.primary_key,
        person=table.subject.person,
        is_person=bool(table.subject.keys),
        links=[link for _, link, _ in links],
        exports=exports,
        effect=table.subject.erase,
        classes={
            column: privacy or "unclassified"
            for column, privacy in table.classes.items()
            if privacy != "public"
        },
        keeps_mentions=table.subject.mentions == "keep",
    )


def _in_order(tables: Mapping[str, _Table], persons: Mapping[str, str]) -> list[str]:
    """Each table after the one that it refers to; a circle is refused."""
    ordered: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise tables[name].refuse(f"`through` goes in a circle: {' -> '.join([*path, name])}")
        if name in ordered:
            return
        if tables[name].subject.person is not None and not tables[name].subject.keys:
            visit(_target(tables[name], tables, persons), (*path, name))
        ordered.append(name)

    for name in tables:
        visit(name, ())
    return ordered
