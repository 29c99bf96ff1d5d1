"""The key of erasure marks: derived from the privacy key, so that it opens no pseudonym.

privacy key -> derived_key -> the secret ``erasure.key`` -> ErasureKey -> 128-bit marks

A mark cannot be made again under another key, because the value behind it is gone. So whoever
rotates the privacy key calls ``retire`` first: the derived key of the old one stays, readable by
its owner alone, for as long as the marks that it made.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dlt

from ingestion.erasure.relations import erasure_folder

KEY_SECRET = "erasure.key"
KEY_VARIABLE = "ERASURE__KEY"
MARK_LENGTH = 32
SEPARATOR = "\x1f"
_PURPOSE = b"grounded erasure marks v1"
_BLOCK = 64


@dataclass(frozen=True)
class ErasureKey:
    """Makes marks; ``key_id`` tells keys apart and says nothing about them."""

    secret: bytes = field(repr=False)

    @property
    def key_id(self) -> str:
        """Sixteen hex digits."""
        return hmac.digest(self.secret, b"key id", "sha256").hex()[:16]

    @property
    def pads(self) -> tuple[bytes, bytes]:
        """The inner and the outer padded key of HMAC-SHA256, for SQL."""
        block = self.secret.ljust(_BLOCK, b"\0")
        return bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block)

    def mark(self, domain: str, parts: Sequence[str]) -> str:
        """The mark of one normalised value, or of several together, in one domain."""
        message = SEPARATOR.join([domain, *parts]).encode("utf-8", "surrogatepass")
        return hmac.digest(self.secret, message, "sha256").hex()[:MARK_LENGTH]


def derived_key(privacy_key: str) -> str:
    """Return the erasure key of a privacy key, as 64 hex digits."""
    return hmac.digest(privacy_key.encode(), _PURPOSE, hashlib.sha256).hex()


def known_keys(home: Path) -> dict[str, ErasureKey]:
    """Return the retired keys and the present one by id; the present one is last."""
    found = [
        ErasureKey(bytes.fromhex(path.read_text(encoding="ascii")))
        for path in sorted(_retired_folder(home).glob("*.key"))
    ]
    present: object = dlt.secrets.get(KEY_SECRET)
    if present is not None:
        found.append(ErasureKey(bytes.fromhex(str(present))))
    # In the order of their last places, should a key have been retired and taken again.
    return dict(reversed({key.key_id: key for key in reversed(found)}.items()))


def retire(home: Path, privacy_key: str) -> None:
    """Keep what a privacy key's marks need before that key is replaced; nothing where none are."""
    if not erasure_folder(home).is_dir():
        return
    derived = derived_key(privacy_key)
    folder = _retired_folder(home)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{ErasureKey(bytes.fromhex(derived)).key_id}.key"
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(derived, encoding="ascii")
    fresh.replace(path)


def _retired_folder(home: Path) -> Path:
    return home / "secrets" / "erasure"
