"""The guards of what agents ask: scope, sandbox, bounds, lookups, truth, audit, surfaces, cache."""

from tests.guards.guard import guards_of

_guard = guards_of("serving")


_SCOPE = [
    _guard(
        "a row filter's rows are in no file",
        "view_files.py",
        'rows.filter(agent.rows[view.name]).create_view("passed")',
        'rows.create_view("passed")',
        "publishing/test_snapshot_views.py::"
        "test_rows_that_fail_an_agents_filter_are_in_none_of_its_stores",
    ),
    _guard(
        "an agent's own views",
        "snapshot_build.py",
        "for view in agent.views}",
        "for view in stores}",
        "publishing/test_snapshot_views.py::test_an_agent_has_the_stores_of_its_own_views_alone",
    ),
    _guard(
        "suggestions among one's own",
        "reader.py",
        "{_nearest(table, self.views)}",
        "{_nearest(table, self.opened.catalog.views)}",
        "serving/test_agent.py::test_a_catalog_agent_learns_nothing_of_other_views",
    ),
    _guard(
        "a token's end",
        "tokens.py",
        " and stored.is_valid(now)",
        "",
        "serving/test_agent_tokens.py::test_an_expired_token_is_refused",
    ),
]
_HOSTILE = "sandbox/test_hostile_sql.py::test_a_hostile_statement_is_refused_before_it_runs"
_UNGATED = "sandbox/test_locked_engine.py::"
_LONG = "sandbox/test_long_statements.py::"
_SANDBOX = [
    _guard("functions by list", "sandbox/gate.py", " or name not in allowed:", ":", _HOSTILE),
    _guard(
        "functions that grow",
        "sandbox/gate.py",
        "problem = bounds.refusal(name, arguments, as_table=as_table)",
        "problem = None",
        _HOSTILE,
    ),
    _guard(
        "an engine without files",
        "sandbox/worker.py",
        'connection.execute("set enable_external_access = false")\n'
        "    connection.execute(\"set disabled_filesystems = 'LocalFileSystem'\")",
        "pass",
        f"{_UNGATED}test_an_ungated_statement_reaches_no_file_network_or_setting",
    ),
    _guard(
        "locked settings",
        "sandbox/worker.py",
        'connection.execute("set lock_configuration = true")',
        "pass",
        f"{_UNGATED}test_an_ungated_statement_reaches_no_file_network_or_setting",
    ),
    _guard(
        "an empty environment",
        "sandbox/process.py",
        "env={},",
        "env=None,",
        f"{_UNGATED}test_the_worker_has_no_environment_and_no_folder",
    ),
    _guard(
        "no written bytes",
        "sandbox/worker.py",
        "_limit(resource.RLIMIT_FSIZE, 0)",
        "pass",
        f"{_UNGATED}test_the_worker_is_limited_by_the_system",
    ),
    _guard(
        "declared memory",
        "sandbox/process.py",
        "if resident > self._most_memory:",
        "if False:",
        "sandbox/test_bombs.py::"
        "test_a_bomb_with_the_gate_off_stays_within_its_memory_and_harms_nobody",
    ),
    _guard(
        "a long statement's own priority",
        "sandbox/workers.py",
        "worker.step_back()\n        # Not",
        "# Not",
        f"{_LONG}test_a_worker_goes_on_after_a_long_statement_that_ends_by_itself",
    ),
    _guard(
        "the next worker's priority",
        "sandbox/workers.py",
        "if self._is_low:\n                worker.step_back()",
        "pass",
        f"{_LONG}test_after_a_long_statement_an_agents_workers_have_a_low_priority",
    ),
    _guard(
        "full priority after a while",
        "sandbox/workers.py",
        "(self._is_low or not worker.has_stepped_back)",
        "True",
        f"{_LONG}test_an_agent_that_asks_nothing_long_any_more_has_its_priority_again",
    ),
    _guard(
        "a long statement's successor",
        "sandbox/workers.py",
        "threading.Thread(target=self._start_successor, args=arguments, daemon=True).start()",
        "del arguments",
        f"{_LONG}test_the_next_statements_worker_gets_ready_before_a_long_one_ends",
    ),
    _guard(
        "a successor that cannot be started",
        "sandbox/workers.py",
        "threading.Thread(target=self._start_successor, args=arguments, daemon=True).start()",
        "self.start_ahead(*arguments)",
        f"{_LONG}test_a_long_statement_is_answered_also_where_no_successor_can_be_started",
    ),
]
_BOUNDS = [
    _guard(
        "calls a minute",
        "rates.py",
        "if counts.calls.sum(now) >= allowed.calls:",
        "if False:",
        "serving/test_call_window.py::test_the_window_slides_and_tells_when_to_return",
    ),
    _guard(
        "seconds a minute",
        "rates.py",
        "if counts.seconds.sum(now) >= allowed.seconds:",
        "if False:",
        "serving/test_call_window.py::test_seconds_that_statements_ran_are_used_up_and_come_back",
    ),
    _guard(
        "the same call in a row",
        "rates.py",
        "if repeats > allowed.identical:",
        "if False:",
        "serving/test_call_window.py::test_an_agent_in_a_loop_is_told_and_then_stopped",
    ),
    _guard(
        "agents in turns",
        "queueing.py",
        "line = min(ready, key=lambda one: one.served)",
        "line = ready[0]",
        "serving/test_fair_queue.py::test_a_crowd_of_one_agent_goes_in_turns_with_its_neighbours",
    ),
    _guard(
        "a dry run runs nothing",
        "reader.py",
        "        if dry_run:",
        "        if False:",
        "serving/test_agent.py::test_a_dry_run_tells_what_would_be_read_and_reads_nothing",
    ),
    _guard(
        "exact truncation",
        "reader.py",
        "wanted = min(most, limit or most) + 1",
        "wanted = min(most, limit or most)",
        "serving/test_agent.py::test_a_lookup_tells_exactly_what_it_left_out",
    ),
]
_AT_ONCE = (
    "publishing/test_lookup_store.py::"
    "test_keys_asked_at_once_find_what_each_finds_alone_in_their_order"
)
_LOOKUPS = [
    _guard("a text with NUL", "lookup_store.py", "_NUL not in (asked :=", "(asked :=", _AT_ONCE),
    _guard(
        "keys in their order",
        "lookup_store.py",
        "asked.value order by asked.key limit",
        "asked.value order by asked.value limit",
        _AT_ONCE,
    ),
    _guard(
        "hidden rows are told by leave alone",
        "reader.py",
        "if whole is None or not self.tells_hidden(view.name):",
        "if whole is None:",
        "serving/test_lookups.py::test_of_a_filtered_view_a_hidden_row_and_none_are_told_alike",
    ),
    _guard(
        "characters of what has parts",
        "row_json.py",
        "for column in view.columns) else 4",
        "for column in view.columns) else 1",
        "publishing/test_row_json.py::"
        "test_what_has_parts_has_no_more_characters_than_are_reckoned_with",
    ),
]
_POINTER = "serving/test_held_pointer.py::"
_TRUTH = [
    _guard(
        "a stale view is told",
        "freshness.py",
        "stale = limit is not None and age > limit",
        "stale = False",
        "serving/test_view_age.py::test_a_view_is_stale_only_past_its_limit",
    ),
    _guard(
        "a pin brings back nothing",
        "gateway.py",
        "own = _narrowed(_agent(earlier, agent), declared)",
        "own = _agent(earlier, agent)",
        "serving/test_agent.py::test_a_pin_does_not_bring_back_what_was_taken_from_an_agent",
    ),
    _guard(
        "a pointer that is replaced",
        "held_pointer.py",
        "return (found.st_ctime_ns, found.st_nlink) == self._seen",
        "return True",
        f"{_POINTER}test_a_change_is_seen",
        "serving/test_agent.py::test_a_publish_between_two_calls_shows_in_the_second",
    ),
    _guard(
        "a pointer that is replaced as it is opened",
        "held_pointer.py",
        "if found.st_nlink:",
        "if True:",
        f"{_POINTER}test_a_file_that_is_replaced_while_it_is_opened_is_not_the_one_that_is_held",
    ),
    _guard(
        "a damaged pointer",
        "opened.py",
        "self._pointer.let_go()\n                raise",
        "raise",
        f"{_POINTER}test_a_damaged_pointer_is_told_to_each_call_until_it_is_mended",
    ),
    _guard(
        "a snapshot that is read is kept",
        "opened.py",
        "fcntl.flock(descriptor, fcntl.LOCK_SH)",
        "pass",
        "serving/test_undisturbed_readers.py::"
        "test_retention_leaves_what_another_process_reads_until_that_has_died",
    ),
]
_AUDIT = [
    _guard(
        "every call is recorded",
        "gateway.py",
        "self._audit.append(_entry(call, outcome))",
        "pass",
        "serving/test_agent.py::test_every_call_is_recorded_before_its_answer_answered_or_refused",
    ),
    _guard(
        "what cannot be recorded does not leave",
        "gateway.py",
        'outcome = _refusal(call, InternalError("this call cannot be recorded; try again later"))',
        "pass",
        "serving/test_agent.py::test_an_answer_that_cannot_be_recorded_does_not_leave",
    ),
    _guard(
        "the chain",
        "chain.py",
        'elif record["prev"] != self.hash or record["seq"] != self.seq + 1:',
        "elif False:",
        "serving/test_audit_log.py::test_tampering_is_found",
    ),
    _guard(
        "one writer of the log at a time",
        "chain.py",
        "fcntl.flock(self._head_fd, fcntl.LOCK_EX)",
        "pass",
        "serving/test_audit_log.py::test_threads_and_processes_append_to_one_chain",
    ),
]
_SURFACES = [
    _guard(
        "Host",
        "http_checks.py",
        'if not self._allowed.permits_host(headers.get("host")):',
        "if False:",
        "serving/test_http_server.py::test_a_page_from_elsewhere_cannot_call",
    ),
    _guard(
        "Origin",
        "http_checks.py",
        'if not self._allowed.permits_origin(headers.get("origin")):',
        "if False:",
        "serving/test_http_server.py::test_a_page_from_elsewhere_cannot_call",
    ),
    _guard(
        "a body's size",
        "http_checks.py",
        "if len(body) > MOST_BODY_BYTES:",
        "if False:",
        "serving/test_http_server.py::test_a_body_without_a_length_is_cut_off_too",
    ),
    _guard(
        "no cause of a fault is told",
        "gateway.py",
        'return InternalError("this call failed inside; try again, or report it")',
        "return InternalError(str(error))",
        "serving/test_agent.py::test_a_fault_of_ours_is_told_without_its_cause",
    ),
]
_CACHE = [
    _guard(
        "by agent",
        "gateway.py",
        "agent=reader.agent.name,\n            tool",
        'agent="",\n            tool',
        "serving/test_answer_cache.py::test_another_argument_or_agent_is_a_miss",
    ),
    _guard(
        "by snapshot",
        "gateway.py",
        "snapshot_id=reader.opened.catalog.snapshot_id,\n            current="
        "current.catalog.snapshot_id,",
        'snapshot_id="",\n            current="",',
        "serving/test_answer_cache.py::test_a_publication_makes_the_next_call_a_miss_with_new_rows",
    ),
    _guard(
        "views that keep none",
        "cache.py",
        "views[name].is_cached for name",
        "True for name",
        "serving/test_answer_cache.py::"
        "test_nothing_is_kept_where_a_view_says_so_or_the_next_answer_may_differ",
    ),
]
SERVING = [
    *_SCOPE, *_SANDBOX, *_BOUNDS, *_LOOKUPS, *_TRUTH, *_AUDIT, *_SURFACES, *_CACHE
]  # fmt: skip
