"""The OpenAPI page of the HTTP surface, from the registry's own models; pure."""

from typing import Any

from serving.embeddings import EmbeddingsRequest
from serving.envelope import Answer, Refusal
from serving.http_checks import GONE, STATUSES
from serving.tools import TOOLS, Tool

_REFERENCE = "#/components/schemas/{model}"
_ABOUT = (
    "Every AI agent's own fresh, masked, audited copy of a company's data. Each call but /health, "
    "/ready, /metrics and this description needs the header `Authorization: Bearer TOKEN`; "
    "`grounded token AGENT` issues one. Every answer and every refusal is the same envelope."
)
_SHORT = {"/v1/sql": "execute_sql", "/v1/lookup": "lookup", "/v1/search": "search"}


def openapi(version: str) -> dict[str, Any]:
    """The whole description as OpenAPI 3.1."""
    schemas: dict[str, Any] = {}
    for model in (Answer, Refusal):
        schema = model.model_json_schema(ref_template=_REFERENCE, mode="serialization")
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    return {
        "openapi": "3.1.0",
        "info": {"title": "Grounded", "version": version, "description": _ABOUT},
        "security": [{"token": []}],
        "paths": {**_tool_paths(), **_read_paths(), **_other_paths()},
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _tool_paths() -> dict[str, Any]:
    paths = {f"/v1/tools/{name}": {"post": _post(tool)} for name, tool in TOOLS.items()}
    return paths | {path: {"post": _post(TOOLS[name])} for path, name in _SHORT.items()}


def _read_paths() -> dict[str, Any]:
    return {
        "/v1/tables": {
            "get": _get(
                "The agent's tables",
                _query("pattern"),
                _query("detail_level", enum=["names", "summary", "full"]),
            )
        },
        "/v1/tables/{name}": {"get": _get("One table in full", _path("name"))},
        "/v1/freshness": {"get": _get("How old the data is", _query("table"))},
        "/v1/lineage/{name}": {
            "get": _get("The sources behind a table", _path("name"), _query("column"))
        },
    }


def _other_paths() -> dict[str, Any]:
    plain = {"200": {"description": "OK"}}
    embeddings = EmbeddingsRequest.model_json_schema()
    return {
        "/v1/embeddings": {
            "post": {
                "summary": "Vectors of texts, in OpenAI's format",
                "requestBody": _body(embeddings),
                "responses": {"200": {"description": "OpenAI's list of embeddings"}, **_refusals()},
            }
        },
        "/v1/tools": {
            "get": {
                "summary": "The tools as OpenAI function definitions",
                "responses": {"200": {"description": "A list of functions"}, **_refusals()},
            }
        },
        "/health": {"get": {"summary": "The server runs", "security": [], "responses": plain}},
        "/ready": {
            "get": {
                "summary": "A snapshot answers",
                "security": [],
                "responses": {**plain, "503": {"description": "Nothing is published yet"}},
            }
        },
        "/metrics": {
            "get": {"summary": "Figures for Prometheus", "security": [], "responses": plain}
        },
        "/openapi.json": {
            "get": {"summary": "This description", "security": [], "responses": plain}
        },
        "/docs": {
            "get": {"summary": "This description, to read", "security": [], "responses": plain}
        },
    }


def _post(tool: Tool[Any]) -> dict[str, Any]:
    return {
        "summary": tool.title,
        "description": tool.description,
        # With its nulls, which a model does not need to be told of.
        "requestBody": _body(tool.arguments.model_json_schema()),
        "responses": _responses(),
    }


def _get(summary: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    return {"summary": summary, "parameters": list(parameters), "responses": _responses()}


def _query(name: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": "string", **schema}}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    is_required = bool(schema.get("required"))
    return {"required": is_required, "content": {"application/json": {"schema": schema}}}


def _responses() -> dict[str, Any]:
    return {"200": _of("Rows, and where they come from", "Answer"), **_refusals()}


def _refusals() -> dict[str, Any]:
    codes: dict[int, list[str]] = {413: ["INVALID_ARGUMENT"], GONE: ["NO_SNAPSHOT"]}
    for code, status in STATUSES.items():
        codes.setdefault(status, []).append(code)
    return {str(status): _of(" or ".join(names), "Refusal") for status, names in codes.items()}


def _of(description: str, model: str) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model=model)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}
