"""Repeats a load until its listings are at their end, each round durable.

load -> unfinished tables? -> load those, from where they stopped -> one report of all rounds
"""

from collections.abc import Callable, Iterator

from ingestion.errors import ListingChanged
from ingestion.report import HttpReport, LoadReport, TableReport

LISTING_TRIES = 3

LoadOnce = Callable[[list[str] | None], LoadReport]


def in_rounds(
    load_once: LoadOnce, tables: list[str] | None, told: Callable[[str], None]
) -> LoadReport:
    """Load ``tables`` (None: all) in as many rounds as they take, and report them as one.

    A round whose listing changed while it was read is repeated; the third time it is raised.
    """
    report = _one_round(load_once, tables, told)
    while report.unfinished:
        told(f"{', '.join(report.unfinished)}: a part is durable, reading on")
        report = _joined(report, _one_round(load_once, report.unfinished, told))
    return report


def _one_round(
    load_once: LoadOnce, tables: list[str] | None, told: Callable[[str], None]
) -> LoadReport:
    for _ in range(LISTING_TRIES - 1):
        try:
            return load_once(tables)
        except Exception as error:
            changed = next((e for e in _chain(error) if isinstance(e, ListingChanged)), None)
            if changed is None:
                raise
            told(f"{changed}; reading it again")
    return load_once(tables)


def _chain(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__


def _joined(first: LoadReport, then: LoadReport) -> LoadReport:
    tables = {name: _joined_table(first.tables[name], table) for name, table in then.tables.items()}
    return then.model_copy(
        update={
            "load_ids": [*first.load_ids, *then.load_ids],
            "loads_before": first.loads_before,
            "tables": first.tables | tables,
            "seconds": first.seconds + then.seconds,
            "alarms": [*first.alarms, *(told for told in then.alarms if told not in first.alarms)],
            "http": (first.http or HttpReport()).plus(then.http or HttpReport()),
        }
    )


def _joined_table(first: TableReport, then: TableReport) -> TableReport:
    return then.model_copy(
        update={
            "read": first.read + then.read,
            "changed": first.changed + then.changed,
            "quarantined": first.quarantined + then.quarantined,
        }
    )
