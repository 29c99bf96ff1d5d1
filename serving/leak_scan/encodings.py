"""Undoes the encodings in which a log or a document may hold a value: escapes, base64, hex.

bytes -> stretches around escapes, without these; each long token -> the bytes that it encodes
"""

import base64
import binascii
import re
from collections.abc import Iterator

from serving.leak_scan.folding import CELL

# Each alternative begins with one plain sign: so the engine skips to it.
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})|\\\\*u([0-9A-Fa-f]{4})|\\\\*x([0-9A-Fa-f]{2})")
# What of a value may stand on each side of an escape: the longest pattern with its separators.
_AROUND = 1024
_TOKEN_SIGNS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-"
_AS_RUNS = bytes(120 if code in _TOKEN_SIGNS else 32 for code in range(256))
# Twelve bytes: shorter ones are too short to be told from words.
_SHORTEST_TOKEN = 16
_RUN = b"x" * _SHORTEST_TOKEN
_HEX = re.compile(rb"[0-9A-Fa-f]+")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def unescaped(data: bytes) -> Iterator[tuple[int, bytes]]:
    r"""Yield what is around ``%40``, ``\u00e9`` and ``\xe9`` without these, and where it begins.

    A stretch ends where its cell does.
    """
    if b"%" not in data and b"\\" not in data:
        return
    begin = end = -1
    for found in _ESCAPE.finditer(data):
        is_apart = found.start() - _AROUND > end or CELL in data[end : found.start()]
        if end < 0 or is_apart:
            if end >= 0:
                yield begin, _ESCAPE.sub(_byte, data[begin:end])
            begin = max(0, found.start() - _AROUND)
            begin = max(begin, data.rfind(CELL, begin, found.start()) + 1)
        end = min(found.end() + _AROUND, len(data))
        cell = data.find(CELL, found.end(), end)
        end = end if cell < 0 else cell
    if end >= 0:
        yield begin, _ESCAPE.sub(_byte, data[begin:end])


def long_tokens(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield where each token begins that is long enough to encode a value, and the token."""
    runs = data.translate(_AS_RUNS)
    place = runs.find(_RUN)
    while place >= 0:
        end = runs.find(b" ", place + _SHORTEST_TOKEN)
        end = len(data) if end < 0 else end
        token = data[place:end]
        yield place, token
        if b"/" in token:
            # A slash is also what parts a path.
            start = place
            for part in token.split(b"/"):
                if len(part) >= _SHORTEST_TOKEN:
                    yield start, part
                start += len(part) + 1
        place = runs.find(_RUN, end)


def decoded(token: bytes) -> bytes:
    """Return what a token encodes in hex or base64; nothing where it is neither."""
    if _HEX.fullmatch(token):
        return binascii.unhexlify(token[: len(token) // 2 * 2])
    plain = token.translate(_URL_SAFE)
    try:
        return base64.b64decode(plain[: len(plain) // 4 * 4] + _rest(plain))
    except binascii.Error:
        return b""


def _rest(token: bytes) -> bytes:
    """Return the last group of a token of no whole groups, with its padding."""
    rest = token[len(token) // 4 * 4 :]
    return rest + b"=" * (4 - len(rest)) if len(rest) > 1 else b""


def _byte(found: re.Match[bytes]) -> bytes:
    code = int(found[1] or found[2] or found[3], 16)
    if not found[2]:
        plain = bytes([code])
    else:
        plain = chr(code).encode() if not 0xD800 <= code < 0xE000 else b" "
    return plain if plain != CELL else b" "
