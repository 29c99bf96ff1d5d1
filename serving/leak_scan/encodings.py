"""Undoes the encodings in which a log or a document may hold a value: escapes, base64, hex.

text -> the same text without escapes; every long token -> the bytes that it encodes
"""

import base64
import binascii
import re
from collections.abc import Iterator

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})|\\+u([0-9A-Fa-f]{4})|\\+x([0-9A-Fa-f]{2})")
_ESCAPED_BYTES = re.compile(rb"%([0-9A-Fa-f]{2})|\\+u([0-9A-Fa-f]{4})|\\+x([0-9A-Fa-f]{2})")
# Twelve bytes: shorter ones are too short to be told from words.
_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{16,}")
_HEX = re.compile(r"[0-9A-Fa-f]+")
_URL_SAFE = str.maketrans("-_", "+/")


def unescaped(text: str) -> str | None:
    r"""Return a text without ``%40``, ``\u00e9`` and ``\xe9``; None where it has none."""
    if "%" not in text and "\\" not in text:
        return None
    plain = _ESCAPE.sub(_sign, text)
    if plain == text:
        return None
    # Percent-encoded UTF-8 comes out as one sign a byte.
    return re.sub(r"[\x80-\xff]{2,}", _as_utf8, plain)


def unescaped_bytes(data: bytes) -> bytes | None:
    """Return bytes without the same escapes; None where they have none."""
    if b"%" not in data and b"\\" not in data:
        return None
    plain = _ESCAPED_BYTES.sub(_byte, data)
    return None if plain == data else plain


def decoded_tokens(text: str) -> Iterator[tuple[int, bytes]]:
    """Yield where each long token begins and what it encodes in hex or base64."""
    for found in _TOKEN.finditer(text):
        token = found[0]
        yield found.start(), _decoded(token)
        if "/" in token:
            # A slash is also what parts a path.
            place = found.start()
            for part in token.split("/"):
                if len(part) >= 16:
                    yield place, _decoded(part)
                place += len(part) + 1


def _decoded(token: str) -> bytes:
    if _HEX.fullmatch(token):
        return bytes.fromhex(token[: len(token) // 2 * 2])
    plain = token.translate(_URL_SAFE)
    try:
        return base64.b64decode(plain[: len(plain) // 4 * 4] + _rest(plain))
    except binascii.Error:
        return b""


def _rest(token: str) -> str:
    """Return the last group of a token of no whole groups, with its padding."""
    rest = token[len(token) // 4 * 4 :]
    return rest + "=" * (4 - len(rest)) if len(rest) > 1 else ""


def _sign(found: re.Match[str]) -> str:
    code = int(found[1] or found[2] or found[3], 16)
    return chr(code) if not 0xD800 <= code < 0xE000 else " "


def _as_utf8(found: re.Match[str]) -> str:
    try:
        return found[0].encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return found[0]


def _byte(found: re.Match[bytes]) -> bytes:
    if found[2]:
        code = int(found[2], 16)
        return chr(code).encode("utf-8") if not 0xD800 <= code < 0xE000 else b" "
    return bytes([int(found[1] or found[3], 16)])
