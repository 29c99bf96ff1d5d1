"""How much a call that makes something out of nothing can grow.

``memory_limit`` and interrupts do not hold range(), repeat() and their like: one call reached
17 GB under a limit of 256 MB. So their size has to follow from the statement itself.
"""

import math
import re
from collections.abc import Callable
from typing import Any

MAX_LIST = 100_000
MAX_TABLE_ROWS = 1_000_000
MAX_TEXT = 10_000
MAX_COMPARED = 200

# The size of what these return follows from a cell or a list that is there already.
_MEASURES = frozenset(
    """
    len length array_length list_count json_array_length cardinality strlen char_length
    character_length length_grapheme dayofmonth days_in_month day month year week quarter hour
    minute second dayofweek dayofyear isodow
    """.split()
)
_MEASURED = 9_000
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
}
_ROUNDING: dict[str, Callable[[float], float]] = {
    "trunc": math.trunc,
    "floor": math.floor,
    "ceil": math.ceil,
    "ceiling": math.ceil,
    "round": round,
}
_TEMPORAL = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ", "INTERVAL"})
_TEMPORAL_TYPES = frozenset({"date", "timestamp", "timestamptz", "datetime"})
# A year of minutes is 525,600 rows; seconds only fit in about eleven days.
_STEP_UNITS = frozenset(
    f"to_{unit}"
    for unit in "minutes hours days weeks months quarters years decades centuries".split()
)
# Where the argument is that says how much is made.
_SIZED = {
    "repeat": 1,
    "lpad": 1,
    "rpad": 1,
    "list_resize": 1,
    "array_resize": 1,
    "to_base": 2,
    "equi_width_bins": 2,
    "bar": 3,
}
# Their time grows with the product of both lengths, and no interrupt stops them within a row.
_QUADRATIC = frozenset({"levenshtein", "editdist3", "damerau_levenshtein"})
_WIDE_FORMAT = re.compile(r"\d{4,}|\*|\{[^{}]*\{")

Interval = tuple[float, float]


def refusal(name: str, arguments: list[dict[str, Any]], *, as_table: bool) -> str | None:
    """Why this call may grow without bound and what to write instead; None if it cannot."""
    if name in ("range", "generate_series"):
        return _series(name, arguments, MAX_TABLE_ROWS if as_table else MAX_LIST)
    if name in _SIZED:
        return _size(name, arguments)
    if name in _QUADRATIC:
        return _distance(name, arguments)
    if name in ("printf", "format"):
        return _format(name, arguments)
    return None


def _series(name: str, arguments: list[dict[str, Any]], most: int) -> str | None:
    if len(arguments) == 3 and _steps_in_time(arguments[2]):
        return None
    if any(_is_temporal(argument) for argument in arguments):
        return f"{name}() over time needs a constant step of a minute or more, as `interval 1 day`"
    spans = [span(argument) for argument in arguments]
    if not spans or any(found is None for found in spans):
        return (
            f"{name}() needs bounds that can be known before it runs: constants, or "
            f"least(<expression>, {most})"
        )
    known = [found for found in spans if found is not None]
    start = known[0] if len(known) > 1 else (0.0, 0.0)
    stop = known[1] if len(known) > 1 else known[0]
    step = known[2] if len(known) > 2 else (1.0, 1.0)
    smallest_step = min(abs(step[0]), abs(step[1])) if step[0] * step[1] > 0 else 1.0
    widest = max(abs(stop[1] - start[0]), abs(start[1] - stop[0])) / max(smallest_step, 1.0)
    # Written so that a size that is not a number is refused as well.
    return None if widest <= most else f"{name}() makes at most {most} values"


def _size(name: str, arguments: list[dict[str, Any]]) -> str | None:
    position = _SIZED[name]
    if len(arguments) <= position:
        return None
    found = span(arguments[position])
    if found is None:
        return (
            f"{name}() needs a size that can be known before it runs: a constant, or "
            f"least(<expression>, {MAX_TEXT})"
        )
    if not max(abs(found[0]), abs(found[1])) <= MAX_TEXT:
        return f"{name}() makes at most {MAX_TEXT} characters or elements"
    if _grows(arguments[0]):
        return f"{name}() over another function that makes text longer is not allowed"
    return None


def _distance(name: str, arguments: list[dict[str, Any]]) -> str | None:
    if all(_longest(argument) <= MAX_COMPARED for argument in arguments):
        return None
    return (
        f"{name}() compares short texts alone: write {name}(left(a, {MAX_COMPARED}), "
        f"left(b, {MAX_COMPARED})), use jaro_winkler_similarity(), or the search tool"
    )


def _longest(node: dict[str, Any]) -> float:
    """How many characters a text can have, infinite if unknown."""
    constant = _constant(node)
    if isinstance(constant, str):
        return len(constant)
    if node.get("class") != "FUNCTION":
        return math.inf
    name, children = node["function_name"].lower(), node.get("children", [])
    if name in ("lower", "upper", "trim", "lcase", "ucase") and len(children) == 1:
        # An upper case can be three signs long.
        return 3 * _longest(children[0])
    place = {"left": 1, "substring": 2, "substr": 2}.get(name)
    size = span(children[place]) if place is not None and len(children) == place + 1 else None
    # left(text, -1) is all but one sign.
    return math.inf if size is None or size[0] < 0 else size[1]


