"""The files about the privacy key in ``<home>/secrets``, readable by their owner alone.

privacy_key         the demo's own key; outside the demo the key is in the secret provider
privacy_key.id      of the key that pseudonyms here are made with; says nothing about the key
rotation.json       a rotation on its way
"""

import hmac
import os
import secrets
from pathlib import Path

from serving.snapshot_store import sync

_PURPOSE = b"grounded privacy key id v1"


def secrets_folder(home: Path) -> Path:
    """The folder of all secrets, made where it is missing."""
    folder = home / "secrets"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def key_id(key: str) -> str:
    """Return 16 hex digits that tell keys apart: an HMAC under the key itself."""
    return hmac.digest(key.encode(), _PURPOSE, "sha256").hex()[:16]


def recorded_id(home: Path) -> str | None:
    """Return the id of the key that pseudonyms here are made with, None before the first."""
    path = home / "secrets" / "privacy_key.id"
    return path.read_text(encoding="ascii") if path.is_file() else None


def record_id(home: Path, identity: str) -> None:
    """Say durably with which key pseudonyms here are made from now on."""
    if recorded_id(home) != identity:
        write_secret(secrets_folder(home) / "privacy_key.id", identity)


def demo_key(home: Path) -> str:
    """Return a random key for the demo's invented people, made once and kept beside their data."""
    path = home / "secrets" / "privacy_key"
    if not path.exists():
        write_secret(secrets_folder(home) / path.name, secrets.token_hex(32))
    return path.read_text(encoding="ascii")


def write_secret(path: Path, text: str) -> None:
    """Write a whole file or none of it, which only its owner can read."""
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync(path.parent)
