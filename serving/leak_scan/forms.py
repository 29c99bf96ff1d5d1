"""The spellings in which one value may show, and whether a match of one is the value.

value -> forms (folded) -> squashed patterns -> match -> whole words?
"""

import re
import unicodedata
from collections.abc import Iterator

from serving.leak_scan.folding import CELL, SEPARATORS, folded, squashed, words
from serving.leak_scan.rules import digits

LONGEST = 200
# A number is written with and without its country: what is always there are its last digits.
PHONE_DIGITS = 9
_JOINED = 8
_WIDEST_GAP = 4
_MOST_NAME_WORDS = 4
_BOUNDARY = frozenset(SEPARATORS + CELL)
_ESCAPES = b"nrtbf"
_PHONE_GAP = re.compile(rb"[ ()./+\-]*")
_BEFORE_PHONE = 16
# The digits of an instant run on as a number's do: 2026-12-26 23 is one in Washington, and of a
# million numbers a hundred end as the seconds of some of a million instants, 30.000123+00. In bytes
# instants stand side by side, so that each may begin within what could be the last one's zone.
_INSTANT = re.compile(
    rb"(?=([0-9]{4}-[0-9]{2}-[0-9]{2}[ t][0-9]{2}:[0-9]{2}"
    rb"(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:[+-][0-9]{2}(?::?[0-9]{2})?)?))"
)
_LONGEST_INSTANT = 40
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


def forms(privacy: str, value: str, fold: bytes) -> Iterator[bytes]:
    """Yield the folded spellings of a value that is looked for inside texts; its own first."""
    if privacy == "phone":
        yield digits(fold)[-PHONE_DIGITS:]
        return
    yield fold
    if privacy == "name" and 1 < len(parts := words(fold)) <= _MOST_NAME_WORDS:
        yield b" ".join([parts[-1], *parts[:-1]])
    if value.isascii():
        return
    lower = value.lower()
    yield folded(unicodedata.normalize("NFC", lower).translate(_UMLAUTS))
    # In bytes of no known encoding nothing is folded but ASCII's case.
    for text in (lower, value):
        for form in ("NFC", "NFD"):
            yield unicodedata.normalize(form, text).encode("utf-8", "replace").lower()


def patterns(privacy: str, value: str, fold: bytes, squash: bytes) -> Iterator[bytes]:
    """Yield the squashed spellings of a value, its own first, as far as they are searched for."""
    if privacy in ("phone", "name") or not value.isascii():
        yield from (squashed(form)[:LONGEST] for form in forms(privacy, value, fold))
    else:
        yield squash[:LONGEST]


def whole_cells(privacy: str, fold: bytes) -> Iterator[bytes]:
    """Yield the squashed spellings of a value that is looked for as a whole cell."""
    squash = squashed(fold)
    yield squash
    if privacy == "birth_date" and len(squash) >= 8 and squash[:8].isdigit():
        year, month, day = squash[:4], squash[4:6], squash[6:8]
        whole = year + month + day
        yield from (whole, day + month + year, month + day + year)
        yield from (whole + end for end in (b"000000", b"t000000", b"t000000z", b"00000000"))


def street(fold: bytes) -> bytes | None:
    """Return an address without its numbers, squashed; None where that is too little to tell."""
    names = [word for word in words(fold) if word.isalpha() or not word.isascii()]
    joined = b"".join(names)
    return joined if len(names) > 1 and len(joined) >= _JOINED else None


def is_same_cell(fold: bytes, cell: bytes) -> bool:
    """Tell whether a cell that squashes to a value shows it: 123.45 is not the postcode 12345."""
    expected, found = words(fold), words(cell)
    return len(found) == 1 or len(expected) > 1 or not b"".join(expected).isdigit()


def is_whole(
    privacy: str, value: str, pattern: bytes, text: bytes, start: int, end: int, *, binary: bool
) -> bool:
    """Tell whether ``text[start:end]``, which squashes to a pattern, shows the value itself.

    In text it must be whole words; in bytes, where values lie side by side, it need not end where
    the value does.
    """
    span = text[start:end]
    if privacy == "phone":
        return _is_phone(digits(folded(value)), text, start, end)
    form = next(
        one for one in forms(privacy, value, folded(value)) if squashed(one)[:LONGEST] == pattern
    )
    expected, found = words(form), words(span)
    if len(span) > len(pattern) + _WIDEST_GAP * max(len(found), 1):
        return False
    if not pattern.isascii():
        return True
    spaced = len(pattern) == LONGEST or found == expected
    if not spaced and not (len(found) == 1 and len(pattern) >= _JOINED):
        return False
    if binary and spaced and len(pattern) >= _JOINED and not pattern.isdigit():
        return True
    return _ends_before(text, start) and _begins_after(text, end)


def _ends_before(text: bytes, start: int) -> bool:
    if start == 0 or text[start - 1] in _BOUNDARY:
        return True
    return start > 1 and text[start - 1] in _ESCAPES and text[start - 2 : start - 1] == b"\\"


def _begins_after(text: bytes, end: int) -> bool:
    return end >= len(text) or text[end] in _BOUNDARY


def _is_phone(number: bytes, text: bytes, start: int, end: int) -> bool:
    """Tell whether the digits that end here are this number's, however far back they begin."""
    if text[end : end + 1].isdigit() or _is_in_an_instant(text, start, end):
        return False
    before = text[max(0, start - _BEFORE_PHONE) : start]
    window = before + text[start:end]
    for begin in range(len(before), -1, -1):
        if begin and window[begin - 1 : begin].isdigit():
            continue
        if not window[begin : begin + 1].isdigit() and begin != len(before):
            continue
        written = window[begin:]
        if not _PHONE_GAP.fullmatch(re.sub(rb"[0-9]", b"", written)):
            return False
        is_bare = written.isdigit()
        sign = window[begin - 1 : begin] if begin else b""
        goes_on = text[end : end + 1].isalnum()
        # Of a million pseudonyms, `eml_3000019527f7...`, one begins with somebody's number.
        is_in_a_word = sign.isalnum() or (goes_on and sign in (b"", b"_"))
        if is_bare and is_in_a_word:
            return False
        if _same_number(number, digits(written.replace(b"(0)", b"")), is_bare=is_bare):
            return True
    return False


def _is_in_an_instant(text: bytes, start: int, end: int) -> bool:
    begin = max(0, start - _LONGEST_INSTANT)
    around = text[begin : end + _LONGEST_INSTANT]
    return any(
        begin + found.start(1) <= start and end <= begin + found.end(1)
        for found in _INSTANT.finditer(around)
    )


def _same_number(number: bytes, written: bytes, *, is_bare: bool) -> bool:
    """Compare without trunk and exit zeros; a bare run of digits must be all of the number."""
    significant = written.lstrip(b"0")
    if significant == number.lstrip(b"0"):
        return True
    fewest = PHONE_DIGITS if not is_bare or written[:1] == b"0" else PHONE_DIGITS + 1
    return len(significant) >= fewest and number.endswith(significant)
