import os
from datetime import timedelta
from pathlib import Path

import pytest

from serving import tokens
from serving.errors import ServingError, Unauthenticated


def test_a_token_stands_for_its_agent(tmp_path: Path) -> None:
    support = tokens.issue(tmp_path, "support_agent")
    catalog = tokens.issue(tmp_path, "catalog_agent")
    assert tokens.authenticate(tmp_path, support) == "support_agent"
    assert tokens.authenticate(tmp_path, catalog) == "catalog_agent"


def test_a_tokens_text_is_not_kept(tmp_path: Path) -> None:
    token = tokens.issue(tmp_path, "support_agent")
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert token.encode() not in kept
    assert token.removeprefix(tokens.PREFIX).encode() not in kept


def test_the_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    tokens.issue(tmp_path, "support_agent")
    file = tmp_path / "secrets" / "tokens.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("token", [None, "", "gnd_wrong", "x" * 10_000, "gnd_\udc80"])
def test_no_token_and_a_wrong_token_are_refused(tmp_path: Path, token: str | None) -> None:
    tokens.issue(tmp_path, "support_agent")
    with pytest.raises(Unauthenticated):
        tokens.authenticate(tmp_path, token)


def test_a_token_is_refused_where_none_was_ever_issued(tmp_path: Path) -> None:
    with pytest.raises(Unauthenticated):
        tokens.authenticate(tmp_path, "gnd_anything")


def test_an_expired_token_is_refused(tmp_path: Path) -> None:
    token = tokens.issue(tmp_path, "support_agent", lasts=timedelta(seconds=-1))
    with pytest.raises(Unauthenticated):
        tokens.authenticate(tmp_path, token)


def test_a_revoked_token_is_refused_and_others_stay(tmp_path: Path) -> None:
    first = tokens.issue(tmp_path, "support_agent")
    second = tokens.issue(tmp_path, "support_agent")
    other = tokens.issue(tmp_path, "catalog_agent")
    assert (
        tokens.revoke(tmp_path, "support_agent", token_id=tokens.list_tokens(tmp_path)[0].id) == 1
    )
    with pytest.raises(Unauthenticated):
        tokens.authenticate(tmp_path, first)
    assert tokens.authenticate(tmp_path, second) == "support_agent"
    assert tokens.revoke(tmp_path, "support_agent") == 1
    with pytest.raises(Unauthenticated):
        tokens.authenticate(tmp_path, second)
    assert tokens.authenticate(tmp_path, other) == "catalog_agent"


def test_a_broken_file_is_told_without_its_content(tmp_path: Path) -> None:
    tokens.issue(tmp_path, "support_agent")
    (tmp_path / "secrets" / "tokens.json").write_text('{"tokens": "canary"}')
    with pytest.raises(ServingError) as caught:
        tokens.authenticate(tmp_path, "gnd_anything")
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_token_is_refused_from_the_moment_that_it_is_revoked(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "tokens.json"
    for age in (0, 3_600):
        token = tokens.issue(tmp_path, "support_agent")
        then = file.stat().st_mtime - age
        os.utime(file, (then, then))
        for _ in range(2):
            assert tokens.authenticate(tmp_path, token) == "support_agent"
        tokens.revoke(tmp_path, "support_agent")
        with pytest.raises(Unauthenticated):
            tokens.authenticate(tmp_path, token)
