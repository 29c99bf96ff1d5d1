"""What dbt's YAML declares for agents, read from dbt's manifest.

manifest.json -> Declarations -> publish, checks, command line
"""

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from serving.catalog import Limits, MinGroup, SearchSpec
from serving.errors import DeclarationError
from serving.leak_scan.rules import ScanRule

AGENT_SCHEMA = "agents"
PUBLIC = "public"
MASK_FOLDER = "macros/privacy/"
# No mask hides it.
SECRET = "secret"
_SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}


class _Declaration(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Period(_Declaration):
    """A length of time as dbt writes it: ``{count: 6, period: hour}``."""

    count: float = Field(gt=0)
    period: Literal["minute", "hour", "day"]

    @property
    def seconds(self) -> float:
        """The same length in seconds."""
        return self.count * _SECONDS[self.period]


class FreshnessLimits(_Declaration):
    """From which age a view warns, and from which it is an error."""

    warn_after: Period | None = None
    error_after: Period | None = None


class Serve(_Declaration):
    """A view's ``config.meta.serve``; ``cache: false`` finds every answer anew."""

    key: str
    lookups: list[str] = []
    freshness: FreshnessLimits = FreshnessLimits()
    on_stale: Literal["warn", "refuse"] = "warn"
    search: SearchSpec | None = None
    untrusted: list[str] = []
    rows_from: str | None = None
    min_group: MinGroup | None = None
    cache: bool = True

    @field_validator("on_stale", mode="before")
    @classmethod
    def _no_read_from_the_source_yet(cls, value: object) -> object:
        if value == "source":
            raise ValueError(
                "`source` (read from the source when stale) is not available yet; declare `warn` "
                "to answer with a warning, or `refuse` to answer no stale data"
            )
        return value


class DeclaredColumn(_Declaration):
    """A column of an agent view in the order of the contract."""

    name: str
    description: str
    mask: str | None = None


class DeclaredView(_Declaration):
    """An agent view; ``source_tables`` are ``source.table`` names, over every model between."""

    name: str
    unique_id: str
    relation: str
    description: str
    columns: list[DeclaredColumn]
    serve: Serve
    source_tables: list[str]


class DeclaredAgent(_Declaration):
    """An exposure with ``config.meta.agent``.

    ``tells_hidden`` lets it know where a row filter may be why it finds nothing.
    """

    name: str
    purpose: str
    views: list[str]
    rows: dict[str, str] = {}
    tells_hidden: bool = False
    limits: Limits = Limits()


class SourceColumn(_Declaration):
    """A raw column with its privacy class, None where the YAML gives none.

    ``scan`` is how the leak scan treats its values where the class's own way does not fit.
    """

    name: str
    privacy: str | None
    scan: ScanRule | None = None


class DeclaredSource(_Declaration):
    """A raw table as the sources' YAML declares it."""

    source: str
    table: str
    file: str
    columns: dict[str, SourceColumn]


class DeclaredMask(_Declaration):
    """A mask's ``config.meta.mask``: a function of the schema ``privacy``.

    It hides values of the classes ``hides`` that it takes as its first argument. ``knows`` are the
    classes of values that its further arguments may bring, of which it shows none.
    """

    method: str
    hides: list[str] = Field(min_length=1)
    knows: list[str] = []


class IndirectUse(_Declaration):
    """An entry of a model's ``config.meta.privacy.indirect``: what may steer it, and why.

    ``columns`` are source columns as ``source.table.column``.
    """

    columns: list[str] = Field(min_length=1)
    uses: list[str] = Field(min_length=1)
    reason: str = Field(min_length=10)


class Declarations(_Declaration):
    """All views, agents, raw tables and masks; ``indirect`` is by model.

    ``contract_version`` changes when a view's columns do.
    """

    views: dict[str, DeclaredView]
    agents: dict[str, DeclaredAgent]
    sources: dict[str, DeclaredSource]
    contract_version: str
    masks: dict[str, DeclaredMask] = {}
    indirect: dict[str, list[IndirectUse]] = {}

    @property
    def privacy_classes(self) -> frozenset[str]:
        """The classes that the project knows: those that a mask hides, ``public``, ``secret``."""
        hidden = {name for mask in self.masks.values() for name in (*mask.hides, *mask.knows)}
        return frozenset(hidden | {PUBLIC, SECRET})

    def only(self, views: Collection[str]) -> "Declarations":
        """Return the same declarations without the other views, for agents too."""
        kept = {name: view for name, view in self.views.items() if name in views}
        agents = {
            name: agent.model_copy(
                update={
                    "views": [view for view in agent.views if view in kept],
                    "rows": {view: rows for view, rows in agent.rows.items() if view in kept},
                }
            )
            for name, agent in self.agents.items()
        }
        return self.model_copy(update={"views": kept, "agents": agents})


def read_declarations(manifest_path: Path) -> Declarations:
    """Read dbt's manifest; DeclarationError names the model and the field that is wrong."""
    try:
        manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DeclarationError(
            f"dbt's manifest {manifest_path.name} does not exist yet; run `grounded run` first"
        ) from error
    return parse_manifest(manifest)


def parse_manifest(manifest: dict[str, Any]) -> Declarations:
    """Turn a manifest into declarations; pure."""
    views = {
        node["name"]: _view(manifest, node)
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["schema"] == AGENT_SCHEMA
    }
    agents = {
        exposure["name"]: _agent(exposure, manifest)
        for exposure in manifest["exposures"].values()
        if "agent" in _meta(exposure)
    }
    sources = {
        f"{node['source_name']}.{node['name']}": _source(node)
        for node in manifest["sources"].values()
    }
    contracts = json.dumps(
        {name: [(c.name, c.mask) for c in view.columns] for name, view in sorted(views.items())}
    )
    return Declarations(
        views=views,
        agents=agents,
        sources=sources,
        contract_version=hashlib.sha256(contracts.encode()).hexdigest()[:12],
        masks=_masks(manifest),
        indirect=_indirect(manifest),
    )


def _meta(node: dict[str, Any]) -> dict[str, Any]:
    return {**(node.get("meta") or {}), **((node.get("config") or {}).get("meta") or {})}


def _view(manifest: dict[str, Any], node: dict[str, Any]) -> DeclaredView:
    meta = _meta(node)
    if "serve" not in meta:
        raise DeclarationError(
            f"{node['original_file_path']}: model {node['name']} has no config.meta.serve; "
            f"add at least `serve: {{key: <its unique column>}}`"
        )
    try:
        serve = Serve.model_validate(meta["serve"])
    except ValidationError as error:
        raise DeclarationError(_explain(f"model {node['name']}: meta.serve", error)) from error
    columns = [
        DeclaredColumn(
            name=column["name"],
            description=column.get("description", ""),
            mask=_meta(column).get("mask"),
        )
        for column in node["columns"].values()
    ]
    view = DeclaredView(
        name=node["name"],
        unique_id=node["unique_id"],
        relation=f"{node['schema']}.{node['alias']}",
        description=node.get("description", ""),
        columns=columns,
        serve=serve,
        source_tables=sorted(_source_tables(manifest, node["unique_id"])),
    )
    _refuse_unknown_columns(view)
    return view


def _refuse_unknown_columns(view: DeclaredView) -> None:
    known = {column.name for column in view.columns}
    search = view.serve.search
    used = [view.serve.key, *view.serve.lookups, *view.serve.untrusted]
    if search is not None:
        used += [*search.text, *search.filters, *([search.title] if search.title else [])]
    if view.serve.min_group is not None:
        used.append(view.serve.min_group.count)
    unknown = sorted(set(used) - known)
    if unknown:
        raise DeclarationError(
            f"model {view.name}: meta.serve names columns that the model does not declare: "
            f"{', '.join(unknown)}"
        )


def _source_tables(manifest: dict[str, Any], unique_id: str) -> set[str]:
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [unique_id]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        if current in manifest["sources"]:
            source = manifest["sources"][current]
            found.add(f"{source['source_name']}.{source['name']}")
        else:
            node = manifest["nodes"].get(current, {})
            waiting.extend(node.get("depends_on", {}).get("nodes", []))
    return found


def _agent(exposure: dict[str, Any], manifest: dict[str, Any]) -> DeclaredAgent:
    name = exposure["name"]
    declared = dict(_meta(exposure)["agent"])
    views = []
    for unique_id in exposure["depends_on"]["nodes"]:
        node = manifest["nodes"].get(unique_id) or manifest["sources"][unique_id]
        if node["resource_type"] != "model" or node["schema"] != AGENT_SCHEMA:
            raise DeclarationError(
                f"agent {name} depends on {unique_id}; an agent may depend on agent views alone"
            )
        views.append(node["name"])
    try:
        agent = DeclaredAgent.model_validate({"name": name, "views": sorted(views), **declared})
    except ValidationError as error:
        raise DeclarationError(_explain(f"exposure {name}: meta.agent", error)) from error
    foreign = sorted(set(agent.rows) - set(agent.views))
    if foreign:
        raise DeclarationError(
            f"agent {name} filters rows of {', '.join(foreign)}, on which it does not depend"
        )
    return agent


def _source(node: dict[str, Any]) -> DeclaredSource:
    return DeclaredSource(
        source=node["source_name"],
        table=node["name"],
        file=node["original_file_path"],
        columns={name: _source_column(node, name) for name in node["columns"]},
    )


def _masks(manifest: dict[str, Any]) -> dict[str, DeclaredMask]:
    masks = {}
    for macro in manifest.get("macros", {}).values():
        if "mask" not in _meta(macro):
            continue
        if not macro["original_file_path"].startswith(MASK_FOLDER):
            raise DeclarationError(
                f"macro {macro['name']}: only a macro in {MASK_FOLDER} may declare meta.mask"
            )
        try:
            mask = DeclaredMask.model_validate(_meta(macro)["mask"])
        except ValidationError as error:
            raise DeclarationError(_explain(f"macro {macro['name']}: meta.mask", error)) from error
        never = sorted({PUBLIC, SECRET} & {*mask.hides, *mask.knows})
        if never:
            raise DeclarationError(f"macro {macro['name']}: no mask hides {', '.join(never)}")
        masks[macro["name"]] = mask
    return masks


def _indirect(manifest: dict[str, Any]) -> dict[str, list[IndirectUse]]:
    allowed: dict[str, list[IndirectUse]] = {}
    for node in manifest["nodes"].values():
        declared = (_meta(node).get("privacy") or {}) if node["resource_type"] == "model" else {}
        try:
            uses = [IndirectUse.model_validate(use) for use in declared.get("indirect", [])]
        except ValidationError as error:
            where = f"model {node['name']}: meta.privacy.indirect"
            raise DeclarationError(_explain(where, error)) from error
        if uses:
            allowed[node["name"]] = uses
    return allowed


def _source_column(node: dict[str, Any], name: str) -> SourceColumn:
    meta = _meta(node["columns"][name])
    try:
        return SourceColumn(name=name, privacy=meta.get("privacy"), scan=meta.get("scan"))
    except ValidationError as error:
        where = f"source {node['source_name']}.{node['name']}: column {name}: meta"
        raise DeclarationError(_explain(where, error)) from error


def _explain(where: str, error: ValidationError) -> str:
    problems = [
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False)
    ]
    return f"{where}: {'; '.join(problems)}"
