"""Rows as bytes: how many an answer has, and a hash by which two answers are compared; pure."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

import orjson
from pydantic_core import from_json

Packed = tuple[bytes, ...]


def packed(rows: Iterable[dict[str, Any]]) -> Packed:
    """The JSON of each row."""
    return tuple(map(orjson.dumps, rows))


def unpacked(rows: Sequence[bytes]) -> list[dict[str, Any]]:
    """The rows again, which nobody else has."""
    return [from_json(row) for row in rows]


def size(rows: Packed) -> int:
    """The bytes of all rows."""
    return sum(map(len, rows))


def digest(rows: Sequence[bytes]) -> str:
    """A hash of the rows in any order: a statement without ORDER BY may give them in another."""
    return sha256(b"\n".join(sorted(rows))).hexdigest()
