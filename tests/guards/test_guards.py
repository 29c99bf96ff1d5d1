"""The table of guards speaks of what there is; ``python -m tests.guards`` tries them."""

from pathlib import Path

import pytest

from tests.guards.guard import Guard
from tests.guards.of_faults import FAULTS, IN_HUNDREDS_OF_KILLS
from tests.guards.of_http import HTTP
from tests.guards.of_serving import SERVING
from tests.guards.of_unchanged import UNCHANGED

ROOT = Path(__file__).parents[2]


GUARDS = [*HTTP, *FAULTS, *IN_HUNDREDS_OF_KILLS, *UNCHANGED, *SERVING]


@pytest.mark.parametrize("guard", GUARDS, ids=lambda one: one.what)
def test_each_guard_is_in_the_code_once_and_its_tests_exist(guard: Guard) -> None:
    assert (ROOT / guard.file).read_text(encoding="utf-8").count(guard.old) == 1
    assert guard.old != guard.new
    for test in guard.tests:
        file, _, function = test.partition("::")
        assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8"), test
