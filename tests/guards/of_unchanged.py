"""The guards of what does not change: rows that come again, and the words of views.

With them that of a follower, which no longer takes rows read for news.
"""

from tests.guards.guard import Guard

_ROWS = "tests/ingestion/test_unchanged_rows.py::test_"
_FOLLOWED = "tests/orchestration/test_told_of_a_cycle.py::test_"

UNCHANGED = [
    Guard(
        "a row that comes unchanged stays",
        "ingestion/unchanged.py",
        "if not table.get(UNCHANGED_STAY):",
        "if True:",
        (f"{_ROWS}rows_that_are_read_again_stay_as_they_are_and_only_what_differs_is_written",),
    ),
    Guard(
        "unchanged is a key of which every version is raw's",
        "ingestion/unchanged.py",
        "having bool_and(",
        "having bool_or(",
        (f"{_ROWS}of_two_versions_of_a_row_the_later_one_stays_whichever_raw_has",),
    ),
    Guard(
        "unchanged is told by all columns",
        "ingestion/unchanged.py",
        "if column not in key\n",
        "if column not in key and column != '\"name\"'\n",
        (f"{_ROWS}rows_that_are_read_again_stay_as_they_are_and_only_what_differs_is_written",),
    ),
    Guard(
        "NULL is unchanged beside NULL alone",
        "ingestion/unchanged.py",
        "is not distinct from",
        "=",
        (f"{_ROWS}after_any_changes_raw_has_every_value_and_a_new_stamp_on_what_changed_alone",),
    ),
    Guard(
        "a tombstone is no unchanged row",
        "ingestion/unchanged.py",
        'frozenset({"_dlt_id", LOAD_ID, LOADED_AT})',
        'frozenset({"_dlt_id", "_deleted_at", LOAD_ID, LOADED_AT})',
        (f"{_ROWS}a_key_that_comes_back_after_its_tombstone_is_written",),
    ),
    Guard(
        "rows of a load that never ended are written again",
        "ingestion/unchanged.py",
        "where status = 0)",
        "where status = 0) or true",
        (f"{_ROWS}rows_of_a_load_that_never_ended_are_written_again",),
    ),
    Guard(
        "a row for which one waits is written",
        "ingestion/load.py",
        "destination.awaited = awaited(held, spec, batch.source, existing)",
        "destination.awaited = {}",
        (f"{_ROWS}a_row_that_waits_is_let_go_by_one_that_is_as_it_was_before",),
    ),
    Guard(
        "what another process, or a load that failed, has loaded is followed",
        "orchestration/cycle.py",
        "return known == report.loads_before",
        "return True",
        (
            f"{_FOLLOWED}what_another_process_has_loaded_is_followed",
            f"{_FOLLOWED}what_a_load_brought_that_failed_at_its_end_is_followed",
        ),
    ),
    Guard(
        "a view keeps its words in the warehouse",
        "ingestion/warehouse.py",
        '_FORM = "v1.5.0"',
        '_FORM = "v1.0.0"',
        (
            "tests/ingestion/test_kept_warehouse.py::"
            "test_a_view_is_told_in_the_words_that_made_it_also_to_who_opens_the_warehouse_later",
        ),
    ),
    Guard(
        "a rewritten warehouse keeps its form",
        "ingestion/erasure/rewrite.py",
        "(storage_version '{_form(connection)}')",
        "(storage_version 'v1.5.0')",
        (
            "tests/privacy/test_forget_rewrite.py::"
            "test_a_warehouse_keeps_its_form_for_what_a_newer_one_would_not_take",
        ),
    ),
]
