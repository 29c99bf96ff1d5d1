"""One LanceDB table of an index: its columns, its vectors and its two search indexes."""

from collections.abc import Container
from pathlib import Path

import lancedb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from lancedb.index import FTS, IvfFlat

from serving.catalog import CatalogView, IndexInfo
from serving.documents import Document, filter_kind
from serving.embedder import Embedder
from serving.lookup_store import INTEGERS
from serving.terms import searchable_terms

# Exact search of 100,000 vectors takes 167 ms, IVF_FLAT 4.5 ms at recall 1.0; IVF_PQ has 0.33.
EXACT_UP_TO = 50_000
EXACT = "exact"
FILTER_PREFIX = "filter_"
_LONGEST_TERM = 64
_BATCH_ROWS = 4_096

Vectors = dict[str, npt.NDArray[np.float32]]


def write_table(
    folder: Path,
    name: str,
    view: CatalogView,
    found: list[Document],
    vectors: Vectors,
    embedder: Embedder,
) -> str:
    """Write one table with its indexes and return the kind of its vector index."""
    data = pa.table(
        {
            **_columns(view, found),
            "terms": pa.array([searchable_terms(one.embedded_text) for one in found], pa.string()),
            "vector": _vectors(found, vectors, embedder.dimensions),
        }
    )
    table = lancedb.connect(folder).create_table(name, data)
    if not found:
        return EXACT
    # ICU finds words where no spaces are; "split" parts them at signs as the simple one does.
    words = FTS(base_tokenizer="icu/split", max_token_length=_LONGEST_TERM)
    table.create_index("terms", config=words)
    if len(found) <= EXACT_UP_TO:
        return EXACT
    table.create_index("vector", config=IvfFlat(distance_type="dot"))
    return "IVF_FLAT"


def stored_vectors(folder: Path, info: IndexInfo, wanted: Container[str]) -> Vectors:
    """Return the vectors that an index has for these content hashes."""
    known: Vectors = {}
    database = lancedb.connect(folder)
    for table in info.chunks:
        rows = database.open_table(table).search().select(["content_hash", "vector"])
        for batch in rows.to_batches(_BATCH_ROWS):
            matrix = batch["vector"].flatten().to_numpy(zero_copy_only=False)
            matrix = matrix.reshape(batch.num_rows, info.dimensions)
            for content_hash, vector in zip(batch["content_hash"].to_pylist(), matrix, strict=True):
                if content_hash in wanted:
                    known[content_hash] = vector
    return known


def _columns(view: CatalogView, found: list[Document]) -> dict[str, pa.Array]:
    types = {column.name: column.type for column in view.columns}
    key_kind = pa.int64() if types[view.key] in INTEGERS else pa.string()
    columns = {
        "chunk_id": pa.array([one.chunk_id for one in found], pa.string()),
        "key_text": pa.array([str(one.key) for one in found], pa.string()),
        "key": pa.array([one.key for one in found], key_kind),
        "number": pa.array([one.number for one in found], pa.int32()),
        "title": pa.array([one.title for one in found], pa.string()),
        "heading": pa.array([one.heading for one in found], pa.string()),
        "text": pa.array([one.text for one in found], pa.string()),
        "content_hash": pa.array([one.content_hash for one in found], pa.string()),
    }
    for name in view.search.filters if view.search else []:
        values = [one.filters[name] for one in found]
        columns[f"{FILTER_PREFIX}{name}"] = pa.array(values, filter_kind(types[name]))
    return columns


def _vectors(found: list[Document], vectors: Vectors, dimensions: int) -> pa.Array:
    matrix = np.empty((len(found), dimensions), dtype=np.float32)
    for row, one in enumerate(found):
        matrix[row] = vectors[one.content_hash]
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), dimensions)
