"""Changing over to another privacy key, on a real warehouse, interrupted on the way."""

import base64
import hashlib
import signal
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from orchestration import rotation
from orchestration.cli.progress import JsonProgress
from orchestration.dbt_plugin import Plugin, PrivacyKeyError, hmac_pads
from orchestration.errors import RotationError, SettingsError
from orchestration.resources import Settings, prepare_environment, read_settings
from orchestration.rotation import Rotation, rotate
from orchestration.run import rebuild
from serving.snapshot_store import current, snapshot_ids
from tests.grounded import environment as command_environment
from tests.grounded import warm
from tests.homes import environment_put_back
from tests.transform import raw_tables

# Of dagster-dbt, which calls what Dagster is about to drop; a command shows no such warning.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    # Two whole builds and four processes: 420 s were seen on a full machine.
    pytest.mark.timeout(900),
    pytest.mark.thorough,
]

# Before which a rotation is killed: what is done is on disk then, and not yet written down.
STEPS = ("_write", "record_id", "compare_pseudonyms", "withdraw")


def rotate_and_die(home: Path, step: str) -> int:
    """Rotate in a process of its own that is killed at a step; return its exit status."""
    entry = "tests.orchestration.rotate_and_die:main"
    return warm().run([str(home), step], command_environment(home), entry=entry).status


@pytest.fixture(scope="module")
def environment() -> Iterator[pytest.MonkeyPatch]:
    with environment_put_back() as patch:
        yield patch


@pytest.fixture(scope="module")
def published(
    environment: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """A home in which a snapshot was published with the demo's first key."""
    settings = read_settings(tmp_path_factory.mktemp("home"))
    raw_tables.create(settings.home / "warehouse.duckdb")
    assert rebuild(settings, JsonProgress()) == []
    return settings


def key_of(home: Path) -> str:
    """The demo's key as it is now."""
    return (home / "secrets/privacy_key").read_text()


def customer_keys(home: Path) -> set[str]:
    """The pseudonyms of all customers in the snapshot that answers."""
    folder, catalog = current(home)
    with duckdb.connect(
        str(folder / catalog.stores["agent_customers"].duckdb), read_only=True
    ) as connection:
        rows = connection.execute("select customer_key, email_key from agent_customers").fetchall()
    return {key for row in rows for key in row if key}


@pytest.fixture(scope="module")
def rotated(
    published: Settings, environment: pytest.MonkeyPatch
) -> tuple[str, set[str], set[str], Rotation]:
    """The old key, the pseudonyms before and after, and a rotation that was killed four times."""
    home, old = published.home, key_of(published.home)
    before = customer_keys(home)
    for step in STEPS:
        assert rotate_and_die(home, step) == -signal.SIGKILL, step
    assert (home / "secrets/rotation.json").exists()
    done = rotate(published, JsonProgress(), patience_s=5)
    return old, before, customer_keys(home), done


def test_no_pseudonym_of_the_old_key_is_left(
    published: Settings, rotated: tuple[str, set[str], set[str], Rotation]
) -> None:
    old, before, after, done = rotated
    assert before and after and not before & after
    assert key_of(published.home) != old
    assert done.old_pseudonyms >= len(before)
    assert snapshot_ids(published.home) == [done.snapshot_id]
    assert not (published.home / "secrets/rotation.json").exists()
    tails = [key.rpartition("_")[2].encode() for key in before]
    for path in (published.home / "published").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(tail in content for tail in tails), path.name


def test_the_old_key_opens_nothing_any_more(
    published: Settings,
    rotated: tuple[str, set[str], set[str], Rotation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = rotated[0]
    monkeypatch.setenv("GROUNDED_PRIVACY_KEY", old)
    with pytest.raises(SettingsError, match="rotate-key") as refused:
        prepare_environment(published)
    assert old not in str(refused.value)
    with pytest.raises(PrivacyKeyError, match="Start this process again"):
        Plugin("dbt_plugin", {"key": old, "home": str(published.home)})
    Plugin("dbt_plugin", {"key": key_of(published.home), "home": str(published.home)})


def test_the_key_that_is_in_use_is_no_new_key(
    published: Settings,
    rotated: tuple[str, set[str], set[str], Rotation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GROUNDED_PRIVACY_KEY", key_of(published.home))
    with pytest.raises(SettingsError, match="openssl rand -hex 32"):
        rotate(published, JsonProgress())


def test_neither_key_nor_a_hash_of_it_is_in_any_byte_outside_the_secrets(
    published: Settings, rotated: tuple[str, set[str], set[str], Rotation]
) -> None:
    needles = set()
    for key in (rotated[0], key_of(published.home)):
        raw = key.encode()
        digests = [
            hashlib.new(name, raw).digest()
            for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b")
        ]
        for secret in (raw, bytes.fromhex(key), *hmac_pads(key), *digests):
            needles |= {secret, secret.hex().encode(), base64.b64encode(secret).rstrip(b"=")}
    searched = [
        path
        for path in published.home.rglob("*")
        if path.is_file() and path.parent.name != "secrets"
    ]
    assert {"partial_parse.msgpack", "manifest.json", "warehouse.duckdb"} <= {
        path.name for path in searched
    }
    for path in searched:
        content = path.read_bytes()
        assert not any(needle in content for needle in needles), path.name
    # The control: the same search finds the key where it is.
    assert any(
        needle in (published.home / "secrets/privacy_key").read_bytes() for needle in needles
    )


def test_a_model_that_keeps_old_pseudonyms_stops_the_rotation(
    published: Settings,
    rotated: tuple[str, set[str], set[str], Rotation],
    environment: pytest.MonkeyPatch,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # What a build that changes nothing would be: the new snapshot has the old pseudonyms.
        patch.setattr(rotation, "_switch", lambda *_: None)
        with pytest.raises(RotationError, match="views/agent_customers.duckdb") as refused:
            rotate(published, JsonProgress())
    assert "nothing was deleted" in str(refused.value)
    assert len(snapshot_ids(published.home)) == 2
    assert rotate(published, JsonProgress(), patience_s=5).old_pseudonyms > 0
    assert len(snapshot_ids(published.home)) == 1
