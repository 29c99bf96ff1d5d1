"""Changes the demo as a working day would: inserts, updates and deletes in all upstreams."""

from datetime import UTC, datetime
from pathlib import Path
from random import Random

from pydantic import BaseModel, ConfigDict

from ingestion.demo import traffic_helpdesk, traffic_runbooks, traffic_shop
from ingestion.demo.errors import DemoError, NotRunningError
from ingestion.demo.plan import Plan, Tally, plan
from ingestion.demo.state import Layout, State, load, locked, save


class TrafficReport(BaseModel):
    """How many rows changed, by table: `{"shop.orders": 8, ...}`."""

    model_config = ConfigDict(frozen=True)

    inserted: dict[str, int]
    updated: dict[str, int]
    deleted: dict[str, int]

    @property
    def total(self) -> int:
        """All changes."""
        return sum(sum(part.values()) for part in (self.inserted, self.updated, self.deleted))


def traffic(home: Path, *, changes: int = 60, seed: int | None = None) -> TrafficReport:
    """Make about `changes` changes; each call goes on from the last. Raises DemoError."""
    if changes < 1:
        raise DemoError(f"traffic needs at least one change, not {changes}")
    layout = Layout.of(home)
    with locked(layout):
        state = load(layout)
        if state is None or not layout.helpdesk.exists() or not layout.runbooks.is_dir():
            raise NotRunningError(
                f"there is no complete demo in {layout.root}; start it with 'grounded demo up'"
            )
        rng = Random() if seed is None else Random(f"{seed}/traffic/{state.traffic_rounds}")
        done = _apply(plan(changes), layout, state, rng)
        save(layout, state.model_copy(update={"traffic_rounds": state.traffic_rounds + 1}))
    return TrafficReport(inserted=done.inserted, updated=done.updated, deleted=done.deleted)


def _apply(wanted: Plan, layout: Layout, state: State, rng: Random) -> Tally:
    now = datetime.now(UTC)
    tally = Tally()
    people, things = traffic_shop.apply(wanted, state, rng, now, tally)
    traffic_helpdesk.apply(wanted, layout.helpdesk, people, things, rng, now, tally)
    traffic_runbooks.apply(wanted, layout.runbooks, rng, now, tally)
    return tally
