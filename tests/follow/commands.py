"""``grounded follow`` in a process of its own, and the shop that it follows."""

import json
import signal
from pathlib import Path
from typing import Any

from ingestion.demo.shop import as_owner
from ingestion.demo.state import Layout, load
from serving import connect
from serving.snapshot_store import current_id
from tests.grounded import COMMAND_LINE, environment, warm

Status = dict[str, Any]


class Following:
    """The command in a process of its own, and what it tells."""

    def __init__(self, home: Path, *arguments: str, entry: str = COMMAND_LINE) -> None:
        self.home = home
        command = ["follow", "--json", *arguments]
        self.process = warm().start(command, environment(home), entry=entry)

    def next(self) -> Status:
        """The next cycle's status."""
        line = self.process.out.readline()
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
        self.process.signal(number)
        return self.process.wait()

    def kill(self) -> None:
        """Kill it and all that it started."""
        self.process.kill()


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
