"""Search filters made to widen a search: each is refused, or means what it literally says."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from serving.agent import connect
from serving.envelope import Answer

TEXTS = [
    "a' OR '1'='1", "open' OR status = 'spam", "open') OR (1=1", "'; drop table tickets; --",
    "open' UNION SELECT * FROM agent_tickets --", "open\\' OR 1=1 --", "open' /* */ OR true --",
    "%", "_", "*", "open%", "' || status || '", "$1", "?", "{status}", "%(status)s", "${status}",
    "status", "filter_status", "`status`", '"status"', "spam", "SPAM", " spam", "spam ", "spam\n",
    "spam\0", "\u202espam", "ѕpam", "open\x1b[2J", "a" * 5_000, "'" * 1_000, "(" * 1_000,
    "NULL", "null", "true", "1", "0x73", "char(115)", "regexp_match(status, '.*')", "1 OR 1",
    "open' AND (SELECT count(*) FROM range(1000000000)) > 0 --", "../../secrets", "file:///etc",
]  # fmt: skip
VALUES: list[Any] = [
    *TEXTS,
    *([text] for text in TEXTS),
    *([text, "spam"] for text in TEXTS[:20]),
    *(["closed", text] for text in TEXTS[:20]),
    1, 0, -1, 1.5, 1e308, 10**30, True, False, None, [], [[]], [None], [1, 2], [True],
    {}, {"$ne": "open"}, {"in": ["spam"]}, [{"status": "spam"}], {"sql": "1=1"},
    ["spam"] * 101, ["x"] * 10_000,
]  # fmt: skip
NAMES = [
    "1=1 OR status", "status) OR (1=1", "status' OR '1'='1", "STATUS", "status ", " status",
    "customer_key", "body", "ticket_id", "filter_status", "key", "text", "vector", "_rowid",
    "_distance", "chunk_id", "status IS NOT NULL --", "status\0", "", "*", "lower(status)",
    "a" * 9_999, "agent_secrets", "category", "__class__", "status; drop", "st\u0430tus",
]  # fmt: skip


def _filters() -> Iterator[dict[str, Any]]:
    for value in VALUES:
        yield {"status": value}
    for name, value in itertools.product(NAMES, ["open", "x' OR '1'='1"]):
        yield {name: value}
        yield {"status": "open", name: value}


def test_two_hundred_hostile_filters_widen_no_search(home: Path) -> None:
    filters = list(_filters())
    answered = 0
    with connect(home, "support_agent") as agent:
        for wanted in filters:
            arguments = {"query": "prize zanzibar", "table": "agent_tickets", "filter": wanted}
            outcome = agent.call("search", arguments)
            if not isinstance(outcome, Answer):
                assert outcome.error.code == "INVALID_ARGUMENT", (wanted, outcome.error)
                assert "zanzibar" not in outcome.model_dump_json()
                assert str(home) not in outcome.model_dump_json()
                continue
            answered += 1
            keys = [row["key"] for row in outcome.data.rows]
            assert 4 not in keys
            for key in keys:
                (ticket,) = agent.lookup("agent_tickets", value=key).data.rows
                assert ticket["status"] in _literal(wanted), (wanted, ticket["status"])

    assert len(filters) >= 200
    assert answered >= 20


def _literal(wanted: dict[str, Any] | None) -> list[Any]:
    """The statuses that a filter allows if it means what it says."""
    if not wanted:
        return ["open", "closed"]
    status = wanted["status"]
    return status if isinstance(status, list) else [status]
