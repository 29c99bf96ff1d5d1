"""What a process keeps that runs the pipeline again and again: all that no change of data changes.

project's files -> definitions, dbt's manifest, proof, jobs -> a run of the chosen assets in process

Every run is a run of the Dagster instance, with its events, checks and failures.
"""

import gc
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import dagster as dg

from ingestion.spec import RestApiSource
from ingestion.warehouse import KeptOpen, writing
from orchestration import dbt_runner
from orchestration.cycle import Cycle
from orchestration.dbt_models import LOADED, made_masks, not_loaded
from orchestration.definitions import build_definitions
from orchestration.ingestion_assets import NEW
from orchestration.kept import Kept
from orchestration.manifest import newest_file, read_manifest
from orchestration.proving import prove_built
from orchestration.resources import Settings, chosen_embedder
from orchestration.run import LOGGER, failures_of, has_published
from orchestration.run_log import Progress, progress_logger
from orchestration.serving_assets import SNAPSHOT
from serving.snapshot_store import read_pointer

_OF_DBT = ("staging", "marts", "agents")
_AROUND = "orchestrator"
FOLLOWED = {"grounded/followed": "true"}
_KEPT_RUNS = 500
_LOOK_S = 1.0
_GARBAGE_EACH = 20_000
# How long nothing may be told of a view that no change has reached, and of checks that pass.
_TELL_ALL_S = 30.0
_DOWNSTREAM = (*_OF_DBT, "serving")


@dataclass(frozen=True)
class Ended:
    """How one run ended: a line for each failure, and whether something was published.

    ``changed`` are the raw tables (``source/table``) that may have what nobody has followed yet;
    ``seconds`` are those of each step of the run, and of the orchestrator around them.
    """

    failures: list[str]
    published: bool
    changed: frozenset[str] = frozenset()
    seconds: dict[str, float] = field(default_factory=dict)


