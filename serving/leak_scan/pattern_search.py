"""Looks for personal data by its form in cells, lines and bytes.

texts -> those that match the wide pattern (RE2) -> checked one by one (serving/patterns.py)
"""

import re
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from serving.patterns import CANDIDATE, PatternClass, find_patterns

# What ``strings`` would show of a file of no known kind.
_PRINTABLE = re.compile(rb"(?:[\x20-\x7e\t]|[\xc2-\xf4][\x80-\xbf]{1,3}){8,}")
_TOKEN = re.compile(r"""[^\s"'`\\,;(){}\[\]<>|:=]+""")


class PatternSearch:
    """The patterns, but for what the project's own files have too where these are repeated."""

    def __init__(self, project_texts: Sequence[str] = ()) -> None:
        self._project = {token for text in project_texts for token in _TOKEN.findall(text)}

    def in_cells(
        self, texts: pa.Array, *, repeats_project: bool = False
    ) -> Iterator[tuple[int, PatternClass]]:
        """Yield the number of each text that holds some, with the class."""
        maybe = pc.match_substring_regex(texts, CANDIDATE)
        for number in pc.indices_nonzero(maybe).to_pylist():
            text = texts[number].as_py()
            own = self._without_project(text) if repeats_project else text
            yield from ((number, pattern) for pattern in sorted(find_patterns(own)))

    def in_bytes(self, data: bytes, *, repeats_project: bool = False) -> Iterator[PatternClass]:
        """Yield the classes that the printable runs of a file show."""
        runs = [found[0].decode("utf-8", "replace") for found in _PRINTABLE.finditer(data)]
        found = self.in_cells(pa.array(runs, pa.string()), repeats_project=repeats_project)
        yield from (pattern for _, pattern in found)

    def _without_project(self, text: str) -> str:
        """Return a text without the tokens that the project's files hold as well."""
        return _TOKEN.sub(self._foreign, text)

    def _foreign(self, found: re.Match[str]) -> str:
        # msgpack puts a text's length before it, which may be a printable sign.
        token = found[0]
        return "" if token in self._project or token[1:] in self._project else token
