"""What a process keeps that publishes again and again, so that each publish reads what is new.

publish(..., cycle=Cycle()) -> values and the last snapshot are kept -> publish(..., cycle=...)
"""

from collections.abc import Mapping
from pathlib import Path

from ingestion.report import LoadReport
from serving.declarations import Declarations
from serving.errors import NoSnapshot
from serving.leak_scan.kept_values import KeptValues
from serving.leak_scan.search_set import SearchSet
from serving.leak_scan.values import Held
from serving.privacy.proof import Proof
from serving.snapshot_store import current
from serving.verified import Verified


class Cycle:
    """The state between two publishes of one process and one home; not shared by threads.

    The first publish reads everything, as does one after ``restart``, after a failure, and after
    another process has published: what this one did not check itself it does not build on.
    """

    def __init__(self) -> None:
        self._values: KeptValues | None = None
        self._published: str | None = None
        self._searched_for: frozenset[str] = frozenset()
        self._loads: dict[str, int] = {}
        # What the last snapshot was proven by.
        self.proof: Proof | None = None

    def restart(self) -> None:
        """Forget all, personal values too."""
        self._values = self._published = self.proof = None

    def is_next_load(self, report: LoadReport) -> bool:
        """Whether raw has no load of the source between our last one and this one.

        There is one by another process, or by us where it failed after its rows had come.
        """
        known = self._loads.get(report.source)
        self._loads[report.source] = report.loads
        return known == report.loads_before

    def begin(
        self, home: Path, declarations: Declarations, keys: Mapping[str, bytes] | None
    ) -> Verified | None:
        """Return the snapshot that the last publish verified and searched.

        None where another one answers now, or where other values are looked for.
        """
        try:
            folder, catalog = current(home)
        except NoSnapshot:
            self.restart()
            return None
        is_ours = catalog.snapshot_id == self._published
        if not is_ours or self._values is None or not self._values.are_for(declarations, keys):
            self.restart()
            return None
        return Verified(folder, catalog)

    def values(
        self,
        warehouse: Path,
        declarations: Declarations,
        hold: Held,
        keys: Mapping[str, bytes] | None,
    ) -> SearchSet:
        """Return every value that is looked for; the caller holds the warehouse."""
        if self._values is None:
            self._values = KeptValues(declarations, keys)
        return self._values.read(warehouse, declarations, hold)

    def was_searched_for(self, values: SearchSet) -> bool:
        """Whether the last snapshot was searched for values of each column that there are now.

        The people of a source that is loaded for the first time may stand in any other's texts.
        """
        return values.origins <= self._searched_for

    def promoted(self, snapshot_id: str, proof: Proof, values: SearchSet) -> None:
        """Build on this snapshot, which was searched for these values, from now on."""
        self._published, self.proof, self._searched_for = snapshot_id, proof, values.origins
