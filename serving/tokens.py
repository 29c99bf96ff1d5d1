"""Tokens: which agent a caller is; only their hashes are kept.

issue -> shown once; sha256 in <home>/secrets/tokens.json (0600) -> authenticate
"""

import hashlib
import hmac
import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from serving.errors import ServingError, Unauthenticated

PREFIX = "gnd_"
_LONGEST_TOKEN = 200


class StoredToken(BaseModel):
    """One issued token; its text is not among what is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    agent: str
    sha256: str
    created_at: datetime
    expires_at: datetime | None = None


class _TokenFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: list[StoredToken] = []


def issue(home: Path, agent: str, *, days: float | None = None) -> str:
    """Make a token for an agent and return it: the only time that its text exists."""
    token = PREFIX + secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    stored = StoredToken(
        id=secrets.token_hex(4),
        agent=agent,
        sha256=_digest(token),
        created_at=now,
        expires_at=None if days is None else now + timedelta(days=days),
    )
    with _locked(home):
        _write(home, [*_read(home), stored])
    return token


def authenticate(home: Path, token: str | None) -> str:
    """The agent that a token stands for; Unauthenticated for none, unknown and expired alike."""
    if not token or len(token) > _LONGEST_TOKEN:
        raise Unauthenticated(
            "send `Authorization: Bearer <token>`; `grounded token AGENT` makes one"
        )
    digest = _digest(token)
    now = datetime.now(UTC)
    found: str | None = None
    # All are compared, whichever matches, so that time tells nothing.
    for stored in _read(home):
        valid = stored.expires_at is None or now < stored.expires_at
        if hmac.compare_digest(stored.sha256, digest) and valid:
            found = stored.agent
    if found is None:
        raise Unauthenticated(
            "this token is not valid, or no longer; `grounded token AGENT` makes a new one"
        )
    return found


def revoke(home: Path, agent: str, *, token_id: str | None = None) -> int:
    """Take back all tokens of an agent, or one of them; returns how many."""
    with _locked(home):
        before = _read(home)
        kept = [
            stored
            for stored in before
            if stored.agent != agent or (token_id is not None and stored.id != token_id)
        ]
        _write(home, kept)
    return len(before) - len(kept)


def list_tokens(home: Path) -> list[StoredToken]:
    """What was issued and not taken back, oldest first."""
    return _read(home)


def _file(home: Path) -> Path:
    return home / "secrets" / "tokens.json"


def _locked(home: Path) -> FileLock:
    folder = _file(home).parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return FileLock(folder / "tokens.lock", mode=0o600)


def _read(home: Path) -> list[StoredToken]:
    try:
        raw = _file(home).read_bytes()
    except FileNotFoundError:
        return []
    try:
        return _TokenFile.model_validate_json(raw).tokens
    except ValidationError:
        # The cause would quote the file.
        raise ServingError(
            "secrets/tokens.json cannot be read; move it away and issue new tokens"
        ) from None


def _write(home: Path, tokens: list[StoredToken]) -> None:
    path = _file(home)
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(_TokenFile(tokens=tokens).model_dump_json(indent=2))
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
