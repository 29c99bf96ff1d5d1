import pytest

from serving.errors import RateLimited
from serving.rates import CallWindow


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_window_slides_and_tells_when_to_return() -> None:
    clock = Clock()
    window = CallWindow(clock)
    window.admit("a", 2)
    clock.now += 20
    window.admit("a", 2)
    clock.now += 10
    with pytest.raises(RateLimited) as caught:
        window.admit("a", 2)
    assert caught.value.details["retry_after_s"] == 30
    clock.now += 30
    window.admit("a", 2)
    with pytest.raises(RateLimited):
        window.admit("a", 2)


def test_refused_calls_do_not_keep_an_agent_out() -> None:
    clock = Clock()
    window = CallWindow(clock)
    window.admit("a", 1)
    for _ in range(100):
        clock.now += 0.5
        with pytest.raises(RateLimited):
            window.admit("a", 1)
    clock.now += 10
    window.admit("a", 1)


def test_one_agents_calls_are_not_anothers() -> None:
    window = CallWindow(Clock())
    window.admit("a", 1)
    window.admit("b", 1)


def test_an_agent_with_no_calls_at_all_is_always_refused() -> None:
    with pytest.raises(RateLimited):
        CallWindow(Clock()).admit("a", 0)
