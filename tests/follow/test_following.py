"""``grounded follow`` over the demo: from a commit to an answer, through failures and kills."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingestion.demo import down, up
from ingestion.demo.shop import as_owner
from ingestion.demo.state import Layout, load
from serving import connect
from serving.snapshot_store import current_id
from tests.grounded import COMMAND, ROOT, environment, grounded
from tests.homes import home_of

pytestmark = pytest.mark.timeout(900)
Status = dict[str, Any]
WRONG_COUNTS = """
select count(*) as wrong
from agent_customers as customers
inner join (select customer_key, count(*) as orders from agent_orders group by all) as counted
    using (customer_key)
where customers.order_count <> counted.orders
"""


class Following:
    """The command in a process of its own, and what it tells."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        self.process = subprocess.Popen(
            [COMMAND, "follow", "--json", *arguments],
            cwd=ROOT,
            env=environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def next(self) -> Status:
        """The next cycle's status."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"it ended with {self.process.wait()}"
        status: Status = json.loads(line)
        return status

    def until_published(self) -> Status:
        """The status of the next cycle that published something else."""
        before = current_id(self.home)
        while True:
            status = self.next()
            if status["snapshot"] != before and not status["problems"]:
                return status

    def end(self, number: int = signal.SIGTERM) -> int:
        """Signal it and return how it ended."""
        self.process.send_signal(number)
        self.process.communicate()
        return self.process.returncode

    def kill(self) -> None:
        """Kill it and all that it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture(scope="module")
def home(first_run: Path) -> Iterator[Path]:
    """A home with upstreams of its own after a first run."""
    with home_of(first_run) as folder:
        yield folder


@pytest.fixture(scope="module")
def following(home: Path) -> Iterator[Following]:
    """The command after its first run in full, with the sources that these tests change."""
    started = Following(home, "--source", "shop", "--source", "runbooks")
    assert started.next()["in_full"]
    yield started
    started.kill()


def change(home: Path, *statements: str) -> None:
    """Commit at the demo's shop."""
    state = load(Layout.of(home))
    assert state is not None
    with as_owner(state) as shop:
        for statement in statements:
            shop.execute(statement)
        shop.commit()


def orders(home: Path, condition: str) -> list[dict[str, Any]]:
    """The orders that the agent sees, by SQL."""
    query = f"select order_id, status, channel from agent_orders where {condition} order by 1"
    with connect(home, "support_agent") as agent:
        return agent.sql(query).rows


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


def test_what_a_kill_interrupted_is_published_by_the_next_one_which_ends_when_it_is_told_to(
    following: Following,
) -> None:
    home = following.home
    building = home / "published" / "building"
    change(home, "update orders set channel = 'marketplace' where id between 8 and 12")
    while not any(building.glob("*/catalog*")) and not any(building.glob("*/layers")):
        assert following.process.poll() is None
    following.kill()
    again = Following(home, "--source", "shop")
    assert not again.next()["problems"]
    found = orders(home, "order_id between 8 and 12")
    assert {one["channel"] for one in found} == {"marketplace"}
    change(home, "update orders set channel = 'app' where id = 7")
    assert again.end() == 0
    assert not list(building.glob("2*"))


def test_wrong_names_are_told_with_the_right_ones(home: Path) -> None:
    done = grounded(home, "follow", "--source", "shoop")
    assert done.status == 2
    assert done.err == "no source shoop; there are shop, helpdesk, runbooks, audit\n"
