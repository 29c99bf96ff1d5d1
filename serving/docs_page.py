"""The OpenAPI description as a page for a person: no script, nothing from elsewhere; pure."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code,pre{font:14px/1.4 ui-monospace,monospace;background:#8881;padding:.1em .3em}"
    "pre{padding:.7em;overflow:auto}details{border-top:1px solid #8884;padding:.5em 0}"
    "summary{cursor:pointer}td,th{text-align:left;padding:.2em 1em .2em 0;vertical-align:top}"
)


def docs_page(description: dict[str, Any]) -> str:
    """The page of one OpenAPI description."""
    info = description["info"]
    title = f"{info['title']} {info['version']}"
    return "".join(
        [
            "<!doctype html><html lang=en><meta charset=utf-8>",
            "<meta name=viewport content='width=device-width'>",
            f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>",
            f"<p>{escape(info['description'])}</p>",
            "<p>The same for programs: <a href=/openapi.json>openapi.json</a>. MCP over ",
            "streamable HTTP: <code>/mcp</code>.</p>",
            *_operations(description),
            "<h2>Answers</h2>",
            *_schemas(description["components"]["schemas"]),
            "</html>",
        ]
    )


def _operations(description: dict[str, Any]) -> Iterator[str]:
    yield "<h2>Routes</h2>"
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            name = f"<code>{method.upper()} {escape(path)}</code>"
            yield f"<details><summary>{name} {escape(operation['summary'])}</summary>"
            if operation.get("security") == []:
                yield "<p>Needs no token.</p>"
            if "description" in operation:
                yield f"<p>{escape(operation['description'])}</p>"
            yield from _parameters(operation.get("parameters", []))
            if "requestBody" in operation:
                yield "<h4>Body</h4>"
                yield _json(operation["requestBody"]["content"]["application/json"]["schema"])
            yield from _responses(operation["responses"])
            yield "</details>"


def _parameters(parameters: list[dict[str, Any]]) -> Iterator[str]:
    if parameters:
        yield "<h4>Parameters</h4><table>"
        for one in parameters:
            needed = "required" if one.get("required") else "optional"
            schema = escape(json.dumps(one["schema"]))
            cells = [f"<code>{escape(one['name'])}</code>", one["in"], needed, schema]
            yield "<tr><td>" + "<td>".join(cells)
        yield "</table>"


def _responses(responses: dict[str, Any]) -> Iterator[str]:
    yield "<h4>Answers</h4><table>"
    for status, told in responses.items():
        yield f"<tr><td>{escape(status)}<td>{escape(told['description'])}"
    yield "</table>"


def _schemas(schemas: dict[str, Any]) -> Iterator[str]:
    for name, schema in schemas.items():
        yield f"<details><summary><code>{escape(name)}</code></summary>{_json(schema)}</details>"


def _json(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2))}</pre>"
