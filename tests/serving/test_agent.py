import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import serving
from serving import audit
from serving.agent import Agent, connect
from serving.declarations import FreshnessLimits, Period
from serving.envelope import Answer, Column, Refusal
from serving.errors import NoSnapshot, Unauthenticated
from serving.opened import KEPT_PINS


def rows(outcome: Answer | Refusal) -> list[dict]:
    assert isinstance(outcome, Answer), outcome
    return outcome.data.rows


def code(outcome: Answer | Refusal) -> str:
    assert isinstance(outcome, Refusal), outcome
    return outcome.error.code


def columns(outcome: Answer | Refusal) -> dict[str, Column]:
    assert isinstance(outcome, Answer), outcome
    return {column.name: column for column in outcome.data.columns}


def records(home: Path) -> list[dict]:
    paths = sorted(audit.audit_folder(home).glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def test_an_unknown_agent_is_told_how_to_be_declared(home: Path) -> None:
    with pytest.raises(Unauthenticated, match="exposure"):
        connect(home, "nobody")


def test_before_the_first_publish_there_is_nothing_to_connect_to(tmp_path: Path) -> None:
    with pytest.raises(NoSnapshot, match="grounded run"):
        connect(tmp_path, "support_agent")


def test_connect_is_exported_by_the_package() -> None:
    assert serving.connect is connect
    with pytest.raises(AttributeError):
        _ = serving.disconnect


def test_an_answer_tells_where_its_rows_come_from(agent: Agent) -> None:
    outcome = agent.sql("select order_id, total from agent_orders order by order_id limit 2")
    assert rows(outcome) == [{"order_id": 1, "total": 1.5}, {"order_id": 2, "total": 2.5}]
    meta = outcome.meta
    assert meta.agent == "support_agent"
    (source,) = meta.sources
    assert (source.table, source.load_id) == ("shop.orders", "1767225600.1")
    assert source.watermark == meta.freshness[0].data_as_of
    assert meta.contract_version == "abc123"
    assert [age.status for age in meta.freshness] == ["fresh"]
    assert meta.warnings == []
    assert meta.query_id
    assert meta.snapshot_id


def test_sql_lookup_and_describe_agree_on_the_same_row(agent: Agent) -> None:
    by_sql = rows(agent.sql("select * from agent_orders where order_id = 7"))
    assert rows(agent.lookup("agent_orders", "order_id", 7)) == by_sql
    assert rows(agent.lookup("agent_orders", value="7")) == by_sql
    described = rows(agent.describe_table("agent_orders"))[0]
    assert [column["name"] for column in described["columns"]] == list(by_sql[0])
    assert described["rows"] == 40


def test_a_lookup_by_several_values_tells_how_many_matched_nothing(agent: Agent) -> None:
    outcome = agent.lookup("agent_orders", values=[1, 999, 2])
    assert [row["order_id"] for row in rows(outcome)] == [1, 2]
    assert outcome.meta.warnings == ["1 of 3 values matched no row"]


def test_a_lookup_by_another_declared_column_finds_all_rows(agent: Agent) -> None:
    found = rows(agent.lookup("agent_orders", "customer_key", "c1"))
    assert [row["order_id"] for row in found] == [1, 11, 21, 31]


def test_a_search_finds_rows_by_meaning_in_all_views(agent: Agent) -> None:
    found = rows(agent.search("paper is stuck in the printer"))
    assert (found[0]["table"], found[0]["key"]) == ("agent_tickets", 1)
    assert {row["table"] for row in found} == {"agent_tickets", "agent_products"}


def test_a_search_in_one_view_takes_its_filters(agent: Agent) -> None:
    found = rows(agent.search("shoes", table="agent_tickets", filter={"status": "closed"}))
    assert [row["key"] for row in found] == [3]


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda a: a.sql("delete from agent_orders"), "READONLY_VIOLATION"),
        (lambda a: a.sql("select getenv('HOME')"), "POLICY_DENIED"),
        (lambda a: a.sql("select * from agent_customers"), "UNKNOWN_TABLE"),
        (lambda a: a.sql("selec 1"), "INVALID_SQL"),
        (lambda a: a.sql("select nothing from agent_orders"), "INVALID_SQL"),
        (lambda a: a.sql("select 1", limit=-1), "INVALID_ARGUMENT"),
        (lambda a: a.lookup("agent_customers", value=1), "UNKNOWN_TABLE"),
        (lambda a: a.lookup("agent_orders", "status", "open"), "INVALID_ARGUMENT"),
        (lambda a: a.lookup("agent_orders", value="one"), "INVALID_ARGUMENT"),
        (lambda a: a.search(" "), "INVALID_ARGUMENT"),
        (lambda a: a.search("x", table="agent_orders"), "INVALID_ARGUMENT"),
        (lambda a: a.search("x", filter={"password": "y"}), "INVALID_ARGUMENT"),
        (lambda a: a.describe_table("agent_customers"), "UNKNOWN_TABLE"),
        (lambda a: a.get_lineage("agent_orders", "nothing"), "INVALID_ARGUMENT"),
        (lambda a: a.call("drop_table", {}), "INVALID_ARGUMENT"),
        (lambda a: a.sql("select 1", snapshot_id="20200101T000000Z-aaaaaa"), "NO_SNAPSHOT"),
        (lambda a: a.sql("select 1", snapshot_id="../../secrets"), "NO_SNAPSHOT"),
        (lambda a: a.sql("select * from agent_prices"), "STALE_DATA"),
        (lambda a: a.lookup("agent_prices", value="PRN-100"), "STALE_DATA"),
    ],
)
def test_a_refusal_has_its_code_and_leaks_no_place(
    agent: Agent, home: Path, ask: Callable[[Agent], Answer | Refusal], expected: str
) -> None:
    outcome = ask(agent)
    assert code(outcome) == expected
    told = outcome.model_dump_json()
    assert str(home) not in told
    assert ".duckdb" not in told
    assert "zanzibar" not in told
    assert "Traceback" not in told


