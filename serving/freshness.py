"""How old a view is against its declared limits, and what that means for an answer; pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from serving.catalog import CatalogView
from serving.envelope import Freshness, FreshnessStatus
from serving.errors import StaleData

# A source's clock may run ahead of ours by this much before its watermark tells nothing.
CLOCK_SKEW_S = 300.0


def assess(view: CatalogView, now: datetime) -> Freshness:
    """The age of one view in seconds and its status; a view exactly at its limit is fresh."""
    limit = view.warn_after_s if view.warn_after_s is not None else view.error_after_s
    if view.data_as_of is None:
        return _told(view, None, limit, "unknown")
    age = (now - view.data_as_of).total_seconds()
    known = limit is not None and age >= -CLOCK_SKEW_S
    stale = limit is not None and age > limit
    status: FreshnessStatus = "stale" if stale else "fresh" if known else "unknown"
    return _told(view, max(int(age * 1_000), 0) / 1_000, limit, status)


def _told(
    view: CatalogView, age_s: float | None, limit_s: float | None, status: FreshnessStatus
) -> Freshness:
    return Freshness.unchecked(
        {
            "table": view.name,
            "data_as_of": view.data_as_of,
            "age_s": age_s,
            "limit_s": limit_s,
            "status": status,
        }
    )


def warning(view: CatalogView, freshness: Freshness) -> str | None:
    """A sentence for the reader of a stale view, or of one whose age should be known; else None."""
    if freshness.status == "stale" and freshness.age_s is not None:
        allowed = "" if freshness.limit_s is None else f" (limit {in_words(freshness.limit_s)})"
        return f"{view.name} is {in_words(freshness.age_s)} old{allowed}{_behind(view)}"
    if freshness.status == "unknown" and freshness.limit_s is not None:
        return f"the age of {view.name} is not known{_behind(view)}"
    return None


def enforce(view: CatalogView, freshness: Freshness) -> None:
    """Raise StaleData where the view's ``on_stale`` does not allow an answer of this age.

    ``refuse`` also refuses an unknown age: its owner asked for proof, and there is none.
    """
    if view.on_stale == "refuse" and too_old(view, freshness):
        raise StaleData(
            f"{warning(view, freshness)}; it is not answered from when this old: "
            "ask again after the next load",
            table=view.name,
        )


def in_words(seconds: float) -> str:
    """A length of time as a person says it: ``45 s``, ``12 min``, ``3 h``, ``2 d``."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{_trimmed(seconds / size)} {unit}"
    return f"{_trimmed(seconds)} s"


def stale_tables(freshness: Iterable[Freshness]) -> list[str]:
    """The names of those that are stale."""
    return [one.table for one in freshness if one.status == "stale"]


def worst(freshness: Sequence[Freshness]) -> FreshnessStatus | None:
    """The status that tells most of an answer's views: stale, then unknown, then fresh."""
    if len(freshness) == 1:
        return freshness[0].status
    found = {one.status for one in freshness}
    if len(found) > 1:
        return "stale" if "stale" in found else "unknown"
    return found.pop() if found else None


def too_old(view: CatalogView, freshness: Freshness) -> bool:
    """Whether a view is past the age from which its policy applies."""
    limit = view.error_after_s if view.error_after_s is not None else view.warn_after_s
    if limit is None:
        return False
    if freshness.age_s is None or freshness.status == "unknown":
        return True
    return freshness.age_s > limit


def _behind(view: CatalogView) -> str:
    """Names the source that holds the view back: its oldest, or one that was never loaded."""
    missing = [table.table for table in view.sources if table.watermark is None]
    if missing:
        return f"; {missing[0]} has no watermark"
    oldest = min(
        ((table.watermark, table.table) for table in view.sources if table.watermark is not None),
        default=None,
    )
    if oldest is None:
        return ""
    source = oldest[1].split(".", 1)[0]
    return f"; {source} is complete up to {oldest[0]:%Y-%m-%d %H:%M} UTC"


def _trimmed(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
