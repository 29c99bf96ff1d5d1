"""``grounded token``: issue, list, rotate and revoke by hand."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.cli import run
from serving import tokens
from serving.errors import Unauthenticated


class Typed:
    """Types commands on one home."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self._capsys = home, capsys

    def __call__(self, *arguments: str, status: int = 0) -> str:
        assert run(["token", *arguments, "--home", str(self.home)]) == status
        out = self._capsys.readouterr()
        return out.out if status == 0 else out.out + out.err

    def listed(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self("--list", "--json").splitlines()]


@pytest.fixture
def typed(home: Path, capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(home, capsys)


def test_a_token_is_shown_once_and_expires_when_told(typed: Typed) -> None:
    token = typed("support_agent", "--expires", "30d").strip()
    assert tokens.authenticate(typed.home, token) == "support_agent"
    (one,) = typed.listed()
    assert set(one) == {"id", "agent", "created_at", "expires_at", "valid"}
    left = datetime.fromisoformat(one["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=29) < left <= timedelta(days=30)
    told = typed("--list")
    assert token not in told and one["id"] in told and "valid" in told
    assert json.loads(typed("support_agent", "--expires", "never", "--json"))["token"] != token
    assert [one["expires_at"] is None for one in typed.listed()] == [False, True]


def test_a_rotation_ends_the_others_at_once_or_after_a_grace(typed: Typed) -> None:
    first = typed("support_agent").strip()
    other = typed("catalog_agent").strip()
    second = typed("support_agent", "--rotate", "--grace", "1h").strip()
    assert tokens.authenticate(typed.home, first) == "support_agent"
    ends = datetime.fromisoformat(typed.listed()[0]["expires_at"])
    assert ends - datetime.now(UTC) <= timedelta(hours=1)
    third = typed("support_agent", "--rotate").strip()
    for ended in (first, second):
        with pytest.raises(Unauthenticated):
            tokens.authenticate(typed.home, ended)
    assert tokens.authenticate(typed.home, third) == "support_agent"
    assert tokens.authenticate(typed.home, other) == "catalog_agent"


def test_one_token_or_all_of_an_agent_are_revoked(typed: Typed) -> None:
    kept, ended = typed("support_agent").strip(), typed("support_agent").strip()
    token_id = typed.listed()[1]["id"]
    assert "1 tokens" in typed("support_agent", "--revoke", "--id", token_id)
    typed("support_agent", "--revoke", "--id", token_id, status=1)
    with pytest.raises(Unauthenticated):
        tokens.authenticate(typed.home, ended)
    assert tokens.authenticate(typed.home, kept) == "support_agent"
    typed("support_agent", "--revoke")
    with pytest.raises(Unauthenticated):
        tokens.authenticate(typed.home, kept)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["support_agent", "--expires", "soon"], "30d, 12h, 45min or never"),
        (["support_agent", "--rotate", "--grace", "never"], "--grace is a length"),
        (["support_agent", "--rotate", "--revoke"], "one of --list, --rotate and --revoke"),
        ([], "grounded token AGENT"),
        (["nobody"], "no agent 'nobody' is published"),
    ],
)
def test_what_cannot_be_done_says_what_to_type(
    typed: Typed, arguments: list[str], said: str
) -> None:
    assert said in typed(*arguments, status=2)
