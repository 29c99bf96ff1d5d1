"""One LanceDB table of an index: written anew, or brought up to date in a linked copy.

documents, vectors -> rows, words, full-text index, vector index by size -> kind, recall
"""

import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from lancedb.expr import col
from lancedb.index import FTS, BTree, IvfFlat
from lancedb.table import Table

from serving.catalog import CatalogView, IndexInfo
from serving.documents import Document, filter_kind
from serving.index_recall import probes_and_recall
from serving.terms import searchable_terms
from serving.values import INTEGERS
from serving.vocabulary import count_words, read_words, write_words

# Exact search of 100,000 vectors takes 167 ms, IVF_FLAT 4.5 ms at recall 1.0; IVF_PQ has 0.33.
EXACT_UP_TO = 50_000
EXACT = "exact"
FILTER_PREFIX = "filter_"
_LONGEST_TERM = 64
_BATCH_ROWS = 4_096
# An expression of more values takes longer to read than the rows that it leaves out.
_MOST_NAMED = 5_000

Matrix = npt.NDArray[np.float32]
Vectors = dict[str, Matrix]


@dataclass(frozen=True)
class Written:
    """A table as it was written: its vector index, how many of its parts are looked at, recall@10.

    An exact search has no parts, and finds what there is.
    """

    chunks: int
    kind: str = EXACT
    probes: int | None = None
    recall: float = 1.0


def words_file(table: str) -> str:
    """The name of the file with a table's words."""
    return f"{table}.words"


def kind_for(chunks: int) -> str:
    """The kind of vector index for so many chunks."""
    return EXACT if chunks <= EXACT_UP_TO else "IVF_FLAT"


def write_table(
    folder: Path,
    name: str,
    view: CatalogView,
    found: list[Document],
    vectors: Vectors,
    dimensions: int,
) -> Written:
    """Write one table with its words and its search indexes."""
    terms = [searchable_terms(one.embedded_text) for one in found]
    matrix = _matrix(found, vectors, dimensions)
    table = lancedb.connect(folder).create_table(name, _data(view, found, terms, matrix))
    write_words(folder / words_file(name), count_words(terms))
    if not found:
        return Written(0)
    # ICU finds words where no spaces are; "split" parts them at signs as the simple one does.
    words = FTS(base_tokenizer="icu/split", max_token_length=_LONGEST_TERM)
    table.create_index("terms", config=words)
    # Changed rows are found by it without reading the keys of all.
    table.create_index("key_text", config=BTree())
    kind = kind_for(len(found))
    if kind == EXACT:
        return Written(len(found))
    table.create_index("vector", config=IvfFlat(distance_type="dot"))
    probes, recall = probes_and_recall(table, matrix)
    return Written(len(found), kind, probes, recall)


def update_table(
    folder: Path,
    name: str,
    view: CatalogView,
    removed: Sequence[int | str],
    found: list[Document],
    vectors: Vectors,
    dimensions: int,
    *,
    is_tidied: bool = True,
) -> int:
    """Replace the rows of some keys in a linked copy and return how many chunks it has then.

    Removed rows stay in the copy's files, unreachable, until the table is next written anew. Rows
    of a copy that is not ``is_tidied`` are found, but by reading each.
    """
    table = lancedb.connect(folder).open_table(name)
    words = read_words(folder / words_file(name))
    for some in _parts(removed):
        where = col("key_text").isin([str(key) for key in some])
        rows = table.search().where(where).select(["terms"]).to_arrow()
        words.subtract(count_words(rows["terms"].to_pylist()))
        table.delete(where)
    if found:
        terms = [searchable_terms(one.embedded_text) for one in found]
        table.add(_data(view, found, terms, _matrix(found, vectors, dimensions)))
        words.update(count_words(terms))
    (folder / words_file(name)).unlink(missing_ok=True)
    write_words(folder / words_file(name), words)
    if is_tidied:
        _tidy(table)
    return int(table.count_rows())


def _tidy(table: Table) -> None:
    """Take new rows into the indexes, and put small files together: 0.7 s for 100,000 chunks."""
    with warnings.catch_warnings():
        # It warns of readers of older versions: nobody reads a candidate.
        warnings.filterwarnings(
            "ignore", message="optimize.cleanup_older_than=0", category=UserWarning
        )
        table.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)


def stored_chunks(
    folder: Path, name: str, keys: Sequence[int | str], dimensions: int
) -> tuple[int, Vectors]:
    """Return how many chunks the rows of these keys have, and their vectors by content hash."""
    table = lancedb.connect(folder).open_table(name)
    count, known = 0, Vectors()
    for some in _parts(keys):
        where = col("key_text").isin([str(key) for key in some])
        rows = table.search().where(where).select(["content_hash", "vector"]).to_arrow()
        count += rows.num_rows
        for batch in rows.to_batches():
            known.update(_vectors(batch, dimensions))
    return count, known


def stored_rows(folder: Path, name: str) -> dict[int | str, str]:
    """Return the hash of each row that a table has chunks of."""
    rows = lancedb.connect(folder).open_table(name).search().select(["key", "row_hash"]).to_arrow()
    return dict(zip(rows["key"].to_pylist(), rows["row_hash"].to_pylist(), strict=True))


def stored_vectors(folder: Path, info: IndexInfo, wanted: Collection[str]) -> Vectors:
    """Return the vectors that an index has for these content hashes."""
    known: Vectors = {}
    database = lancedb.connect(folder)
    for name in info.chunks:
        table = database.open_table(name)
        for batch in _vector_batches(table, wanted):
            found = _vectors(batch, info.dimensions)
            known.update((content, vector) for content, vector in found if content in wanted)
    return known


def _vectors(batch: pa.RecordBatch, dimensions: int) -> Iterator[tuple[str, Matrix]]:
    """Yield the content hashes of a batch with their vectors."""
    matrix = batch["vector"].flatten().to_numpy(zero_copy_only=False)
    yield from zip(
        batch["content_hash"].to_pylist(),
        matrix.reshape(batch.num_rows, dimensions),
        strict=True,
    )


def _vector_batches(table: Table, wanted: Collection[str]) -> Iterator[Any]:
    if not wanted:
        return
    rows = table.search().select(["content_hash", "vector"])
    if len(wanted) <= _MOST_NAMED:
        rows = rows.where(col("content_hash").isin(list(wanted)))
    yield from rows.to_batches(_BATCH_ROWS)


def _parts(keys: Sequence[int | str]) -> Iterator[Sequence[int | str]]:
    for start in range(0, len(keys), _MOST_NAMED):
        yield keys[start : start + _MOST_NAMED]


def _data(view: CatalogView, found: list[Document], terms: list[str], matrix: Matrix) -> pa.Table:
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
        "row_hash": pa.array([one.row_hash for one in found], pa.string()),
        "content_hash": pa.array([one.content_hash for one in found], pa.string()),
    }
    for name in view.search.filters if view.search else []:
        values = [one.filters[name] for one in found]
        columns[f"{FILTER_PREFIX}{name}"] = pa.array(values, filter_kind(types[name]))
    columns["terms"] = pa.array(terms, pa.string())
    flat = pa.array(matrix.reshape(-1))
    columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])
    return pa.table(columns)


def _matrix(found: list[Document], vectors: Vectors, dimensions: int) -> Matrix:
    matrix = np.empty((len(found), dimensions), dtype=np.float32)
    for row, one in enumerate(found):
        matrix[row] = vectors[one.content_hash]
    return matrix
