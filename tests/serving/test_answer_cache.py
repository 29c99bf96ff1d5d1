"""What is found is kept for the next same call, and for no other."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from serving.agent import Agent, connect
from serving.audit import calls
from serving.cache import AnswerCache, Key
from serving.envelope import Answer, Refusal
from serving.found import Found
from serving.layout import pointer_path
from serving.opened import KEPT_PINS
from serving.row_bytes import packed
from serving.sandbox.volatile import is_volatile

ORDERS = "select count(*) as n from agent_orders"


def used(outcome: Answer | Refusal) -> str | None:
    assert isinstance(outcome, Answer), outcome
    return outcome.meta.cache


def test_the_second_same_call_is_a_hit_with_the_same_rows_and_is_recorded(
    agent: Agent, home: Path
) -> None:
    asks: list[Callable[[], Answer | Refusal]] = [
        lambda: agent.sql(ORDERS),
        lambda: agent.search("printer", table="agent_tickets", filter={"status": "open"}),
    ]
    for ask in asks:
        first, second = ask(), ask()
        assert (used(first), used(second)) == ("miss", "hit")
        assert isinstance(first, Answer) and isinstance(second, Answer)
        assert first.data == second.data
        assert first.meta.query_id != second.meta.query_id
        assert first.meta.sources == second.meta.sources
    recorded = list(calls(home))
    assert [call["cache"] for call in recorded] == ["miss", "hit"] * 2
    for miss, hit in zip(recorded[::2], recorded[1::2], strict=True):
        for same in ("tables", "columns", "rows", "bytes"):
            assert miss[same] == hit[same]
        assert miss["erasable"] == hit["erasable"]


@pytest.mark.parametrize(
    "other",
    [
        lambda a, _: a.sql(ORDERS, limit=5),
        lambda a, _: a.sql(ORDERS + " "),
        lambda _, connected: connected("small_agent").sql(ORDERS),
    ],
)
def test_another_argument_or_agent_is_a_miss(
    agent: Agent,
    connected: Callable[[str], Agent],
    other: Callable[[Agent, Callable[[str], Agent]], Answer | Refusal],
) -> None:
    agent.sql(ORDERS)
    assert used(other(agent, connected)) == "miss"


def test_a_limit_of_another_value_is_another_call(agent: Agent) -> None:
    assert used(agent.search("printer", limit=1)) == "miss"
    assert used(agent.search("printer", limit=2)) == "miss"


def test_a_publication_makes_the_next_call_a_miss_with_new_rows(
    agent: Agent, home: Path, world: SimpleNamespace
) -> None:
    first = agent.sql(ORDERS)
    assert used(agent.sql(ORDERS)) == "hit"
    world.change(home, "delete from agents.agent_orders where order_id = 1")
    world.publish(home)
    second = agent.sql(ORDERS)
    assert isinstance(first, Answer) and isinstance(second, Answer)
    assert (used(second), second.data.rows) == ("miss", [{"n": first.data.rows[0]["n"] - 1}])


def test_what_a_caller_does_with_its_rows_changes_nobody_else_s(agent: Agent) -> None:
    for _ in range(2):
        outcome = agent.sql(ORDERS)
        assert isinstance(outcome, Answer)
        assert outcome.data.rows == [{"n": 40}]
        outcome.data.rows[0]["n"] = 0
        outcome.data.rows.clear()


@pytest.mark.parametrize(
    "ask",
    [
        lambda a: a.list_tables(),
        lambda a: a.check_freshness(),
        lambda a: a.sql(ORDERS, dry_run=True),
        lambda a: a.sql("select random() from agent_orders limit 1"),
        lambda a: a.sql("select order_id from agent_orders where placed_at < now() limit 1"),
        lambda a: a.sql("select order_id from agent_orders using sample 3"),
        # Reading a row by its key takes less time than keeping it.
        lambda a: a.lookup("agent_orders", value=1),
        # Declares `cache: false`.
        lambda a: a.sql("select * from agent_stock"),
        lambda a: a.sql("select o.order_id from agent_orders o, agent_stock limit 1"),
    ],
)
def test_nothing_is_kept_where_a_view_says_so_or_the_next_answer_may_differ(
    agent: Agent, ask: Callable[[Agent], Answer | Refusal]
) -> None:
    assert [used(ask(agent)) for _ in range(2)] == ["off", "off"]


def test_a_refusal_is_never_kept(agent: Agent, home: Path) -> None:
    for _ in range(2):
        outcome = agent.sql("select nothing from agent_orders")
        assert isinstance(outcome, Refusal)
        assert outcome.meta.cache is None


def test_ages_warnings_and_policies_of_a_hit_are_those_of_now(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, home: Path, world: SimpleNamespace
) -> None:
    declared = world.declared()
    orders = declared.views["agent_orders"]
    refusing = orders.serve.model_copy(update={"on_stale": "refuse"})
    views = {**declared.views, "agent_orders": orders.model_copy(update={"serve": refusing})}
    world.publish(home, declared.model_copy(update={"views": views}))
    fresh = agent.sql(ORDERS)
    count = "select count(*) from agent_products"
    agent.sql(count)
    moved = datetime.now(UTC) + timedelta(days=2)

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return moved

    monkeypatch.setattr("serving.reader.datetime", Later)
    assert isinstance(fresh, Answer) and fresh.meta.freshness[0].status == "fresh"
    products = agent.sql(count)
    assert used(products) == "hit"
    assert products.meta.freshness[0].status == "stale"
    assert "agent_products is 2 d old" in products.meta.warnings[0]
    refused = agent.sql(ORDERS)
    assert isinstance(refused, Refusal) and refused.error.code == "STALE_DATA"


def test_a_pinned_call_has_its_own_answers_and_its_scope_is_the_current_one(
    home: Path, world: SimpleNamespace
) -> None:
    with connect(home, "small_agent") as agent:
        first = agent.sql(ORDERS).meta.snapshot_id
        pinned = {"snapshot_id": first}
        world.publish(home)
        assert [used(agent.sql(ORDERS, **pinned)) for _ in range(2)] == ["miss", "hit"]
        narrowed = world.declared().agents["small_agent"]
        narrowed = narrowed.model_copy(update={"views": ["agent_products"]})
        world.publish(home, world.declared(small_agent=narrowed))
        refused = agent.sql(ORDERS, **pinned)
        assert isinstance(refused, Refusal) and refused.error.code == "UNKNOWN_TABLE"


def test_a_hit_counts_against_the_agent_s_calls(connected: Callable[[str], Agent]) -> None:
    agent = connected("hasty_agent")
    outcomes = [agent.sql("select count(*) from agent_products") for _ in range(4)]
    assert [outcome.success for outcome in outcomes] == [True, True, True, False]


def test_rows_of_a_snapshot_that_is_closed_are_let_go(home: Path, world: SimpleNamespace) -> None:
    with connect(home, "support_agent") as agent:
        kept = agent._gateway._cache
        ids = []
        for _ in range(KEPT_PINS + 2):
            ids.append(agent.sql(ORDERS).meta.snapshot_id)
            world.publish(home)
        agent.list_tables()
        assert kept.bytes == 0
    assert json.loads(pointer_path(home).read_text())["snapshot_id"] not in ids


def key(number: int) -> Key:
    return Key("s", "s", "a", "execute_sql", f"{number:06}")


def kept(text: str) -> Found:
    return Found(columns=[], rows=[{"text": text}])


def test_memory_is_bounded_and_what_was_not_asked_for_the_longest_goes() -> None:
    cache = AnswerCache(most_bytes=100_000)
    for number in range(200):
        found = kept("x" * 1_000)
        cache.put(key(number), found, packed(found.rows))
        assert cache.get(key(0)) is not None
        assert cache.bytes <= 100_000
    assert cache.get(key(1)) is None
    assert cache.get(key(199)) is not None


def test_one_large_answer_does_not_push_all_others_out() -> None:
    cache = AnswerCache(most_bytes=100_000)
    small, large = kept("x"), kept("x" * 50_000)
    cache.put(key(1), small, packed(small.rows))
    cache.put(key(2), large, packed(large.rows))
    assert (cache.get(key(1)) is not None, cache.get(key(2))) == (True, None)


def test_threads_that_share_a_cache_keep_its_count_of_bytes_true() -> None:
    cache = AnswerCache(most_bytes=30_000)

    def work(seed: int) -> None:
        for step in range(300):
            found = kept("x" * (step % 50))
            cache.put(key((seed * 7 + step) % 40), found, packed(found.rows))
            cache.get(key(step % 40))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cache.drop("s")
    assert cache.bytes == 0


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select NOW()", True),
        ("select Current_Date - placed_at from t", True),
        ("from t select age(placed_at)", True),
        ('select "random"() from t', True),
        ("select * from t tablesample 10%", True),
        ("select known, age_band from t where sampled", False),
    ],
)
def test_a_clock_chance_and_a_sample_are_seen(sql: str, expected: bool) -> None:
    assert is_volatile(sql) is expected
