"""What a warm process hands to the assets, so that they need not make it again for each run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dbt.contracts.graph.manifest import Manifest

from serving.embedder import Embedder
from serving.privacy.proof import Proof


@dataclass(frozen=True)
class Kept:
    """dbt's project as it was parsed, built and proven; it holds until a file of it changes.

    ``masks`` is a hash of the statements that make its masks, as the warehouse notes it.
    """

    manifest: Manifest
    declared: Mapping[str, Any]
    proof: Proof
    masks: str
    embedder: Embedder
