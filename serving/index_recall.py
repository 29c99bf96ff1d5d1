"""How much of an exact search an approximate index finds, measured on a sample of its rows.

sampled vectors -> the index, with more and more parts looked at -> recall@10 against all distances
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from lancedb.query import LanceVectorQueryBuilder
from lancedb.table import Table

# Below this an index is not published.
LOWEST_RECALL = 0.95
_WANTED_RECALL = 0.98
_SAMPLE = 64
_TOP = 10
_PROBES = (10, 20, 40, 80, 160, 320)
# Rows as near as the tenth are as good as it: equal texts have equal vectors.
_TIE = 1e-5

Matrix = npt.NDArray[np.float32]


def probes_and_recall(table: Table, matrix: Matrix) -> tuple[int, float]:
    """Return the fewest parts to look at for the recall that we want, and the recall reached."""
    sample = np.random.default_rng(len(matrix)).choice(
        len(matrix), min(_SAMPLE, len(matrix)), False
    )
    # A question is never a row itself: two rows' mean lies between what the index was trained on.
    queries = matrix[sample] + matrix[np.roll(sample, 1)]
    queries /= np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-9)
    nearest = np.partition(queries @ matrix.T, -_TOP, axis=1)[:, -_TOP]
    recall = 0.0
    for probes in _PROBES:
        recall = _recall(table, queries, nearest, probes)
        if recall >= _WANTED_RECALL:
            return probes, recall
    return _PROBES[-1], recall


def _recall(table: Table, queries: Matrix, nearest: npt.NDArray[Any], probes: int) -> float:
    found = 0
    for query, tenth in zip(queries, nearest, strict=True):
        search = LanceVectorQueryBuilder(table, query, "vector").distance_type("dot")
        rows = search.nprobes(probes).limit(_TOP).select(["_distance"]).to_list()
        found += sum(1.0 - row["_distance"] >= tenth - _TIE for row in rows)
    return found / (len(queries) * _TOP)
