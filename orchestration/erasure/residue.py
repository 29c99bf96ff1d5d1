"""Searches every store for one person's values and pseudonyms, by the leak scan.

values + pseudonyms -> serving/leak_scan over all of the home, the warehouse too -> ScanReport
"""

import re
import unicodedata
from pathlib import Path

from ingestion.erasure.person import Value, pattern_of
from ingestion.warehouse import warehouse_path
from serving.leak_scan.report import ScanReport
from serving.leak_scan.scan import scan
from serving.leak_scan.targets import Target, home_targets
from serving.leak_scan.values import of

PSEUDONYM = "pseudonym"


class Needles:
    """The values of one person and her pseudonyms, as things to look for."""

    def __init__(self, values: list[Value], pseudonyms: list[str]) -> None:
        self.pseudonyms = frozenset(pseudonyms)
        self.origins = [
            *(("the person", value.privacy, value.text) for value in values),
            *(("the person", PSEUDONYM, token) for token in pseudonyms),
        ]
        self._patterns = [
            (value.privacy, re.compile(_for_python(pattern_of(_plain_value(value)))))
            for value in values
        ]

    def in_text(self, text: str) -> set[str]:
        """The classes of what a text holds."""
        found = {PSEUDONYM} if self.pseudonyms & set(re.findall(r"\w+", text)) else set()
        folded = plain(text)
        return found | {privacy for privacy, pattern in self._patterns if pattern.search(folded)}


def plain(text: str) -> str:
    """Lower case without accents, as DuckDB's strip_accents(lower()) makes it."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFD", text.lower())
    return unicodedata.normalize("NFC", "".join(p for p in parts if not unicodedata.combining(p)))


def find_residue(home: Path, needles: Needles) -> ScanReport:
    """Search the home, and the warehouse, which an ordinary scan leaves out; the caller holds it.

    What looks personal to a pattern is no finding here: it may be somebody else's.
    """
    targets = home_targets(home)
    warehouse = warehouse_path(home)
    if warehouse.exists():
        targets.append(Target(warehouse, warehouse.name))
    return scan(targets, of(needles.origins), patterns=False)


def _plain_value(value: Value) -> Value:
    return Value(value.privacy, plain(value.text))


def _for_python(pattern: str) -> str:
    return pattern.replace(r"[^\pL\pN]", r"[\W_]")
