"""Which model embeds, as the environment says it."""

from pathlib import Path

import pytest

from orchestration.errors import SettingsError
from orchestration.resources import chosen_embedder, read_settings
from serving.catalog import EmbedderSpec
from serving.embedders import read_key

KEY = "key-of-an-endpoint"


def test_the_built_in_model_is_used_where_none_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GROUNDED_EMBEDDER", raising=False)
    assert read_settings(tmp_path).embedder == EmbedderSpec()


def test_an_endpoint_is_named_by_provider_model_and_url_and_its_key_is_kept_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUNDED_EMBEDDER", "ollama:nomic-embed-text:v1.5")
    monkeypatch.setenv("GROUNDED_EMBEDDER_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("GROUNDED_EMBEDDER_KEY", KEY)
    settings = read_settings(tmp_path)
    spec = EmbedderSpec(provider="ollama", model="nomic-embed-text:v1.5", url="http://127.0.0.1:9")
    assert settings.embedder == spec
    assert chosen_embedder(settings).model == "ollama:nomic-embed-text:v1.5"
    assert read_key(settings.home) == KEY
    assert KEY not in repr(settings)


@pytest.mark.parametrize("chosen", ["ollama", "ollama:", ":model"])
def test_half_a_name_is_refused_with_the_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    monkeypatch.setenv("GROUNDED_EMBEDDER", chosen)
    with pytest.raises(SettingsError, match="provider:model"):
        read_settings(tmp_path)
