"""What the proof tells: the way of the column, model by model, and what to type next."""

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from serving.declarations import SECRET, DeclaredColumn
from serving.lineage.flows import Flow
from serving.lineage.project import Unfollowed
from serving.privacy.judgement import Judge

if TYPE_CHECKING:
    from serving.privacy.proof import Use


def way(flow: Flow) -> str:
    """Return a flow's path from the source to the view."""
    return " -> ".join(flow.path)


def unmasked(view: str, column: str, flow: Flow, judge: Judge) -> str:
    """Tell a personal column that reaches a view, by which way, and what to do."""
    privacy = judge.privacy(flow)
    passed = ", ".join(sorted({f"privacy.{one.function}" for one in flow.passed}))
    past = f", past {passed}, which does not hide it" if passed else ""
    return (
        f"{view}.{column} shows {flow.source}.{flow.column} "
        f"({'no privacy class' if privacy is None else f'class {privacy}'}) unmasked{past}: "
        f"{way(flow)}; {_remedy(privacy, judge)}"
    )


def _remedy(privacy: str | None, judge: Judge) -> str:
    if privacy is None:
        return "give the source column a privacy class"
    masks = judge.masks_for(privacy)
    if privacy == SECRET or not masks:
        return f"no mask hides the class {privacy}: leave the column out"
    named = " or ".join(masks)
    return f"pass it, as its first argument, through {named}, or leave the column out"


def wrongly_declared(view: str, column: DeclaredColumn, methods: Collection[str]) -> str:
    """Tell a column whose declared mask is not the one that it passes."""
    found = " or ".join(sorted(methods))
    remedy = f"write `meta: {{mask: {found}}}`" if methods else "remove meta.mask"
    return (
        f"{view}.{column.name} declares mask {column.mask} but its masks are "
        f"{found or 'none'}; {remedy} at the column, as that is what agents are told"
    )


def unfollowed(found: Unfollowed) -> str:
    """Tell a model that stops the proof."""
    return f"{found.file}: {found.model} cannot be followed: {found.reason}"


def unfollowed_filter(agent: str, view: str, reason: str) -> str:
    """Tell a row filter that stops the proof."""
    return f"agent {agent}: the row filter on {view} cannot be followed: {reason}"


def unmasked_filter(agent: str, view: str, column: str) -> str:
    """Tell a row filter over a column that is not masked."""
    return f"agent {agent}: the row filter on {view} reads {column}, which is unmasked"


def unallowed(uses: Iterable["Use"], manifest: Mapping[str, Any]) -> list[str]:
    """Tell the indirect uses that no YAML allows, one text a model, with the YAML to add."""
    by_model: dict[str, list[Use]] = {}
    for use in uses:
        by_model.setdefault(use.model, []).append(use)
    files = {
        node["name"]: (node.get("patch_path") or "").partition("://")[2]
        for node in manifest["nodes"].values()
    }
    return [_one_model(model, found, files.get(model, "")) for model, found in by_model.items()]


def _one_model(model: str, uses: list["Use"], file: str) -> str:
    told = ", ".join(f"{one.column} ({one.privacy}) in {one.use}" for one in uses)
    by_uses: dict[tuple[str, ...], list[str]] = {}
    for column in dict.fromkeys(one.column for one in uses):
        kinds = tuple(one.use for one in uses if one.column == column)
        by_uses.setdefault(kinds, []).append(column)
    entries = "; ".join(
        f"`{{columns: [{', '.join(columns)}], uses: [{', '.join(kinds)}], reason: <why>}}`"
        for kinds, columns in by_uses.items()
    )
    return (
        f"{model} uses personal columns indirectly: {told}; what agents see depends on them. "
        f"Remove it, or allow it in dbt_project/{file or 'its YAML'} under "
        f"config.meta.privacy.indirect: {entries}"
    )
