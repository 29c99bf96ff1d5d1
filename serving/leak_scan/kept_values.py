"""The search set of a process that publishes again and again: read once, then added to.

warehouse, loads that were not read before -> SearchSet
"""

from collections.abc import Mapping
from pathlib import Path

from serving.declarations import Declarations
from serving.leak_scan.loads import Loads
from serving.leak_scan.search_set import SearchSet
from serving.leak_scan.values import Held, personal_values


class KeptValues:
    """Every personal value that the sources had when they were last read.

    Values that they no longer have stay in it: it finds what was deleted too.
    """

    def __init__(self, declarations: Declarations, keys: Mapping[str, bytes] | None) -> None:
        self._sources = declarations.sources
        self._keys = dict(keys or {})
        self._loads = Loads()
        self._search: SearchSet | None = None

    def are_for(self, declarations: Declarations, keys: Mapping[str, bytes] | None) -> bool:
        """Whether these declarations ask for the same values, and the keys are the same."""
        return self._sources == declarations.sources and self._keys == dict(keys or {})

    def read(self, warehouse: Path, declarations: Declarations, hold: Held) -> SearchSet:
        """Take what was loaded since the last reading; the caller holds the warehouse."""
        self._loads.begin()
        values = personal_values(warehouse, declarations, hold, self._loads)
        if self._search is None:
            self._search = SearchSet(values, self._keys)
        else:
            self._search.add(values)
        return self._search
