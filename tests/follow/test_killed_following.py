"""``grounded follow`` that is killed in the middle of a publication."""

from pathlib import Path

import pytest

from tests.follow.commands import Following, change, orders

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(900)]


def test_what_a_kill_interrupted_is_published_by_the_next_one_which_ends_when_it_is_told_to(
    home: Path,
) -> None:
    following = Following(home, "--source", "shop")
    assert following.next()["in_full"]
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
    while not any(building.glob("2*")):
        assert again.process.poll() is None
    assert again.end() == 0
    assert [one["channel"] for one in orders(home, "order_id = 7")] == ["app"]
    assert not list(building.glob("2*"))
