"""The settings of a process, read from its environment: with the command line, the only reader.

GROUNDED_HOME            run-time folder; default ``data`` in the project
GROUNDED_PRIVACY_KEY     at least 32 random characters; keys every pseudonym
GROUNDED_PRIVACY_KEY_OLD for `grounded privacy rotate-key` where people were erased
GROUNDED_WEBHOOK_URL     where a failed run is told; optional
GROUNDED_EMBEDDER        provider:model of the search index; default the built-in model
GROUNDED_EMBEDDER_URL    its endpoint, and GROUNDED_EMBEDDER_KEY the endpoint's key
GROUNDED_AUDIT_DAYS      how many days of the audit log are kept; default all
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dlt
from pydantic import SecretStr

from ingestion.connection import points_at_demo, reads_home
from ingestion.erasure.keys import KEY_VARIABLE as KEY_VARIABLE_OF_ERASURE
from ingestion.erasure.keys import derived_key
from ingestion.sources_file import read_sources
from ingestion.spec import SourceSpec
from orchestration.errors import SettingsError
from orchestration.key_store import demo_key, key_id, record_id, recorded_id
from orchestration.key_strength import MIN_KEY_LENGTH, weakness
from serving.catalog import EmbedderSpec
from serving.embedder import Embedder
from serving.embedders import keep_key, make_embedder
from serving.snapshot_store import read_pointer

PROJECT_ROOT = Path(__file__).resolve().parents[1]
DBT_PROJECT = PROJECT_ROOT / "dbt_project"
KEY_VARIABLE = "GROUNDED_PRIVACY_KEY"
OLD_KEY_VARIABLE = "GROUNDED_PRIVACY_KEY_OLD"
_COMPARE_VARIABLE = "GROUNDED_COMPARE_IN_FULL"
# dbt scrubs the values of variables with this prefix from everything that it writes.
_DBT_KEY_VARIABLE = "DBT_ENV_SECRET_PRIVACY_KEY"


@dataclass(frozen=True)
class Settings:
    """Where things are and what was declared; holds no secret."""

    home: Path
    sources: dict[str, SourceSpec]
    webhook_url: SecretStr | None
    embedder: EmbedderSpec = EmbedderSpec()
    audit_days: int | None = None

    @property
    def dbt_compiled(self) -> Path:
        """Where dbt leaves the artifacts of the project as it is, compiled and not run."""
        return self.home / "dbt" / "target"

    @property
    def dbt_build(self) -> Path:
        """Where dbt leaves the artifacts of its last build."""
        return self.home / "dbt" / "build"

    def source(self, name: str) -> SourceSpec:
        """Return one source; SettingsError names those that there are."""
        if name not in self.sources:
            raise SettingsError(f"no source {name}; there are {', '.join(self.sources)}")
        return self.sources[name]

    @property
    def demo_sources(self) -> list[str]:
        """The sources that read the demo because no address is set."""
        return [name for name, spec in self.sources.items() if points_at_demo(name, spec)]

    @property
    def is_demo(self) -> bool:
        """Whether all that comes from outside is the demo's."""
        return all(
            points_at_demo(name, spec) or reads_home(spec) for name, spec in self.sources.items()
        )


def read_settings(home: Path | None = None) -> Settings:
    """Read the environment and sources.yaml; SourcesFileError and SettingsError say what to do."""
    chosen = home or Path(os.environ.get("GROUNDED_HOME", PROJECT_ROOT / "data"))
    webhook = os.environ.get("GROUNDED_WEBHOOK_URL")
    return Settings(
        home=chosen.resolve(),
        sources=read_sources(),
        webhook_url=SecretStr(webhook) if webhook else None,
        embedder=_embedder(os.environ.get("GROUNDED_EMBEDDER")),
        audit_days=_days("GROUNDED_AUDIT_DAYS"),
    )