def test_a_catalog_agent_learns_nothing_of_other_views(connected: Callable[[str], Agent]) -> None:
    agent = connected("catalog_agent")
    outcomes = [
        agent.list_tables(detail_level="full"),
        agent.sql("select * from agent_order"),
        agent.describe_table("agent_tickets"),
        agent.lookup("agent_orders", value=1),
        agent.search("printer"),
        agent.check_freshness(),
        agent.sql("select table_name from information_schema.tables"),
    ]
    told = json.dumps([outcome.model_dump(mode="json") for outcome in outcomes])
    for hidden in ("agent_orders", "agent_tickets", "agent_prices", "agent_stock", "jam"):
        assert hidden not in told


def test_rows_that_a_policy_hides_are_in_no_store(agent: Agent) -> None:
    outcome = agent.sql("select * from agent_tickets where status = 'spam'")
    assert rows(outcome) == []
    assert rows(agent.lookup("agent_tickets", value=4)) == []
    assert all(row["key"] != 4 for row in rows(agent.search("prize money zanzibar")))
    assert rows(agent.sql("select count(*) n from agent_tickets")) == [{"n": 3}]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select * from agent_orders where order_id = -1", "no_match"),
        ("select * from agent_returns", "not_loaded"),
        ("select o.* from agent_orders o semi join agent_products t on false", "no_match"),
        ("select 1 from agent_products where false", "no_match"),
    ],
)
def test_an_empty_answer_says_why(agent: Agent, sql: str, reason: str) -> None:
    outcome = agent.sql(sql)
    assert rows(outcome) == []
    assert outcome.meta.empty_reason == reason


def test_an_empty_stale_answer_says_so(home: Path, world: SimpleNamespace) -> None:
    declared = world.declared()
    unfiltered = declared.agents["support_agent"].model_copy(update={"rows": {}})
    world.publish(home, world.declared(support_agent=unfiltered))
    with connect(home, "support_agent") as agent:
        outcome = agent.lookup("agent_tickets", value=99)
        assert outcome.meta.empty_reason == "stale"


