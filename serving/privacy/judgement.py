"""Whether a flow of a source column may reach an agent, by the column's class and the masks."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from serving.declarations import PUBLIC, Declarations
from serving.lineage.flows import Flow
from serving.lineage.values import Passed, plain

Verdict = Literal["public", "masked", "unmasked"]


@dataclass(frozen=True)
class Judge:
    """Judges flows; ``technical`` are the columns that ingestion adds, which are public."""

    declarations: Declarations
    technical: frozenset[str]

    def privacy(self, flow: Flow) -> str | None:
        """Return the class of a flow's source column; None where it has none."""
        source = self.declarations.sources[flow.source]
        declared = [
            one.privacy for name, one in source.columns.items() if plain(name) == flow.column
        ]
        if not declared:
            return PUBLIC if flow.column in self.technical else None
        # Declared twice, in different letters: the less public class counts.
        return next((privacy for privacy in declared if privacy != PUBLIC), PUBLIC)

    def verdict(self, flow: Flow) -> Verdict:
        """Return whether the flow is public, masked, or neither."""
        privacy = self.privacy(flow)
        if privacy == PUBLIC:
            return "public"
        hidden = any(self._hides(passed, privacy) for passed in flow.passed)
        return "masked" if hidden else "unmasked"

    def hiding(self, flow: Flow) -> frozenset[Passed]:
        """Return the masks on the way that hide the flow's class."""
        privacy = self.privacy(flow)
        return frozenset(passed for passed in flow.passed if self._hides(passed, privacy))

    def masks_for(self, privacy: str | None) -> list[str]:
        """Return the names of the masks that hide a class."""
        masks = self.declarations.masks.items()
        return sorted(name for name, mask in masks if privacy in mask.hides)

    def worst(self, flows: Collection[Flow]) -> Verdict:
        """Return the verdict on several flows together."""
        verdicts = {self.verdict(flow) for flow in flows}
        if "unmasked" in verdicts:
            return "unmasked"
        return "masked" if "masked" in verdicts else "public"

    def _hides(self, passed: Passed, privacy: str | None) -> bool:
        mask = self.declarations.masks.get(passed.function)
        if mask is None or privacy is None:
            return False
        return privacy in (mask.hides if passed.argument == 0 else mask.knows)
