"""The privacy key on its way into DuckDB."""

import hmac
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.dbt_plugin import Plugin, PrivacyKeyError, hmac_pads
from tests.transform.conftest import KEY, run_dbt


@settings(deadline=None)
@given(more=st.text("abcé0", max_size=160), message=st.binary(max_size=200))
def test_the_pads_are_those_of_hmac_sha256(more: str, message: bytes) -> None:
    key = KEY + more
    inner, outer = hmac_pads(key)
    digest = sha256(outer + sha256(inner + message).digest()).hexdigest()
    assert digest == hmac.new(key.encode(), message, sha256).hexdigest()


@pytest.mark.parametrize("key", ["", "   ", "tooshort-secret", " " * 64])
def test_a_missing_or_short_key_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(PrivacyKeyError, match="DBT_ENV_SECRET_PRIVACY_KEY") as raised:
        hmac_pads(key)
    assert "tooshort" not in str(raised.value)


def test_every_cursor_gets_the_key() -> None:
    plugin = Plugin("dbt_plugin", {"key": KEY, "home": "no-home"})
    with duckdb.connect() as connection:
        for cursor in (connection.cursor(), connection.cursor()):
            plugin.configure_cursor(cursor)
            pads = cursor.execute(
                "select getvariable('privacy_ipad'), getvariable('privacy_opad')"
            ).fetchone()
            assert pads == hmac_pads(KEY)


def test_a_short_key_stops_dbt_before_it_opens_the_warehouse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUNDED_HOME", str(tmp_path))
    monkeypatch.setenv("DBT_ENV_SECRET_PRIVACY_KEY", "secret-of-20-letters")
    result = run_dbt(tmp_path, "--quiet", "run", "--select=stg_shop__products")
    assert not result.success
    assert not (tmp_path / "warehouse.duckdb").exists()
    log = (tmp_path / "dbt/logs/dbt.log").read_text()
    assert "privacy key" in log
    assert "secret-of-20-letters" not in log


def test_the_project_parses_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBT_ENV_SECRET_PRIVACY_KEY", raising=False)
    monkeypatch.setenv("GROUNDED_HOME", str(tmp_path))
    assert run_dbt(tmp_path, "--quiet", "parse").success