def test_a_stale_view_answers_with_a_warning_in_words(agent: Agent) -> None:
    outcome = agent.sql("select count(*) from agent_tickets")
    assert outcome.meta.freshness[0].status == "stale"
    told = outcome.meta.warnings[0]
    assert re.match(r"agent_tickets is 3(\.\d)? h old \(limit 1 h\); helpdesk is complete", told)


def test_a_stale_view_that_refuses_is_left_out_of_a_search_and_told(
    home: Path, world: SimpleNamespace
) -> None:
    declared = world.declared()
    tickets = declared.views["agent_tickets"]
    hour = Period(count=1, period="hour")
    limits = FreshnessLimits(warn_after=hour, error_after=hour)
    refusing = tickets.serve.model_copy(update={"on_stale": "refuse", "freshness": limits})
    views = {**declared.views, "agent_tickets": tickets.model_copy(update={"serve": refusing})}
    world.publish(home, declared.model_copy(update={"views": views}))
    with connect(home, "support_agent") as agent:
        outcome = agent.search("printer")
        assert {row["table"] for row in rows(outcome)} == {"agent_products"}
        assert outcome.meta.warnings[0].startswith("not searched: agent_tickets is 3")
        assert code(agent.search("printer", table="agent_tickets")) == "STALE_DATA"


def test_masked_and_untrusted_columns_are_marked_under_any_name(agent: Agent) -> None:
    outcome = agent.sql(
        "select customer_key as status, body as subject_line, upper(subject) as u, "
        "length(body) as letters, status as plain, count(*) over () as n from agent_tickets"
    )
    marked = columns(outcome)
    assert marked["status"].masked
    assert marked["subject_line"].trust == "untrusted"
    assert marked["u"].trust == "untrusted"
    assert (marked["letters"].masked, marked["letters"].trust) == (False, "trusted")
    assert (marked["plain"].masked, marked["plain"].trust) == (False, "trusted")
    assert (marked["n"].masked, marked["n"].trust) == (False, "trusted")
    assert outcome.meta.masked_columns == ["status", "subject_line", "u"]


def test_what_cannot_be_followed_is_marked_as_all_it_can_reach(agent: Agent) -> None:
    outcome = agent.sql(
        "unpivot (select ticket_id, subject, body from agent_tickets) on subject, body "
        "into name part value content"
    )
    marked = columns(outcome)
    assert marked["content"].trust == "untrusted"
    assert marked["content"].masked
    assert marked["ticket_id"].trust == "trusted"


def test_a_caller_s_limit_and_the_agent_s_own_are_told_apart(
    connected: Callable[[str], Agent],
) -> None:
    agent = connected("small_agent")
    every = "select order_id from agent_orders"
    for limit, cut in [(4, "limit"), (5, "limit"), (None, "rows"), (6, "rows")]:
        outcome = agent.sql(every, limit=limit)
        assert (outcome.data.truncated, outcome.data.truncated_by) == (True, cut), limit
        assert outcome.data.row_count == min(limit or 5, 5)
    exact = agent.sql(f"{every} limit 5")
    assert (exact.data.truncated, exact.data.truncated_by) == (False, None)


@pytest.mark.parametrize(
    ("limit", "count", "cut"), [(None, 4, None), (4, 4, None), (3, 3, "limit")]
)
def test_a_lookup_tells_exactly_what_it_left_out(
    agent: Agent, limit: int | None, count: int, cut: str | None
) -> None:
    outcome = agent.lookup("agent_orders", "customer_key", "c1", limit=limit)
    assert (outcome.data.row_count, outcome.data.truncated_by) == (count, cut)


def test_a_lookup_stays_within_the_agent_s_rows(connected: Callable[[str], Agent]) -> None:
    outcome = connected("small_agent").lookup("agent_orders", values=list(range(1, 20)))
    assert (outcome.data.row_count, outcome.data.truncated_by) == (5, "rows")
    assert outcome.meta.warnings == []


