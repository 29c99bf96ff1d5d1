"""dlt's settings: which are secret is asked once of each type, and answered as dlt does."""

from typing import Annotated, Any

import pytest
from dlt.common.configuration import resolve
from dlt.common.configuration.providers import environ
from dlt.common.configuration.specs import base_configuration
from dlt.common.configuration.specs.connection_string_credentials import (
    ConnectionStringCredentials,
)
from dlt.common.typing import TSecretStrValue

from ingestion import known_hints

HINTS = [
    str, int | None, dict[str, str], Any, TSecretStrValue, TSecretStrValue | None,
    ConnectionStringCredentials, ConnectionStringCredentials | None, Annotated[str, {"no": "hash"}],
]  # fmt: skip


@pytest.mark.parametrize("hint", HINTS, ids=str)
def test_what_is_a_secret_to_dlt_is_one_to_where_it_looks_settings_up(hint: Any) -> None:
    known_hints.ask_once()
    wanted = base_configuration.is_secret_hint(hint)
    for _ in range(2):
        assert resolve.is_secret_hint(hint) is wanted  # type: ignore[attr-defined]
        assert environ.is_secret_hint(hint) is wanted  # type: ignore[attr-defined]


def test_a_type_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    known_hints.ask_once()
    asked = []
    monkeypatch.setattr(known_hints, "is_secret_hint", lambda hint: bool(asked.append(hint)))
    own = Annotated[str, "a type of this test"]
    assert not resolve.is_secret_hint(own)  # type: ignore[attr-defined]
    assert not environ.is_secret_hint(own)  # type: ignore[attr-defined]
    assert asked == [own]
