"""``grounded search --filter``: what is typed as text is asked in the type of its column."""

import json
from pathlib import Path

import pytest

from orchestration.cli import run
from serving.catalog import SearchSpec
from tests.serving.conftest import COLUMNS, SERVED, change, declared, fill, publish

TICKETS = "agent_tickets"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tickets that may be filtered by a text, a boolean, a whole number and a decimal."""
    home = tmp_path_factory.mktemp("filtered") / "home"
    fill(home)
    change(
        home,
        f"alter table agents.{TICKETS} add column is_late boolean",
        f"alter table agents.{TICKETS} add column price decimal(18,2)",
        f"update agents.{TICKETS} set is_late = ticket_id = 1, price = ticket_id + 0.5",
    )
    told = declared()
    extra = [("is_late", "boolean", None), ("price", "decimal(18,2)", None)]
    view = told.views[TICKETS]
    described = [type(view.columns[0])(name=name, description=name) for name, _, _ in extra]
    searched = SearchSpec(
        text=["body"], title="subject", filters=["status", "is_late", "ticket_id", "price"]
    )
    told.views[TICKETS] = view.model_copy(
        update={
            "columns": [*view.columns, *described],
            "serve": SERVED[TICKETS].model_copy(update={"search": searched}),
        }
    )
    assert {name for name, _, _ in COLUMNS[TICKETS]}.isdisjoint({"is_late", "price"})
    publish(home, told)
    return home


def found(home: Path, capsys: pytest.CaptureFixture[str], *filters: str) -> set[int] | str:
    words = [word for one in filters for word in ("--filter", one)]
    run(["search", "--agent", "support_agent", "printer", *words, "--home", str(home), "--json"])
    told = json.loads(capsys.readouterr().out)
    if not told["success"]:
        return str(told["error"]["code"])
    return {row["key"] for row in told["data"]["rows"]}


def test_a_filter_is_asked_in_its_columns_type(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert found(home, capsys, "is_late=true") == {1}
    assert found(home, capsys, "is_late=False", "status=closed") == {3}
    assert found(home, capsys, "ticket_id=2") == {2}
    assert found(home, capsys, "ticket_id=1", "ticket_id=3") == {1, 3}
    assert found(home, capsys, "price=1.5", "price=2.50") == {1, 2}


@pytest.mark.parametrize("typed", ["is_late=1", "is_late=", "ticket_id=two", "price=true", "x=1"])
def test_what_is_of_no_such_type_is_refused_by_the_search_itself(
    home: Path, capsys: pytest.CaptureFixture[str], typed: str
) -> None:
    assert found(home, capsys, typed) == "INVALID_ARGUMENT"