class Warm:
    """The pipeline of one home, kept between runs; used by one thread."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, progress: Progress):
        self._settings, self._instance = settings, instance
        self._loggers = {LOGGER: progress_logger(progress)}
        self._cycle = Cycle()
        self._warehouse = KeptOpen(settings.home)
        self._project = self._newest = self._next_look = self._told_all = 0.0
        self._in_full: dg.Definitions | None = None
        self._kept: dg.Definitions | None = None
        self._staged: list[dg.AssetKey] = []
        # Whether each load since the last build has ended well.
        self._are_loads_whole = False
        self._missing: set[str] = set()
        self._jobs: dict[tuple[bool, bool, frozenset[dg.AssetKey]], dg.JobDefinition] = {}
        # A cycle makes and drops a million objects: Python's own 700 looks 60 times for garbage.
        gc.set_threshold(_GARBAGE_EACH, 10, 10)

    @property
    def snapshot_id(self) -> str | None:
        """The snapshot that answers now."""
        pointer = read_pointer(self._settings.home)
        return pointer.snapshot_id if pointer else None

    @property
    def has_changed(self) -> bool:
        """Whether the project's files changed since the last run in full; looked each second."""
        if time.monotonic() >= self._next_look:
            self._newest = newest_file()
            self._next_look = time.monotonic() + _LOOK_S
        return self._newest != self._project

    def load(self, sources: Collection[str]) -> Ended:
        """Load sources alone."""
        if any(isinstance(self._settings.sources[name], RestApiSource) for name in sources):
            # It may be minutes before all pages are there.
            self.rest()
        raw = dg.AssetSelection.key_prefixes(*([name] for name in sorted(sources)))
        ended = self._run(self._definitions(), raw, with_checks=self._is_all_due)
        self._are_loads_whole &= not ended.failures
        return ended

    def run_in_full(self) -> Ended:
        """Build all models with all tests, publish, and search the whole snapshot for leaks."""
        self.rest()
        gc.unfreeze()
        self._project = self._newest = newest_file()
        self._in_full = self._kept = None
        self._jobs.clear()
        self._cycle.restart()
        downstream = dg.AssetSelection.groups(*_DOWNSTREAM)
        ended = self._run(self._definitions(), downstream, with_checks=True)
        if ended.published:
            self._are_loads_whole = True
            self._kept = self._keep()
            # What was parsed must be what was built and proven.
            self._newest = newest_file()
            # To look for garbage among all that is kept takes 0.4 s, once in a few cycles.
            gc.collect()
            gc.freeze()
            # The next full look comes once a quarter of what this one finds has come: soon.
            gc.collect()
        forget_runs(self._instance)
        return ended

    def follow(self, tables: Collection[str]) -> Ended:
        """Bring what is made of these raw tables (``source/table``) up to date, and publish.

        What has been loaded for the first time has no models yet: those are built before.
        """
        assert self._kept is not None, "nothing is kept before a run in full"
        if first := self._missing.intersection(tables):
            built = self._build_first(first)
            if built.failures:
                return built
            if self.has_changed:
                return self.run_in_full()
        self._warehouse.take()
        raw = dg.AssetSelection.keys(*tables)
        made = raw.downstream() - raw
        # Views over raw tables are as they were; what is kept as a table has to follow.
        unchanged = dg.AssetSelection.groups("staging") - dg.AssetSelection.keys(*self._staged)
        told: dg.AssetSelection = dg.AssetSelection.assets(SNAPSHOT)
        is_all_due = self._is_all_due
        if is_all_due:
            self._told_all = time.monotonic()
            told = dg.AssetSelection.groups("serving")
        names = ",".join(sorted(table.replace("/", ".", 1) for table in tables))
        ended = self._run(
            self._kept,
            (made - unchanged) | told,
            with_checks=is_all_due,
            tags={LOADED: names} if self._are_loads_whole and names else {},
        )
        self._are_loads_whole |= not ended.failures
        return ended

    def _build_first(self, tables: Collection[str]) -> Ended:
        """Build what is made of raw tables that no model has read, with its tests, and keep it.

        A run in full would build, publish and search all that is there, 40 s for 1,000,000 rows.
        The publish after this searches all where the tables bring the first values of a column.
        """
        self.rest()
        raw = dg.AssetSelection.keys(*tables)
        made = (raw.downstream() - raw) & dg.AssetSelection.groups(*_OF_DBT)
        ended = self._run(self._definitions(), made, with_checks=True)
        if not ended.failures:
            self._jobs.clear()
            self._kept = self._keep()
            self._next_look = 0.0
        return ended

    @property
    def _is_all_due(self) -> bool:
        """Whether to tell of what no change has reached, and of each check.

        Every publish takes all views along and makes every check, and what stops it is told at
        once.
        """
        return time.monotonic() >= self._told_all + _TELL_ALL_S

    def rest(self) -> None:
        """Leave the warehouse to others until there is something to follow."""
        self._warehouse.let_go()

    def give_way(self) -> None:
        """Leave the warehouse to whoever waits for it."""
        self._warehouse.give_way()

    def _definitions(self) -> dg.Definitions:
        if self._in_full is None:
            self._in_full = build_definitions(
                self._settings, loggers=self._loggers, cycle=self._cycle
            )
        return self._in_full

    def _keep(self) -> dg.Definitions:
        proof = prove_built(self._settings)
        manifest = dbt_runner.parse(self._settings.dbt_build)
        declared = read_manifest(self._settings.dbt_compiled)
        self._staged = [
            dg.AssetKey([node["schema"], node["name"]])
            for node in declared["nodes"].values()
            if node["resource_type"] == "model"
            and node["schema"] == "staging"
            and node["config"]["materialized"] != "view"
        ]
        with writing(self._settings.home) as warehouse:
            missing = not_loaded(warehouse, declared)
            masks = made_masks(warehouse)
        self._missing = {name.replace(".", "/", 1) for name in missing}
        kept = Kept(
            manifest=manifest,
            declared=declared,
            proof=proof,
            masks=masks,
            embedder=chosen_embedder(self._settings),
        )
        return build_definitions(
            self._settings, loggers=self._loggers, cycle=self._cycle, kept=kept
        )

    def _run(
        self,
        definitions: dg.Definitions,
        selection: dg.AssetSelection,
        *,
        with_checks: bool,
        tags: Mapping[str, str] | None = None,
    ) -> Ended:
        graph = definitions.resolve_asset_graph()
        keys = frozenset(selection.resolve(graph) & graph.executable_asset_keys)
        known = (definitions is self._kept, with_checks, keys)
        if known not in self._jobs:
            whole = definitions.resolve_implicit_global_asset_job_def()
            checks = None if with_checks else set[dg.AssetCheckKey]()
            if with_checks and definitions is self._kept:
                checks = _own_checks(graph.asset_check_keys, keys)
            self._jobs[known] = whole.get_subset(
                asset_selection=set(keys), asset_check_selection=checks
            )
        began = time.monotonic()
        result = self._jobs[known].execute_in_process(
            run_config={"loggers": {LOGGER: {}}},
            tags={**FOLLOWED, **(tags or {})},
            instance=self._instance,
            raise_on_error=False,
        )
        seconds = _step_seconds(result)
        seconds[_AROUND] = time.monotonic() - began - sum(seconds.values())
        return Ended(failures_of(result), has_published(result), _changed(result), seconds)


def forget_runs(instance: dg.DagsterInstance, keep: int = _KEPT_RUNS) -> None:
    """Delete all but the newest of the runs that went well; a cycle stores 300 events."""
    went_well = dg.RunsFilter(tags=FOLLOWED, statuses=[dg.DagsterRunStatus.SUCCESS])
    for run_id in instance.get_run_ids(went_well)[keep:]:
        instance.delete_run(run_id)


def _own_checks(
    checks: Collection[dg.AssetCheckKey], keys: Collection[dg.AssetKey]
) -> set[dg.AssetCheckKey]:
    """The checks that are not dbt's: those a keyed model runs itself, on what changed in it."""
    return {
        check
        for check in checks
        if check.asset_key in keys and check.asset_key.path[0] not in _OF_DBT
    }


def _step_seconds(result: dg.ExecuteInProcessResult) -> dict[str, float]:
    return {
        str(event.step_key): event.step_success_data.duration_ms / 1000
        for event in result.all_events
        if event.is_step_success
    }


def _changed(result: dg.ExecuteInProcessResult) -> frozenset[str]:
    """The raw tables that a load has told to have news."""
    made = [
        event.step_materialization_data.materialization
        for event in result.all_events
        if event.is_step_materialization
    ]
    return frozenset(
        one.asset_key.to_user_string()
        for one in made
        if NEW in one.metadata and one.metadata[NEW].value
    )