def test_a_dry_run_tells_what_would_be_read_and_reads_nothing(agent: Agent) -> None:
    (plan,) = rows(agent.sql("select total from agent_orders", dry_run=True))
    assert plan["tables"] == ["agent_orders"]
    assert plan["columns"] == {"agent_orders": ["total"]}
    assert plan["estimated_rows"] == 40
    assert plan["verdict"] == "allowed"
    assert code(agent.sql("select * from agent_customers", dry_run=True)) == "UNKNOWN_TABLE"


def test_too_many_calls_are_refused_with_when_to_return(
    connected: Callable[[str], Agent],
) -> None:
    agent, other = connected("hasty_agent"), connected("catalog_agent")
    for _ in range(3):
        assert agent.list_tables().success
    refused = agent.list_tables()
    assert code(refused) == "RATE_LIMITED"
    assert refused.error.retryable
    assert 0 < refused.error.details["retry_after_s"] <= 60
    assert other.list_tables().success


def test_a_publish_between_two_calls_shows_in_the_second(
    agent: Agent, home: Path, world: SimpleNamespace
) -> None:
    before = agent.lookup("agent_products", value=1)
    world.change(home, "update agents.agent_products set title = 'Inkjet' where product_id = 1")
    published = world.publish(home)
    after = agent.lookup("agent_products", value=1)
    assert rows(before)[0]["title"] == "Laser printer"
    assert rows(after)[0]["title"] == "Inkjet"
    assert after.meta.snapshot_id == published != before.meta.snapshot_id
    sql = "select title from agent_products where product_id = 1"
    assert rows(agent.sql(sql)) == [{"title": "Inkjet"}]
    assert rows(agent.search("Inkjet", table="agent_products"))[0]["title"] == "Inkjet"


def test_a_pinned_snapshot_gives_one_state_over_sql_lookup_and_search(
    home: Path, world: SimpleNamespace
) -> None:
    with connect(home, "support_agent") as agent:
        first = agent.list_tables().meta.snapshot_id
        world.change(home, "update agents.agent_products set title = 'Inkjet'")
        world.publish(home)
        with connect(home, "support_agent", snapshot_id=first) as pinned:
            assert rows(pinned.lookup("agent_products", value=1))[0]["title"] == "Laser printer"
            assert rows(pinned.search("Laser printer"))[0]["title"] == "Laser printer"
        sql = "select title from agent_products where product_id = 1"
        assert rows(agent.sql(sql, snapshot_id=first)) == [{"title": "Laser printer"}]
        assert rows(agent.sql(sql)) == [{"title": "Inkjet"}]


def test_a_pin_does_not_bring_back_what_was_taken_from_an_agent(
    home: Path, world: SimpleNamespace
) -> None:
    with connect(home, "small_agent") as agent:
        first = agent.list_tables().meta.snapshot_id
        declared = world.declared()
        narrowed = declared.agents["small_agent"].model_copy(update={"views": ["agent_products"]})
        world.publish(home, world.declared(small_agent=narrowed))
        assert code(agent.lookup("agent_orders", value=1, snapshot_id=first)) == "UNKNOWN_TABLE"
        sql = "select * from agent_orders"
        assert code(agent.sql(sql, snapshot_id=first)) == "UNKNOWN_TABLE"
        changed = world.declared().model_copy(update={"contract_version": "changed"})
        world.publish(home, changed)
        assert code(agent.lookup("agent_products", value=1, snapshot_id=first)) == "NO_SNAPSHOT"


def test_an_agent_that_is_no_longer_declared_gets_no_answer(
    agent: Agent, home: Path, world: SimpleNamespace
) -> None:
    declared = world.declared()
    agents = {name: one for name, one in declared.agents.items() if name != "support_agent"}
    world.publish(home, declared.model_copy(update={"agents": agents}))
    assert code(agent.list_tables()) == "UNAUTHENTICATED"


