"""``grounded follow`` that has grown too large: another process takes its place."""

from pathlib import Path

import pytest

from tests.follow.commands import Following, change, orders
from tests.grounded import COMMAND

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(900)]


def test_a_new_process_of_the_same_id_goes_on(home: Path) -> None:
    following = Following(home, "--source", "shop", entry="tests.follow.growing:grown")
    try:
        assert [following.next()["cycle"] for _ in range(2)] == [1, 1]
        command = Path(f"/proc/{following.process.process}/cmdline").read_bytes().split(b"\0")
        assert command[1:3] == [COMMAND.encode(), b"follow"]
        change(home, "update orders set channel = 'app' where id = 7")
        assert not following.until_published()["in_full"]
        assert [one["channel"] for one in orders(home, "order_id = 7")] == ["app"]
        assert following.end() == 0
    finally:
        following.kill()
