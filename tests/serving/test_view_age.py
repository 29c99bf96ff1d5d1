from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from serving.catalog import CatalogView, SourceTable
from serving.declarations import Serve
from serving.errors import StaleData
from serving.freshness import CLOCK_SKEW_S, assess, enforce, in_words, warning

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def view(age_s: float | None, on_stale: str = "warn", **limits: float | None) -> CatalogView:
    as_of = None if age_s is None else NOW - timedelta(seconds=age_s)
    fields = {"warn_after_s": 3_600.0, "error_after_s": 86_400.0, **limits}
    return CatalogView.model_validate(
        {
            "name": "agent_orders",
            "description": "",
            "columns": [],
            "key": "order_id",
            "on_stale": on_stale,
            "data_as_of": as_of,
            "sources": [SourceTable(table="shop.orders", watermark=as_of, load_id=None)],
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("age_s", "status"),
    [
        (0, "fresh"),
        (3_600, "fresh"),
        (3_600.001, "stale"),
        (None, "unknown"),
        (-CLOCK_SKEW_S, "fresh"),
        (-CLOCK_SKEW_S - 1, "unknown"),
    ],
)
def test_a_view_is_stale_only_past_its_limit(age_s: float | None, status: str) -> None:
    assert assess(view(age_s), NOW).status == status


def test_an_age_is_never_negative() -> None:
    assert assess(view(-60), NOW).age_s == 0


def test_a_view_without_a_limit_is_of_unknown_freshness_but_known_age() -> None:
    found = assess(view(60, warn_after_s=None, error_after_s=None), NOW)
    assert (found.status, found.age_s, found.limit_s) == ("unknown", 60, None)


def test_an_error_limit_alone_is_the_limit() -> None:
    assert assess(view(60, warn_after_s=None, error_after_s=30), NOW).status == "stale"


def test_a_stale_view_is_told_with_its_age_and_the_source_behind() -> None:
    old = view(3 * 3_600)
    told = warning(old, assess(old, NOW))
    assert told == (
        "agent_orders is 3 h old (limit 1 h); shop is complete up to 2026-03-01 09:00 UTC"
    )


def test_a_fresh_view_has_no_warning() -> None:
    fresh = view(1)
    assert warning(fresh, assess(fresh, NOW)) is None


def test_an_unknown_age_names_the_table_without_a_watermark() -> None:
    unknown = view(None)
    told = warning(unknown, assess(unknown, NOW))
    assert told == "the age of agent_orders is not known; shop.orders has no watermark"


@pytest.mark.parametrize(
    ("on_stale", "age_s", "is_refused"),
    [
        ("warn", 10**6, False),
        ("refuse", 86_400, False),
        ("refuse", 86_401, True),
        ("refuse", None, True),
    ],
)
def test_only_the_declared_policy_refuses(
    on_stale: str, age_s: float | None, is_refused: bool
) -> None:
    aged = view(age_s, on_stale)
    if is_refused:
        with pytest.raises(StaleData):
            enforce(aged, assess(aged, NOW))
    else:
        enforce(aged, assess(aged, NOW))


def test_a_read_from_the_source_is_refused_where_it_is_declared() -> None:
    with pytest.raises(ValidationError, match="not available yet; declare `warn`"):
        Serve.model_validate({"key": "order_id", "on_stale": "source"})


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.94, "59.9 s"), (60, "1 min"), (5_400, "1.5 h"), (172_800, "2 d")],
)
def test_a_length_of_time_is_told_in_one_unit(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
