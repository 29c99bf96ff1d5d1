"""Which values raw can hold, and what may be told of one that it cannot.

A value is described by its type and size alone: a description can be stored and shown.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# dlt writes an integer beyond 64 bits as text or fails the load, and NaN in JSON as NULL.
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1
_MAX_DEPTH = 200


def fault_of(value: object, depth: int = 0) -> str | None:
    """Say what keeps raw from holding a value as it is; None when nothing does."""
    if isinstance(value, str):
        return None if _is_unicode(value) else "text_not_unicode"
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return None if INTEGER_MIN <= value <= INTEGER_MAX else "integer_beyond_64_bits"
    if isinstance(value, float):
        return None if math.isfinite(value) else "finite_number"
    if depth > _MAX_DEPTH:
        return "nested_too_deep"
    if isinstance(value, Mapping):
        return _first_fault([*value.keys(), *value.values()], depth)
    if isinstance(value, list | tuple):
        return _first_fault(value, depth)
    return None


def shape_of(row: Mapping[str, Any]) -> str:
    """Return the names, types and sizes of a row's fields as JSON, without any value."""
    shapes = {_printable(str(name)): _shape(value) for name, value in row.items()}
    return json.dumps(shapes, ensure_ascii=False)


def key_text(parts: Sequence[object]) -> str:
    """Return a key as text: itself, or a JSON array of its texts where it has several columns."""
    texts = [_printable(str(part)) for part in parts]
    if len(texts) == 1:
        return texts[0]
    return json.dumps(texts, ensure_ascii=False, separators=(",", ":"))


def key_parts(text: str, columns: int) -> tuple[str, ...]:
    """Return the texts of a key's columns, as key_text joined them."""
    return (text,) if columns == 1 else tuple(json.loads(text))


def _first_fault(values: Iterable[object], depth: int) -> str | None:
    return next((told for value in values if (told := fault_of(value, depth + 1))), None)


def _shape(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return f"text of {len(value)}"
    if isinstance(value, bytes):
        return f"bytes of {len(value)}"
    if isinstance(value, Mapping):
        return f"object of {len(value)}"
    if isinstance(value, list | tuple):
        return f"array of {len(value)}"
    return type(value).__name__


def _is_unicode(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _printable(value: str) -> str:
    """A name or key that is not Unicode text is written with escapes; raw holds UTF-8 alone."""
    return value if _is_unicode(value) else value.encode("utf-8", "backslashreplace").decode()