def _grows(node: Any) -> bool:
    if isinstance(node, list):
        return any(_grows(item) for item in node)
    if not isinstance(node, dict):
        return False
    growing = ("repeat", "lpad", "rpad", "list_resize", "array_resize", "range", "generate_series")
    if str(node.get("function_name", "")).lower() in growing:
        return True
    return any(_grows(item) for item in node.values())


def _format(name: str, arguments: list[dict[str, Any]]) -> str | None:
    pattern = _constant(arguments[0]) if arguments else None
    if not isinstance(pattern, str):
        return f"{name}() needs its pattern as a constant text"
    if _WIDE_FORMAT.search(pattern):
        return f"{name}() with a width of four digits or more, or a width of its own, is refused"
    return None


def _constant(node: dict[str, Any]) -> Any:
    if node.get("class") != "CONSTANT" or node["value"]["is_null"]:
        return None
    return node["value"].get("value")


def _steps_in_time(node: dict[str, Any]) -> bool:
    """Whether this is a constant interval of a minute or more, such as ``interval 1 day``."""
    if node.get("class") == "CONSTANT":
        value = node["value"].get("value")
        return isinstance(value, dict) and _long_enough(value)
    if node.get("class") == "CAST":
        return node["cast_type"]["id"] == "INTERVAL" and _spelled_long(_constant(node["child"]))
    if node.get("class") != "FUNCTION" or len(node.get("children", [])) != 1:
        return False
    name = node["function_name"].lower()
    if name in ("-", "+"):
        return _steps_in_time(node.get("children", [])[0])
    amount = span(node.get("children", [])[0])
    if amount is None or amount[0] != amount[1]:
        return False
    return name in _STEP_UNITS and abs(amount[0]) >= 1


def _long_enough(value: dict[str, Any]) -> bool:
    micros = value.get("micros", value.get("msecs", 0))
    return any(value.get(part, 0) for part in ("months", "days")) or abs(micros) >= 60_000_000


def _spelled_long(text: Any) -> bool:
    pattern = r"-?[1-9]\d{0,5} ?(minute|hour|day|week|month|quarter|year|decade)s?"
    return isinstance(text, str) and re.fullmatch(pattern, text.strip().lower()) is not None


def _is_temporal(node: dict[str, Any]) -> bool:
    if node.get("class") != "CAST":
        return _steps_in_time(node)
    cast = node["cast_type"]
    name = str((cast.get("type_info") or {}).get("name", "")).lower()
    return cast["id"] in _TEMPORAL or name in _TEMPORAL_TYPES


def span(node: dict[str, Any]) -> Interval | None:
    """The lowest and highest value that a numeric expression can have; None if unknown."""
    kind = node.get("class")
    if kind == "CONSTANT":
        return _constant_span(node["value"])
    if kind == "CAST":
        return span(node["child"])
    if kind == "OPERATOR" and node["type"] == "OPERATOR_COALESCE":
        return _hull([span(child) for child in node.get("children", [])])
    if kind == "FUNCTION":
        return _call_span(node["function_name"].lower(), node.get("children", []))
    return None


def _constant_span(value: dict[str, Any]) -> Interval | None:
    number = value.get("value")
    if value["is_null"] or isinstance(number, bool) or not isinstance(number, int | float):
        return None
    scale = (value["type"].get("type_info") or {}).get("scale", 0)
    exact = float(number) / 10**scale if value["type"]["id"] == "DECIMAL" else float(number)
    return (exact, exact)


def _call_span(name: str, children: list[dict[str, Any]]) -> Interval | None:
    part = _constant(children[0]) if name in ("date_part", "datepart") and children else name
    if part in _MEASURES:
        return (0.0, float(_MEASURED))
    spans = [span(child) for child in children]
    known = [found for found in spans if found is not None]
    if name == "least":
        return _least(children, spans)
    if len(known) != len(spans) or not known:
        return None
    if name == "-" and len(known) == 1:
        return (-known[0][1], -known[0][0])
    if name == "greatest":
        return _hull(spans)
    if name in _ROUNDING and len(known) == 1 and all(map(math.isfinite, known[0])):
        return (float(_ROUNDING[name](known[0][0])), float(_ROUNDING[name](known[0][1])))
    if name in _ARITHMETIC and len(known) == 2:
        corners = [_ARITHMETIC[name](a, b) for a in known[0] for b in known[1]]
        return (min(corners), max(corners))
    if name in ("/", "//") and len(known) == 2 and known[1][0] >= 1:
        return (min(known[0][0], 0.0), max(known[0][1], 0.0))
    return None


def _least(children: list[dict[str, Any]], spans: list[Interval | None]) -> Interval | None:
    """least() leaves out NULLs, so only an argument that is never NULL caps it."""
    caps = [
        found
        for child, found in zip(children, spans, strict=True)
        if found is not None and _is_never_null(child)
    ]
    if not caps:
        return _hull(spans)
    whole = _hull(spans)
    return (whole[0] if whole else 0.0, min(found[1] for found in caps))


def _is_never_null(node: dict[str, Any]) -> bool:
    if node.get("class") == "CONSTANT":
        return not node["value"]["is_null"]
    if node.get("class") == "CAST":
        return not node["try_cast"] and _is_never_null(node["child"])
    is_plain = node.get("function_name") in (*_ARITHMETIC, *_ROUNDING)
    return is_plain and all(map(_is_never_null, node.get("children", [])))


def _hull(spans: list[Interval | None]) -> Interval | None:
    known = [found for found in spans if found is not None]
    if len(known) != len(spans) or not known:
        return None
    return (min(found[0] for found in known), max(found[1] for found in known))