def _embedder(chosen: str | None) -> EmbedderSpec:
    """Read ``provider:model``, such as ``ollama:nomic-embed-text``; built in where none is set."""
    if not chosen or chosen == "builtin":
        return EmbedderSpec()
    provider, separator, model = chosen.partition(":")
    if not (provider and separator and model):
        raise SettingsError(
            "GROUNDED_EMBEDDER is provider:model: openai:NAME or ollama:NAME with "
            "GROUNDED_EMBEDDER_URL, sentence-transformers:FOLDER_OR_NAME, or builtin"
        )
    return EmbedderSpec(
        provider=provider, model=model, url=os.environ.get("GROUNDED_EMBEDDER_URL") or None
    )


def chosen_embedder(settings: Settings) -> Embedder:
    """Return the model that embeds; its key goes to the home's secrets, where servers find it."""
    key: object = os.environ.get("GROUNDED_EMBEDDER_KEY") or dlt.secrets.get("embedder.key")
    text = None if key is None or settings.embedder.provider == "builtin" else str(key)
    keep_key(settings.home, text)
    return make_embedder(settings.embedder, text)


def _days(variable: str) -> int | None:
    text = os.environ.get(variable)
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(f"{variable} is a whole number of days, at least 1, such as 90")
    return int(text)


def prepare_environment(settings: Settings) -> None:
    """Hand dbt and Dagster their folders, dbt and ingestion their keys: as they take them."""
    os.environ["GROUNDED_HOME"] = str(settings.home)
    os.environ["DAGSTER_HOME"] = str(settings.home / "dagster")
    os.environ["DO_NOT_TRACK"] = "1"
    # What a run plans is stored in one transaction, and not in one for each asset and check.
    os.environ["DAGSTER_EVENT_BATCH_SIZE"] = "1000"
    key = privacy_key(settings)
    _claim(settings.home, key)
    os.environ[_DBT_KEY_VARIABLE] = key
    # Ingestion keeps the erased out by a key of its own, which opens no pseudonym.
    os.environ[KEY_VARIABLE_OF_ERASURE] = derived_key(key)


@contextmanager
def comparing_in_full() -> Iterator[None]:
    """Let keyed models compare all they hold; dbt's macros read the environment while they run."""
    os.environ[_COMPARE_VARIABLE] = "1"
    try:
        yield
    finally:
        del os.environ[_COMPARE_VARIABLE]


def privacy_key(settings: Settings) -> str:
    """Return the key of pseudonyms; SettingsError where it is missing or can be guessed."""
    key = _set_key(settings)
    if key is None:
        return demo_key(settings.home)
    return _strong(KEY_VARIABLE, key)


def uses_demo_key(settings: Settings) -> bool:
    """Say whether the key is the demo's own, because all sources are the demo's and none is set."""
    return _set_key(settings) is None


def retired_privacy_key() -> str | None:
    """Return the key that a rotation replaces, where it is given."""
    key: object = os.environ.get(OLD_KEY_VARIABLE) or dlt.secrets.get("privacy.key_old")
    return None if key is None else str(key)


def _set_key(settings: Settings) -> str | None:
    key: object = os.environ.get(KEY_VARIABLE) or dlt.secrets.get("privacy.key")
    if key is None and settings.is_demo:
        return None
    return "" if key is None else str(key)


def _strong(variable: str, key: str) -> str:
    problem = weakness(key)
    if problem:
        raise SettingsError(
            f"{variable} {problem}; pseudonyms need a secret of at least {MIN_KEY_LENGTH} "
            "characters, for example from `openssl rand -hex 32`"
        )
    return key


def _claim(home: Path, key: str) -> None:
    """Refuse a key that is not the one of what is published: its pseudonyms would not join."""
    recorded = recorded_id(home)
    if recorded not in (None, key_id(key)) and read_pointer(home) is not None:
        raise SettingsError(
            f"{KEY_VARIABLE} is not the key that the published pseudonyms are made with; set it "
            "to that key, or type `grounded privacy rotate-key` to change over to this one"
        )
    record_id(home, key_id(key))
