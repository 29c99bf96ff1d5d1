"""Tokens: which agent a caller is; only their hashes are kept.

issue -> shown once; sha256 in <home>/secrets/tokens.json (0600) -> authenticate
"""

import hashlib
import hmac
import os
import secrets
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from serving.errors import ServingError, Unauthenticated

PREFIX = "gnd_"
_LONGEST_TOKEN = 200
_SETTLED_NS = 2_000_000_000
# What each home's file held when it was last read: a server asks at every call.
_KNOWN: dict[Path, tuple[tuple[int, int, int], list["StoredToken"]]] = {}


class StoredToken(BaseModel):
    """One issued token; its text is not among what is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    agent: str
    sha256: str
    created_at: datetime
    expires_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Whether it still opens anything."""
        return self.expires_at is None or now < self.expires_at


class _TokenFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: list[StoredToken] = []


def issue(home: Path, agent: str, *, lasts: timedelta | None = None) -> str:
    """Make a token for an agent and return it: the only time that its text exists."""
    token, stored = _made(agent, lasts)
    with _locked(home):
        _write(home, [*_read(home), stored])
    return token


def rotate(home: Path, agent: str, *, lasts: timedelta | None, grace: timedelta) -> str:
    """Make a token and let the agent's others end after ``grace``, if they do not before."""
    token, stored = _made(agent, lasts)
    last = stored.created_at + grace
    with _locked(home):
        kept = [
            one.model_copy(update={"expires_at": min(one.expires_at or last, last)})
            if one.agent == agent
            else one
            for one in _read(home)
        ]
        _write(home, [*kept, stored])
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
        if hmac.compare_digest(stored.sha256, digest) and stored.is_valid(now):
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


def _made(agent: str, lasts: timedelta | None) -> tuple[str, StoredToken]:
    token = PREFIX + secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    return token, StoredToken(
        id=secrets.token_hex(4),
        agent=agent,
        sha256=_digest(token),
        created_at=now,
        expires_at=None if lasts is None else now + lasts,
    )


def _file(home: Path) -> Path:
    return home / "secrets" / "tokens.json"


def _locked(home: Path) -> FileLock:
    folder = _file(home).parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return FileLock(folder / "tokens.lock", mode=0o600)


def _read(home: Path) -> list[StoredToken]:
    """What is stored; parsed again where the file is another, which each write makes it."""
    path = _file(home)
    try:
        stat = path.stat()
        stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        known = _KNOWN.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        found = _parsed(path.read_bytes())
    except FileNotFoundError:
        return []
    # One as young as this may be replaced by another that looks the same.
    if time.time_ns() - stat.st_mtime_ns > _SETTLED_NS:
        _KNOWN[path] = (stamp, found)
    return found


def _parsed(raw: bytes) -> list[StoredToken]:
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
