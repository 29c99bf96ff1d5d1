"""``grounded follow`` over the demo: from a commit to an answer, and through failures."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.demo import down, up
from serving import connect
from serving.following import following_metrics
from tests.follow.commands import Following, change, orders
from tests.grounded import grounded

pytestmark = pytest.mark.timeout(900)
WRONG_COUNTS = """
select count(*) as wrong
from agent_customers as customers
inner join (select customer_key, count(*) as orders from agent_orders group by all) as counted
    using (customer_key)
where customers.order_count <> counted.orders
"""


@pytest.fixture(scope="module")
def following(home: Path) -> Iterator[Following]:
    """The command after its first run in full, with the sources that these tests change."""
    started = Following(home, "--source", "shop", "--source", "runbooks")
    assert started.next()["in_full"]
    yield started
    started.kill()


def test_a_commit_is_answered_by_the_next_cycle_on_every_surface(following: Following) -> None:
    home = following.home
    change(
        home,
        "update orders set status = 'refunded', channel = 'fax' where id in (1, 2)",
        "insert into orders select 900001, customer_id, 'paid', 'fax', currency, items, placed_at, "
        "now() from orders where id = 3",
        "delete from orders where id = 4",
    )
    status = following.until_published()
    assert not status["in_full"]
    assert [one["order_id"] for one in orders(home, "channel = 'fax'")] == [1, 2, 900001]
    with connect(home, "support_agent") as agent:
        found = agent.lookup("agent_orders", "order_id", values=[2, 4, 900001]).rows
        customers = agent.sql(WRONG_COUNTS).rows
    assert [(one["order_id"], one["status"]) for one in found] == [
        (2, "refunded"),
        (900001, "paid"),
    ]
    assert customers == [{"wrong": 0}]


def test_a_row_that_fails_a_test_is_not_published_and_its_mending_is(following: Following) -> None:
    home = following.home
    before = orders(home, "order_id = 5")
    change(home, "update orders set status = 'lost at sea' where id = 5")
    failed = following.next()
    while not failed["problems"]:
        failed = following.next()
    assert "agent_orders" in failed["problems"][0]
    assert orders(home, "order_id = 5") == before
    change(home, "update orders set status = 'delivered' where id = 5")
    following.until_published()
    assert [one["status"] for one in orders(home, "order_id = 5")] == ["delivered"]


def test_a_source_that_is_down_fails_alone_and_is_followed_when_it_is_back(
    following: Following,
) -> None:
    home = following.home
    down(home, services=["shop"])
    try:
        status = following.next()
        while not status["sources"]["shop"]["problem"]:
            status = following.next()
        (home / "demo" / "runbooks" / "new.md").write_text("# Quokka\n\nOf quokkas.\n")
        with connect(home, "support_agent") as agent:
            while not agent.sql("select 1 from agent_knowledge where title = 'Quokka'").rows:
                following.next()
    finally:
        up(home, services=["shop"])
    change(home, "update orders set channel = 'phone' where id = 6")
    while [one["channel"] for one in orders(home, "order_id = 6")] != ["phone"]:
        status = following.next()
    assert status["sources"]["shop"]["problem"] is None


def test_how_far_each_source_is_behind_is_a_figure_of_the_server(following: Following) -> None:
    text = following_metrics(following.home)
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    assert float(figures['grounded_source_lag_seconds{source="shop"}']) > 0
    assert figures['grounded_source_failures{source="runbooks"}'] == "0"
    assert float(figures["grounded_following_told_seconds"]) < 3600


def test_wrong_names_are_told_with_the_right_ones(home: Path) -> None:
    done = grounded(home, "follow", "--source", "shoop")
    assert done.status == 2
    assert done.err == "no source shoop; there are shop, helpdesk, runbooks, audit\n"
