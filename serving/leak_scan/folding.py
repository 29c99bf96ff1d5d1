"""Brings values and texts to one form, in which spelling, case and separators no longer differ.

text or bytes -> folded (lower case, no accents) -> squashed (letters and digits alone)

Searched is the squashed form; the folded one then tells whether a match is whole words.
"""

import re
import unicodedata
from functools import lru_cache

# Stands between two cells; the one separator that squashing keeps, so that no match spans cells.
CELL = b"\x1e"
CELL_TEXT = "\x1e"
SEPARATORS = bytes(code for code in range(128) if not chr(code).isalnum() and code != CELL[0])
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")
_SPACED = bytes(32 if code in SEPARATORS else code for code in range(256))
# Letters that Unicode does not take apart.
_BY_HAND = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "ı": "i"})
_CACHED_RUNS = 100_000


def folded(text: str) -> bytes:
    """Return a text in lower case without accents, as UTF-8; signs beyond ASCII become spaces."""
    return folded_utf8(text.encode("utf-8", "replace"))


def folded_utf8(data: bytes) -> bytes:
    """Return the same of UTF-8; what is none is read as Latin-1."""
    if not data.isascii():
        data = _BEYOND_ASCII.sub(_folded_run, data)
    return data.lower()


def folded_bytes(data: bytes) -> bytes:
    """Return bytes of no known encoding in ASCII's lower case; UTF-16 loses its zeros."""
    return data.translate(None, b"\0").lower()


def squashed(text: bytes) -> bytes:
    """Return what is folded without ASCII's separators; cells stay apart."""
    return text.translate(None, SEPARATORS)


def words(text: bytes) -> list[bytes]:
    """Return the runs of letters and digits of what is folded."""
    return text.translate(_SPACED).split()


def joined(cells: list[str]) -> str:
    """Return cells as one text with ``CELL`` between them."""
    text = CELL_TEXT.join(cells)
    if text.count(CELL_TEXT) != len(cells) - 1:
        text = CELL_TEXT.join(cell.replace(CELL_TEXT, " ") for cell in cells)
    return text


def _folded_run(found: re.Match[bytes]) -> bytes:
    try:
        run = found[0].decode()
    except UnicodeDecodeError:
        run = found[0].decode("latin-1")
    return _folded_letters(run).encode("utf-8", "replace")


@lru_cache(maxsize=_CACHED_RUNS)
def _folded_letters(run: str) -> str:
    taken_apart = unicodedata.normalize("NFKD", run).casefold().translate(_BY_HAND)
    return "".join(
        letter if letter.isalnum() or letter.isascii() else " "
        for letter in taken_apart
        if not unicodedata.combining(letter)
    )
