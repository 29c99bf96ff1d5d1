"""What was added within the last minute, kept as numbers in a buffer that processes can share."""

from collections.abc import Iterator

WINDOW_S = 60.0
# What happens within one step counts as one: a minute is 1,200 steps, whatever the amounts are.
STEP_S = 0.05
_PLACES = round(WINDOW_S / STEP_S) + 2
# The sum, the place of the oldest step, how many there are; then when each began, and its amount.
_SUM, _FIRST, _COUNT, _BEGAN = range(4)
_AMOUNT = _BEGAN + _PLACES
NUMBERS = _AMOUNT + _PLACES


class Minute:
    """A sum over a sliding minute; whoever calls holds the lock of its ``NUMBERS`` numbers."""

    def __init__(self, numbers: "memoryview[float]") -> None:
        self._numbers = numbers

    def add(self, now: float, amount: float) -> None:
        """Count an amount as of now, for which ``sum`` was asked just before."""
        numbers = self._numbers
        count = int(numbers[_COUNT])
        last = (int(numbers[_FIRST]) + count - 1) % _PLACES
        if not count or now - numbers[_BEGAN + last] >= STEP_S:
            last = (last + 1) % _PLACES
            numbers[_BEGAN + last], numbers[_AMOUNT + last] = now, 0.0
            numbers[_COUNT] = count + 1
        numbers[_AMOUNT + last] += amount
        numbers[_SUM] += amount

    def sum(self, now: float) -> float:
        """What the last minute holds."""
        numbers = self._numbers
        while numbers[_COUNT] and now - numbers[_BEGAN + int(numbers[_FIRST])] >= WINDOW_S:
            self._drop_oldest()
        return numbers[_SUM]

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

    def _drop_oldest(self) -> None:
        numbers = self._numbers
        first = int(numbers[_FIRST])
        numbers[_FIRST] = (first + 1) % _PLACES
        numbers[_COUNT] -= 1
        # An empty minute is nothing, whatever rounding or a killed process left in the sum.
        numbers[_SUM] = numbers[_SUM] - numbers[_AMOUNT + first] if numbers[_COUNT] else 0.0
