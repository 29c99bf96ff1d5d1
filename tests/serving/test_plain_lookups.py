"""A look tells that the arguments of most lookups fit; it never tells what the model would not."""

import sys
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from serving.tools import Lookup

TEXTS = st.text(max_size=3) | st.sampled_from(["agent_orders", "x" * 128, "x" * 129, "é", "\ud800"])
SCALARS = TEXTS | st.integers() | st.floats() | st.booleans() | st.none() | st.binary()
ARGUMENTS = st.dictionaries(
    st.sampled_from(["table", "key", "value", "values", "limit", "snapshot_id", "other"]),
    SCALARS | st.lists(SCALARS, max_size=2),
    max_size=4,
)


@given(ARGUMENTS)
@example({"table": "agent_orders", "value": 7})
@example({"table": "agent_orders", "value": "cus_1"})
@example({"table": "agent_orders", "value": 10**400})
@example({"table": "agent_orders", "value": True})
@example({"table": "x" * 129, "value": 7})
@example({"table": "agent_orders", "value": "\ud800"})
@example({"table": "agent_orders", "other": 7})
@example({"value": 7, "other": "agent_orders"})
def test_what_a_look_lets_through_is_what_the_model_makes_of_it(arguments: dict[str, Any]) -> None:
    plain = Lookup.plain(arguments)
    if plain is None:
        return
    checked = Lookup.model_validate(arguments)
    assert plain == checked
    assert plain.model_dump() == checked.model_dump()
    assert {name: type(value) for name, value in plain} == {
        name: type(value) for name, value in checked
    }


def test_a_look_is_enough_for_a_table_and_a_number_or_a_plain_text() -> None:
    for value in (0, -5, sys.maxsize, "", "cus_8f3b"):
        assert Lookup.plain({"table": "agent_orders", "value": value}) is not None


def test_arguments_that_were_not_checked_are_frozen_too() -> None:
    plain = Lookup.plain({"table": "agent_orders", "value": 7})
    assert plain is not None
    try:
        plain.value = 8
    except ValidationError as error:
        assert "frozen" in str(error)
    else:
        raise AssertionError("an argument was changed")