def test_snapshots_that_nobody_reads_are_closed(home: Path, world: SimpleNamespace) -> None:
    with connect(home, "support_agent") as agent:
        ids = [agent.list_tables().meta.snapshot_id]
        for _ in range(KEPT_PINS + 2):
            ids.append(world.publish(home))
            agent.sql("select count(*) from agent_orders")
        held = agent._gateway._snapshots
        assert set(held._open) == {ids[-1]}
        for pinned in ids[:-1]:
            assert agent.list_tables().success
            assert agent.lookup("agent_orders", value=1, snapshot_id=pinned).success
        assert len(held._open) == 1 + KEPT_PINS


def test_calls_from_many_threads_get_their_own_answers(agent: Agent) -> None:
    wrong: list[object] = []

    def ask(number: int) -> None:
        for step in range(20):
            wanted = 1 + (number * 20 + step) % 40
            found = agent.lookup("agent_orders", value=wanted)
            if rows(found)[0]["order_id"] != wanted:
                wrong.append(found)
        if rows(agent.sql(f"select {number} as n from agent_orders limit 1")) != [{"n": number}]:
            wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_every_call_is_recorded_before_its_answer_answered_or_refused(
    agent: Agent, home: Path
) -> None:
    answered = agent.sql("select total from agent_orders where customer_key = 'a@example.com'")
    (record,) = records(home)
    assert record["query_id"] == answered.meta.query_id
    assert record["agent"] == "support_agent"
    assert record["surface"] == "python"
    assert record["tool"] == "execute_sql"
    assert record["tables"] == ["agent_orders"]
    assert record["columns"] == {"agent_orders": ["customer_key", "total"]}
    assert record["snapshot_id"] == answered.meta.snapshot_id
    assert (record["verdict"], record["rows"], record["freshness"]) == ("answered", 0, "fresh")
    assert "a@example.com" not in json.dumps(record)
    refused = agent.sql("drop table agent_orders")
    record = records(home)[1]
    assert (record["verdict"], record["code"]) == ("refused", "READONLY_VIOLATION")
    assert record["query_id"] == refused.meta.query_id
    assert audit.verify(home).is_intact


def test_an_answer_that_cannot_be_recorded_does_not_leave(home: Path) -> None:
    audit.audit_folder(home).write_text("in the way")
    with connect(home, "support_agent") as agent:
        assert code(agent.list_tables()) == "INTERNAL"


def test_a_fault_of_ours_is_told_without_its_cause(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(home, "support_agent") as agent:
        for path in (home / "published").rglob("*.sqlite"):
            path.write_bytes(b"canary, and no database" * 100)
        outcome = agent.lookup("agent_orders", value=1)
    assert code(outcome) == "INTERNAL"
    told = outcome.model_dump_json() + caplog.text + json.dumps(records(home))
    # What the file holds, what its engine says of it, and where it is.
    assert not [word for word in ("canary", "not a database", str(home)) if word in told]
    assert records(home)[-1]["error_type"] == "DatabaseError"


def test_lineage_names_the_raw_tables_their_loads_and_the_masks(agent: Agent) -> None:
    (row,) = rows(agent.get_lineage("agent_tickets", "customer_key"))
    assert row["source_table"] == "helpdesk.tickets"
    assert row["load_id"] == "1767225600.1"
    assert (row["column"], row["mask"]) == ("customer_key", "pseudonym")
    assert row["watermark"].endswith("Z")


def test_freshness_names_what_holds_a_view_back(agent: Agent) -> None:
    found = {row["table"]: row for row in rows(agent.check_freshness())}
    assert found["agent_orders"]["status"] == "fresh"
    assert found["agent_prices"]["status"] == "stale"
    assert found["agent_returns"]["status"] == "unknown"
    assert found["agent_stock"]["data_as_of"] == found["agent_tickets"]["data_as_of"]
    assert rows(agent.check_freshness("agent_orders"))[0]["table"] == "agent_orders"


@pytest.mark.parametrize(
    ("pattern", "count"), [(None, 6), ("order", 1), ("agent_*", 6), ("AGENT_P*", 2), ("x", 0)]
)
def test_tables_are_listed_by_pattern(agent: Agent, pattern: str | None, count: int) -> None:
    assert len(rows(agent.list_tables(pattern))) == count
