import json
import re

import pytest
from tokenizers import Tokenizer

from serving.embedder import builtin_model_dir
from serving.errors import InvalidArgument
from serving.mcp_server import OUTPUT_SCHEMA
from serving.tools import TOOLS, find_tool, openai_functions


def test_the_tools_are_those_of_the_design() -> None:
    assert list(TOOLS) == [
        "list_tables",
        "describe_table",
        "execute_sql",
        "lookup",
        "search",
        "check_freshness",
        "get_lineage",
    ]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in TOOLS)


def test_all_schemas_together_stay_under_2000_tokens() -> None:
    told = [
        {
            "name": tool.name,
            "title": tool.title,
            "description": tool.description,
            "inputSchema": tool.input_schema(),
            "outputSchema": OUTPUT_SCHEMA,
            "annotations": {"readOnlyHint": True, "destructiveHint": False},
        }
        for tool in TOOLS.values()
    ]
    text = json.dumps(told)
    tokenizer = Tokenizer.from_file(str(builtin_model_dir() / "tokenizer.json"))
    tokenizer.no_truncation()
    words = len(tokenizer.encode(text, add_special_tokens=False).ids)
    # That tokenizer splits each brace and quote, which a model's own does not: it counts high.
    counted = min(words, len(text) / 3.5)
    assert counted < 2_000


@pytest.mark.parametrize("tool", TOOLS.values(), ids=list(TOOLS))
def test_a_schema_is_closed_and_says_what_the_model_checks(tool: object) -> None:
    schema = tool.input_schema()  # type: ignore[attr-defined]
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(tool.arguments.model_fields)  # type: ignore[attr-defined]
    assert "null" not in json.dumps(schema)


def test_an_unknown_argument_is_told_with_those_that_exist() -> None:
    with pytest.raises(InvalidArgument) as caught:
        find_tool("execute_sql").parse({"query": "select 1"})
    assert "`query` is not one of its arguments" in caught.value.message
    assert "sql, limit, dry_run, snapshot_id" in caught.value.message


def test_a_value_sent_as_an_arguments_name_is_not_told_back() -> None:
    with pytest.raises(InvalidArgument) as caught:
        find_tool("execute_sql").parse({"sql": "x", "jane.roe@example.com": 1})
    assert "example" not in caught.value.message


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("execute_sql", {"sql": "canary", "limit": "canary"}),
        ("execute_sql", {"sql": 5}),
        ("execute_sql", {"sql": "x", "limit": 0}),
        ("execute_sql", {"sql": "x", "dry_run": "yes"}),
        ("list_tables", {"detail_level": "canary"}),
        ("lookup", {"table": ["canary"], "value": 1}),
        ("lookup", {"table": "t", "values": []}),
        ("lookup", {"table": "t", "values": list(range(1_001))}),
        ("lookup", {"table": "t", "value": {"canary": 1}}),
        ("search", {"query": "x" * 10_001}),
        ("search", {"query": "x", "filter": {"status": {"canary": 1}}}),
        ("describe_table", {}),
    ],
)
def test_a_wrong_argument_is_refused_without_its_value(tool: str, arguments: dict) -> None:
    with pytest.raises(InvalidArgument) as caught:
        find_tool(tool).parse(arguments)
    assert "canary" not in caught.value.message
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("arguments", [{"table": "t"}, {"table": "t", "value": 1, "values": [1]}])
def test_a_lookup_takes_either_one_value_or_several(arguments: dict) -> None:
    with pytest.raises(InvalidArgument, match="either"):
        find_tool("lookup").parse(arguments).wanted()


def test_openai_functions_are_the_same_tools() -> None:
    functions = [entry["function"] for entry in openai_functions()]
    assert [function["name"] for function in functions] == list(TOOLS)
    assert functions[2]["parameters"] == TOOLS["execute_sql"].input_schema()
