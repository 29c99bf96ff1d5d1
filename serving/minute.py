"""What was added within the last minute, kept as numbers in a buffer that processes can share."""

from collections.abc import Iterator
from math import inf
from typing import TypeAlias

WINDOW_S = 60.0
# What happens within one step counts as one: a minute is 1,200 steps, whatever the amounts are.
STEP_S = 0.05
_PLACES = round(WINDOW_S / STEP_S) + 2
# The sum, when its oldest step leaves it, the place of that step and how many there are; then when
# each step began, and its amount.
_SUM, _LEAVES, _FIRST, _COUNT, _BEGAN = range(5)
_AMOUNT = _BEGAN + _PLACES
NUMBERS = _AMOUNT + _PLACES

# Of this process, or shared with others.
Numbers: TypeAlias = "list[float] | memoryview[float]"


class Minute:
    """A sum over a sliding minute; whoever calls holds the lock of its ``NUMBERS`` numbers."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def sum(self, now: float) -> float:
        """What the last minute holds."""
        if now >= self._numbers[_LEAVES]:
            self._let_go(now)
        return self._numbers[_SUM]

    def add(self, now: float, amount: float) -> None:
        """Count an amount as of now, for which ``sum`` was asked just before."""
        numbers = self._numbers
        count = int(numbers[_COUNT])
        last = (int(numbers[_FIRST]) + count - 1) % _PLACES
        if not count or now - numbers[_BEGAN + last] >= STEP_S:
            last = (last + 1) % _PLACES
            numbers[_BEGAN + last], numbers[_AMOUNT + last] = now, 0.0
            numbers[_COUNT] = count + 1
            if not count:
                numbers[_LEAVES] = now + WINDOW_S
        numbers[_AMOUNT + last] += amount
        numbers[_SUM] += amount

    def wait(self, now: float, most: float) -> float:
        """Seconds until the sum is below ``most``; a whole minute where it never is."""
        left = self._numbers[_SUM]
        for began, amount in self._steps():
            left -= amount
            if left < most:
                return WINDOW_S - (now - began)
        return WINDOW_S

    def _steps(self) -> Iterator[tuple[float, float]]:
        first = int(self._numbers[_FIRST])
        for number in range(int(self._numbers[_COUNT])):
            place = (first + number) % _PLACES
            yield self._numbers[_BEGAN + place], self._numbers[_AMOUNT + place]

    def _let_go(self, now: float) -> None:
        numbers = self._numbers
        first, count = int(numbers[_FIRST]), int(numbers[_COUNT])
        while count and now - numbers[_BEGAN + first] >= WINDOW_S:
            numbers[_SUM] -= numbers[_AMOUNT + first]
            first, count = (first + 1) % _PLACES, count - 1
        numbers[_FIRST], numbers[_COUNT] = first, count
        numbers[_LEAVES] = numbers[_BEGAN + first] + WINDOW_S if count else inf
        if not count:
            # An empty minute is nothing, whatever rounding or a killed process left in the sum.
            numbers[_SUM] = 0.0
