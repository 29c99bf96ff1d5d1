"""Reads ``Retry-After``, in seconds or as an HTTP date."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds to wait; None where the server names none that can be read.

    A date is measured against the server's own ``Date``, so that a clock of ours that is an hour
    wrong makes no wait of an hour.
    """
    told = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}", told):
        return float(told)
    moment = http_date(told)
    if moment is None:
        return None
    return max(0.0, (moment - (http_date(headers.get("Date", "")) or now)).total_seconds())


def http_date(text: str) -> datetime | None:
    """Read an HTTP date, in UTC; None for anything else."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
