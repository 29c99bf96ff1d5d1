"""The guards against kills, full disks, clocks, lost logs, two at once and moving keys."""

from tests.guards.guard import Guard, guards_of

_KILLS = "tests/faults/test_kills_anywhere.py::test_two_hundred_kills_from_extraction_to"

_TWO_AT_ONCE = (
    "faults/test_two_at_once.py::test_two_runs_started_at_once_both_end_well_and_double_nothing"
)
_FULL_DISK = (
    "tests/faults/test_disk_full.py::"
    "test_a_publish_on_a_full_disk_leaves_the_old_snapshot_and_the_next_one_publishes"
)


_guard = guards_of("ingestion")


FAULTS = [
    _guard(
        "a merge is one transaction",
        "destination.py",
        "known.supports_transactions = True",
        "known.supports_transactions = False",
        "ingestion/test_destination.py::"
        "test_a_merge_that_fails_between_deletions_and_insertions_loses_no_row",
    ),
    _guard(
        "the slot moves after the load",
        "log_capture/capture.py",
        "        if self._positions:\n            noted",
        "        self.confirm()\n        if self._positions:\n            noted",
        "log_capture/test_slot.py::test_a_load_that_fails_leaves_the_slot_where_it_was",
    ),
    _guard(
        "the slot moves by another connection where one was cut",
        "log_capture/capture.py",
        "with suppress(psycopg.OperationalError):",
        "with suppress(ZeroDivisionError):",
        "log_capture/test_slot.py::"
        "test_the_slot_moves_although_the_connection_that_read_the_log_is_cut_meanwhile",
    ),
    _guard(
        "a commit that is visible and not durable is waited for",
        "log_capture/slot.py",
        "while flushed < written and",
        "while False and",
        "log_capture/test_slot.py::test_a_commit_that_is_not_durable_yet_is_waited_for",
    ),
    _guard(
        "a position is proved by its rows",
        "log_capture/positions.py",
        "(not is_straight and _came(connection, source, name, load_id))",
        "False",
        "faults/test_half_merged.py::"
        "test_a_value_that_the_log_does_not_tell_survives_a_load_that_died_half_merged",
    ),
    _guard(
        "rows without their quarantine prove nothing",
        "log_capture/positions.py",
        "_set_aside(connection, source, name, load_id) >= aside",
        "True",
        "log_capture/test_positions.py::"
        "test_rows_that_came_without_their_quarantine_prove_no_position",
    ),
    _guard(
        "a first load of several transactions proves nothing",
        "log_capture/positions.py",
        "not is_straight and _came",
        "_came",
        "log_capture/test_positions.py::"
        "test_some_rows_of_a_load_by_several_transactions_prove_no_position",
    ),
    _guard(
        "whole transactions alone",
        "log_capture/changes.py",
        "return Progress(self._last.end_lsn, False, self._last.committed_at)",
        "return Progress(upto, False, self._last.committed_at)",
        "log_capture/test_changes.py::test_a_long_log_is_loaded_in_rounds_that_are_each_durable",
    ),
    _guard(
        "a value that the log leaves out",
        "log_capture/fold.py",
        "resolved = [self._resolve(name) for name in alone]",
        "[self._resolve(name) for name in alone]; resolved = []",
        "log_capture/test_toast.py::test_an_unchanged_toasted_value_stays",
    ),
    _guard(
        "a gap of a slot that was dropped",
        "log_capture/plan.py",
        '        return f"slot {name} was dropped, and with it the changes since the last load"',
        "        return None",
        "log_capture/test_gaps.py::test_a_slot_that_was_dropped_is_made_again_and_the_gap_is_told",
        "faults/test_lost_log.py::test_a_lost_slot_is_told_and_the_gap_is_read_anew",
    ),
    _guard(
        "a slot made again by someone else",
        "log_capture/plan.py",
        "if slot.confirmed_lsn > held.lsn:",
        "if False:",
        "log_capture/test_gaps.py::test_a_slot_made_again_by_someone_else_is_a_gap",
    ),
    _guard(
        "chosen rows come with the log before them",
        "load.py",
        'spec.capture == "cursor":',
        'spec.capture == "cursor" or batch.selection:',
        "log_capture/test_chosen_rows.py::"
        "test_a_retry_by_key_takes_no_value_from_a_row_that_has_taken_its_key",
    ),
    _guard(
        "a chosen row comes once",
        "log_capture/fold.py",
        "            self._leave_out(without)\n",
        "            pass\n",
        "log_capture/test_chosen_rows.py::"
        "test_a_retry_by_key_takes_no_value_from_a_row_that_has_taken_its_key",
    ),
    _guard(
        "a row that moved while it waited is tried too",
        "retry.py",
        "PASSES = 3",
        "PASSES = 1",
        "log_capture/test_chosen_rows.py::"
        "test_a_retry_by_key_takes_no_value_from_a_row_that_has_taken_its_key",
    ),
    _guard(
        "a table that is read anew lets go of what waited and is gone",
        "log_capture/capture.py",
        "self._batch.whole.add(name)",
        "pass",
        "log_capture/test_chosen_rows.py::"
        "test_a_reload_while_keys_move_ends_in_what_the_source_holds",
    ),
    _guard(
        "a prepared transaction is found",
        "log_capture/open_transactions.py",
        "from pg_prepared_xacts",
        "from pg_prepared_xacts where false",
        "log_capture/test_open_transactions.py::"
        "test_a_transaction_that_is_prepared_is_told_with_the_statement_that_ends_it",
    ),
    _guard(
        "the wait for a slot is told",
        "log_capture/new_slot.py",
        'self.told(f"a new slot waits for {named}; {waited:,.0f} s so far")',
        "pass",
        "log_capture/test_open_transactions.py::"
        "test_a_first_load_tells_whom_it_waits_for_and_goes_on_when_that_ends",
    ),
    _guard(
        "the wait for a slot is bounded",
        "log_capture/new_slot.py",
        "if waited < WAIT_S:",
        "if True:",
        "log_capture/test_open_transactions.py::"
        "test_a_first_load_gives_up_on_a_transaction_that_does_not_end_and_leaves_no_slot",
    ),
    _guard(
        "no instant that our clock has not reached",
        "log_capture/capture.py",
        "until = min(progress.committed_at, self._batch.started_at)",
        "until = progress.committed_at",
        "log_capture/test_changes.py::"
        "test_a_part_of_the_log_is_held_up_to_no_instant_that_our_clock_has_not_reached",
    ),
    _guard(
        "the overlap",
        "cursor.py",
        "return highest - overlap",
        "return highest",
        "ingestion/test_sql_database.py::test_a_row_that_commits_late_is_not_lost",
    ),
    _guard(
        "a cursor in the future",
        "cursor.py",
        "seen = min(seen, present)\n    elif",
        "pass\n    elif",
        "faults/test_clock_skew.py::"
        "test_a_row_of_an_hour_ahead_hides_none_that_is_written_after_it",
    ),
    _guard(
        "rows without a cursor value",
        "sql_database.py",
        "sa.or_(column >= start, column.is_(None))",
        "column >= start",
        "ingestion/test_sql_database.py::test_a_row_without_a_cursor_value_is_read_every_time",
    ),
    _guard(
        "a type that changed",
        "load.py",
        '"data_type": "freeze"',
        '"data_type": "evolve"',
        "ingestion/test_sql_database.py::"
        "test_a_changed_type_fails_loudly_and_does_not_poison_later_loads",
    ),
    _guard(
        "memory for each column of a wide table",
        "load.py",
        "FOLDED_COLUMN_MB = 512, 1",
        "FOLDED_COLUMN_MB = 512, 0",
        "log_capture/test_types.py::test_a_change_of_a_table_of_fifteen_hundred_columns_arrives",
    ),
    _guard(
        "a raw table that was dropped",
        "lost_tables.py",
        "    if lost:\n",
        "    if False:\n",
        "ingestion/test_lost_raw_table.py::"
        "test_a_dropped_raw_table_comes_back_whole_with_the_new_changes",
    ),
    _guard(
        "a load that did not end",
        "load.py",
        "    if unfinished.exists():\n",
        "    if False:\n",
        "log_capture/test_positions.py::"
        "test_a_load_that_was_interrupted_before_its_folder_was_restored_costs_no_row",
    ),
    _guard(
        "a working folder that was wiped",
        "load.py",
        "    if is_new and warehouse_path(home).exists():\n",
        "    if False:\n",
        "log_capture/test_positions.py::test_a_working_folder_that_was_wiped_costs_no_row",
    ),
    _guard(
        "the shrink guard",
        "vanished.py",
        "if gone > live * allowed:",
        "if False:",
        "reconcile/test_reconciliation.py::"
        "test_a_whole_load_that_loses_more_than_its_share_is_refused_with_the_remedy",
        "files/test_file_changes.py::test_an_empty_folder_in_place_of_a_full_one_deletes_nothing",
    ),
    _guard(
        "the brake",
        "reconcile.py",
        "if extra <= rows * declared.max_delete_share:",
        "if True:",
        "reconcile/test_reconciliation.py::"
        "test_a_comparison_that_would_delete_too_much_deletes_nothing_but_mends_the_rest",
    ),
    _guard(
        "no value in quarantine",
        "quarantine.py",
        "payload=shape_of(row),",
        "payload=str(dict(row)),",
        "quarantine/test_quarantine.py::"
        "test_a_row_set_aside_is_told_by_its_shape_and_never_by_a_value",
    ),
    _guard(
        "a full disk is named",
        "faults.py",
        "if any(map(_is_full_disk, _chain(error))):",
        "if False:",
        "faults/test_disk_full.py::"
        "test_a_load_on_a_full_disk_fails_and_the_next_one_with_room_completes",
    ),
    Guard(
        "a full disk is named by a publish",
        "serving/full_disk.py",
        "if not _is_behind(error):",
        "if True:",
        (_FULL_DISK,),
    ),
    Guard(
        "a pointer is replaced whole",
        "serving/snapshot_store.py",
        'draft = path.with_name(f"{path.name}.new")',
        "draft = path",
        (_FULL_DISK,),
    ),
    Guard(
        "a publish that failed gives its room back",
        "serving/snapshot_build.py",
        "        discard(candidate)\n        raise\n",
        "        raise\n",
        (_FULL_DISK,),
    ),
    _guard(
        "one load of a source at a time",
        "load.py",
        'with FileLock(folder / f"{name}.lock"):',
        "if True:",
        _TWO_AT_ONCE,
    ),
    _guard(
        "one writer of the warehouse at a time",
        "warehouse.py",
        'FileLock(path.with_suffix(".lock"))',
        "FileLock(path.with_suffix(f\".{__import__('os').getpid()}\"))",
        _TWO_AT_ONCE,
    ),
    Guard(
        "an older snapshot replaces no newer one",
        "serving/snapshot.py",
        "if newest > candidate.snapshot_id:",
        "if False:",
        (
            "tests/publishing/test_snapshot_promotion.py::"
            "test_a_live_candidate_is_not_swept_and_an_older_one_cannot_replace_a_newer",
        ),
    ),
    _guard(
        "a gap of a slot that was lost",
        "log_capture/plan.py",
        "if slot.is_lost or slot.confirmed_lsn is None:",
        "if slot.confirmed_lsn is None:",
        "faults/test_lost_log.py::test_a_lost_slot_is_told_and_the_gap_is_read_anew",
    ),
    _guard(
        "an alarm before a slot is lost",
        "log_capture/slot.py",
        "ALARM_SHARE = 0.5",
        "ALARM_SHARE = 1.1",
        "log_capture/test_slot.py::test_an_alarm_comes_at_half_of_what_the_server_keeps",
    ),
    _guard(
        "a slot that a dead server could not move",
        "log_capture/capture.py",
        "except (psycopg.Error, CaptureRefused):",
        "except CaptureRefused:",
        "faults/test_server_killed.py::"
        "test_a_server_killed_after_its_log_was_read_costs_no_load_and_doubles_nothing",
    ),
    _guard(
        "a server that is gone is named",
        "faults.py",
        "(sa_exc.OperationalError, psycopg.OperationalError, adbc.OperationalError)",
        "(sa_exc.OperationalError,)",
        "faults/test_server_killed.py::"
        "test_a_server_killed_while_its_log_is_read_fails_the_load_and_the_next_completes",
    ),
    _guard(
        "since when a source fails",
        "failures.py",
        "since=before.since if before else datetime.now(UTC),",
        "since=datetime.now(UTC),",
        "ingestion/test_failures.py::"
        "test_a_failed_load_says_since_when_and_how_old_what_is_served_is",
    ),
]

# Not among them, for other guards mend what they let through: a slot that moves before the load,
# which raw's own position shows as a gap, so that the table is read anew; and a merge of several
# transactions, which the next load repeats, but for long values that no random kill has met.
IN_HUNDREDS_OF_KILLS = [
    Guard(
        "a position counts from when its rows came, under random kills",
        "ingestion/log_capture/positions.py",
        "is_whole = load_id in ended",
        "is_whole = True",
        (f"{_KILLS}_publishing_lose_and_double_nothing",),
    ),
    Guard(
        "a working folder that was wiped, under random kills",
        "ingestion/load.py",
        "    if is_new and warehouse_path(home).exists():\n",
        "    if False:\n",
        (f"{_KILLS}_publishing_lose_and_double_nothing",),
    ),
    Guard(
        "a load that did not end, under random kills",
        "ingestion/load.py",
        "    if unfinished.exists():\n",
        "    if False:\n",
        (f"{_KILLS}_publishing_lose_and_double_nothing",),
    ),
]
