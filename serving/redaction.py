"""Masks personal patterns in what an agent sent before the audit log keeps it; pure.

Wider than the scan of published text: here a masked order number costs little, a kept one much.
"""

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

LONGEST_TEXT = 2_048
_WINDOW = 2 * LONGEST_TEXT
# Long enough for any one pattern, so that none is cut in half at the window's end.
_MARGIN = 320
_DEEPEST = 4
_MOST_ITEMS = 100
# A shorter one is no telephone number.
_LONG_NUMBER = 10**8

_PERSONAL = re.compile(
    r"(?P<email>\w[\w.+'-]{0,63}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6})"
    r"|(?P<secret>\bgnd_[\w-]{20,})"
    r"|(?P<iban>\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){3,7}(?:[ ]?[A-Z0-9]{1,3})?\b)"
    r"|(?P<number>(?<![\w-])[+(]?\d(?:[ ().\-/]{0,2}\d){8,18}(?![\w-]))"
)
# Names of tools, tables and columns, which most texts are: looked at in a tenth of the time.
_is_name = re.compile(r"(?!gnd_)[a-z_]{1,64}").fullmatch
# An instant is no telephone number, and replaying a call needs it.
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}(?:$|\D)")


def masked_arguments(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """What ``masked`` returns, or the arguments themselves where a look shows that it is them."""
    if len(arguments) > _MOST_ITEMS:
        return _masked_mapping(arguments, 0)
    for name, value in arguments.items():
        kind = type(value)
        is_plain = _is_name(value) if kind is str else (kind is int and -1 < value < _LONG_NUMBER)
        if not is_plain or type(name) is not str or not _is_name(name):
            return _masked_mapping(arguments, 0)
    return arguments


def masked(value: Any, depth: int = 0) -> Any:
    """The same JSON value with personal patterns replaced and long texts cut."""
    if isinstance(value, str):
        return masked_text(value)
    # A tuple of types: `bool | float` makes an object each time.
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if -_LONG_NUMBER < value < _LONG_NUMBER else masked_text(str(value))
    if depth >= _DEEPEST:
        return "[too deep]"
    if isinstance(value, Mapping):
        return _masked_mapping(value, depth)
    if isinstance(value, list | tuple):
        items = [masked(item, depth + 1) for item in value[:_MOST_ITEMS]]
        rest = len(value) - len(items)
        return [*items, f"[{rest} more]"] if rest else items
    return f"[{type(value).__name__}]"


def _masked_mapping(values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    return {
        key if type(key) is str and _is_name(key) else masked_text(str(key)): masked(
            item, depth + 1
        )
        for key, item in islice(values.items(), _MOST_ITEMS)
    }


def masked_text(text: str) -> str:
    """One text with its personal patterns as ``[email]``, ``[number]``, ...; at most 2 kB."""
    if _is_name(text):
        return text
    window = text[:_WINDOW]
    result = _PERSONAL.sub(_mark, window)
    if len(text) > _WINDOW:
        result = result[:-_MARGIN]
    if len(result) > LONGEST_TEXT or len(text) > _WINDOW:
        result = result[:LONGEST_TEXT] + "[cut]"
    return result


def _mark(match: re.Match[str]) -> str:
    if match.lastgroup == "number" and _INSTANT.match(match.group()):
        return match.group()
    return f"[{match.lastgroup}]"
