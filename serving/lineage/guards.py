"""What in a dbt project could write data beside the compiled SQL: refused, as nothing reads it.

A model, a hook or a macro that runs statements of its own makes tables that no lineage tells.
"""

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from serving.errors import NotFollowed

# What is built of the compiled SELECT and nothing else. An incremental model or a snapshot keeps
# rows that older SQL has made; a keyed one holds what its SELECT gives now.
_MATERIALIZED = frozenset({"table", "view", "ephemeral", "keyed"})
# What builds keyed models, as it was read when this was written: nothing else may be in its place.
_KEYED_FOLDER = "macros/keyed/"
_KEYED_DIGEST = "ff2f3ebb639da4502e67e14856b33712d74300d01011635ffc2047563b6d184d"
_RUNS_STATEMENTS = re.compile(
    r"\b(run_query|statement|builtins|context|load_relation)\b"
    r"|\badapter\s*(\[|\.\s*(?!(?:dispatch|quote)\b)\w+)"
)
_JINJA = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_STRING = re.compile(r"'[^']*'|\"[^\"]*\"")
_DBT = frozenset({"dbt", "dbt_duckdb"})
# The folders of dbt's own macros that only make text while a model is compiled.
_TEXT_ONLY = ("macros/utils/", "macros/get_custom_name/")
_HOOKS = re.compile(r"\{\{\s*create_(privacy_functions|change_log)\(\)\s*\}\}")


def refuse_unreadable(manifest: Mapping[str, Any], node: Mapping[str, Any]) -> None:
    """Raise NotFollowed for a node that is made of more than its compiled SQL."""
    kind = node["resource_type"]
    if kind != "model":
        raise NotFollowed(f"a {kind} is not followed; declare its table as a source")
    if node["language"] != "sql":
        raise NotFollowed(f"a model in {node['language']} is not followed; write it in SQL")
    config = node["config"]
    if config["materialized"] not in _MATERIALIZED:
        raise NotFollowed(
            f"materialized as {config['materialized']}, it may hold rows that other SQL has made; "
            "use table or view"
        )
    for hook in ("pre-hook", "post-hook", "sql_header"):
        if config.get(hook):
            raise NotFollowed(f"its {hook} runs statements of its own; remove it")
    if _runs_statements(node["raw_code"]):
        raise NotFollowed("its Jinja runs statements while it is compiled")
    for macro in _reached_macros(manifest, node):
        if _runs_statements(macro["macro_sql"]):
            raise NotFollowed(f"macro {macro['name']} runs statements while it is compiled")
    if not node.get("compiled_code"):
        raise NotFollowed("it is not compiled; run `dbt compile` or `grounded run`")


def statements_beside_models(manifest: Mapping[str, Any]) -> list[str]:
    """Tell each hook and overridden macro of the project that could write data by itself."""
    found = [
        f"{node['original_file_path']}: the hook {node['name']} runs statements of its own; remove "
        "it (only {{ create_privacy_functions() }} and {{ create_change_log() }} may run before a "
        "build)"
        for node in manifest["nodes"].values()
        if node["resource_type"] == "operation" and not _HOOKS.fullmatch(node["raw_code"].strip())
    ]
    found += [
        f"{node['original_file_path']}: dbt's function {node['name']} is not followed; write it as "
        "a macro"
        for node in manifest.get("functions", {}).values()
    ]
    keyed = keyed_digest(manifest)
    if keyed not in (None, _KEYED_DIGEST):
        found.append(
            f"{_KEYED_FOLDER} is not as it was shipped, so that nothing tells what a keyed model "
            "holds; bring it back, or use table"
        )
    own = {
        macro["name"]: macro["original_file_path"]
        for macro in manifest["macros"].values()
        if macro["package_name"] in _DBT
    }
    for macro in manifest["macros"].values():
        if macro["package_name"] in _DBT or _is_keyed(macro):
            continue
        is_text = own.get(macro["name"], _TEXT_ONLY[0]).startswith(_TEXT_ONLY)
        if macro["name"].startswith("materialization_") or not is_text:
            found.append(
                f"{macro['original_file_path']}: macro {macro['name']} replaces one of dbt's own "
                "that builds tables; remove it"
            )
    return found


def keyed_digest(manifest: Mapping[str, Any]) -> str | None:
    """Return a hash over the macros that build keyed models; None where a project has none."""
    macros = [macro for macro in manifest["macros"].values() if _is_keyed(macro)]
    texts = sorted(f"{macro['name']}\0{macro['macro_sql']}" for macro in macros)
    return sha256("\0".join(texts).encode()).hexdigest() if texts else None


def _is_keyed(macro: Mapping[str, Any]) -> bool:
    if macro["package_name"] in _DBT:
        return False
    path: str = macro["original_file_path"]
    return path.startswith(_KEYED_FOLDER)


def _reached_macros(
    manifest: Mapping[str, Any], node: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    waiting, seen = list(node["depends_on"]["macros"]), set()
    while waiting:
        name = waiting.pop()
        macro = manifest["macros"].get(name)
        if name in seen or macro is None or macro["package_name"] in _DBT:
            continue
        seen.add(name)
        yield macro
        waiting.extend(macro["depends_on"]["macros"])


def _runs_statements(code: str) -> bool:
    parts = _JINJA.findall(_COMMENT.sub("", code))
    return any(_RUNS_STATEMENTS.search(_STRING.sub("''", part)) for part in parts)
