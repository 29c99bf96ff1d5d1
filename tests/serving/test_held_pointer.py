"""Whatever takes the pointer's place is seen at the next look; a damaged one is told each time."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.agent import Agent
from serving.errors import PublishError
from serving.held_pointer import HeldPointer
from serving.layout import pointer_path
from serving.snapshot_store import current_id


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "current.json").write_text("first")
    return tmp_path / "current.json"


@pytest.fixture
def held(path: Path) -> HeldPointer:
    pointer = HeldPointer(path)
    assert not pointer.is_still_it()
    pointer.hold()
    assert pointer.is_still_it()
    return pointer


def replace(path: Path) -> None:
    draft = path.with_suffix(".new")
    draft.write_text("other")
    draft.replace(path)


def back_up_and_replace(path: Path) -> None:
    """A copy by a hard link keeps the file a name."""
    os.link(path, path.with_suffix(".backup"))
    replace(path)


CHANGES: dict[str, Callable[[Path], object]] = {
    "replaced": replace,
    "linked elsewhere, then replaced": back_up_and_replace,
    "removed": Path.unlink,
    "written in place": lambda path: path.write_text("other"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_change_is_seen(held: HeldPointer, path: Path, change: Callable[[Path], object]) -> None:
    change(path)
    assert not held.is_still_it()


def test_each_of_two_replacements_is_seen(held: HeldPointer, path: Path) -> None:
    for _ in range(2):
        replace(path)
        assert not held.is_still_it()
        held.hold()
        assert held.is_still_it()


def test_a_file_that_is_replaced_while_it_is_opened_is_not_the_one_that_is_held(
    held: HeldPointer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, opens = os.open, []

    def replaced_once_opened(name: Path, flags: int) -> int:
        descriptor = opened(name, flags)
        opens.append(descriptor)
        if len(opens) == 1:
            replace(path)
        return descriptor

    with monkeypatch.context() as racing:
        racing.setattr(os, "open", replaced_once_opened)
        held.hold()
    assert len(opens) == 2 and held.is_still_it()
    replace(path)
    assert not held.is_still_it()


def test_without_a_file_there_is_nothing_to_hold(held: HeldPointer, path: Path) -> None:
    path.unlink()
    with pytest.raises(FileNotFoundError):
        held.hold()
    assert not held.is_still_it()


def test_a_damaged_pointer_is_told_to_each_call_until_it_is_mended(
    agent: Agent, home: Path
) -> None:
    def lookup() -> bool:
        return agent.lookup("agent_orders", value=7).success

    whole = pointer_path(home).read_bytes()
    assert lookup()
    pointer_path(home).write_text("no pointer")
    assert [lookup(), lookup()] == [False, False]
    with pytest.raises(PublishError, match="restore it, or remove it"):
        current_id(home)
    pointer_path(home).write_bytes(whole)
    assert lookup()
