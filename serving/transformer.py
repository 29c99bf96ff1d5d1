"""The forward pass of a small BERT in numpy, written for the processor's cache.

token ids of one batch -> embeddings -> layers (attention, GELU) -> mean of tokens -> unit vectors
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

Matrix = npt.NDArray[np.float32]

_HEADS = 12
_LAYER_NORM_EPSILON = 1e-12
# GELU's tanh form is x * sigmoid(2u); exp is three times as fast as tanh.
_GELU_LINEAR = np.float32(-1.5957691216057308)
_GELU_CUBIC = np.float32(-1.5957691216057308 * 0.044715)
# Attention scores of a trained model stay far below; above, exp would overflow.
_HIGHEST_SCORE = np.float32(80.0)


class Transformer:
    """The weights of a BERT encoder; shared by threads, each with buffers of its own."""

    def __init__(self, tensors: Mapping[str, Matrix]) -> None:
        self._words = tensors["embeddings.word_embeddings.weight"]
        self._places = (
            tensors["embeddings.position_embeddings.weight"]
            + tensors["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = _norm_of(tensors, "embeddings")
        count = 1 + max(int(name.split(".")[2]) for name in tensors if ".layer." in name)
        self._layers = [_Layer(tensors, f"encoder.layer.{number}") for number in range(count)]
        self._own = threading.local()

    def forward(self, tokens: Sequence[Sequence[int]]) -> Matrix:
        """Return one unit vector a text; texts of one length cost least."""
        lengths = np.array([len(ids) for ids in tokens])
        width = int(lengths.max())
        ids = np.zeros((len(tokens), width), dtype=np.int64)
        for row, text in enumerate(tokens):
            ids[row, : len(text)] = text
        seen = np.arange(width)[None, :] < lengths[:, None]
        hidden = (self._words[ids] + self._places[:width]).reshape(ids.size, -1)
        _normalise(hidden, *self._norm)
        buffers = self._buffers(hidden)
        hidden_tokens = None if seen.all() else ~seen
        for layer in self._layers:
            layer.forward(hidden, buffers, hidden_tokens, ids.shape)
        hidden = hidden.reshape(*ids.shape, -1)
        pooled = np.matmul(seen[:, None, :].astype(np.float32), hidden)[:, 0]
        pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
        unit: Matrix = pooled
        return unit

    def _buffers(self, hidden: Matrix) -> "_Buffers":
        """Memory that is kept: fresh pages for each product cost as much as the product."""
        rows = len(hidden)
        kept: _Buffers | None = getattr(self._own, "buffers", None)
        if kept is None or len(kept.small) < rows:
            kept = self._own.buffers = _Buffers(rows, self._layers[0].sizes)
        return kept.first(rows)


class _Buffers:
    def __init__(self, rows: int, sizes: tuple[int, int, int]) -> None:
        small, projected, large = sizes
        self.small, self.context = _empty(rows, small), _empty(rows, small)
        self.projected = _empty(rows, projected)
        self.large, self.other = _empty(rows, large), _empty(rows, large)

    def first(self, rows: int) -> "_Buffers":
        """The same memory for fewer tokens."""
        part = object.__new__(_Buffers)
        for name, buffer in vars(self).items():
            setattr(part, name, buffer[:rows])
        return part


class _Layer:
    """One transformer layer; its three projections are one matrix, so one multiplication."""

    def __init__(self, tensors: Mapping[str, Matrix], name: str) -> None:
        own = f"{name}.attention.self"
        parts = ("query", "key", "value")
        weights = [tensors[f"{own}.{part}.weight"].T for part in parts]
        biases = [tensors[f"{own}.{part}.bias"] for part in parts]
        scale = np.float32((weights[0].shape[1] // _HEADS) ** -0.5)
        self._qkv = np.concatenate([weights[0] * scale, *weights[1:]], axis=1, dtype=np.float32)
        self._qkv_bias = np.concatenate([biases[0] * scale, *biases[1:]], dtype=np.float32)
        self._merge = _dense_of(tensors, f"{name}.attention.output.dense")
        self._merge_norm = _norm_of(tensors, f"{name}.attention.output")
        self._up = _dense_of(tensors, f"{name}.intermediate.dense")
        self._down = _dense_of(tensors, f"{name}.output.dense")
        self._down_norm = _norm_of(tensors, f"{name}.output")

    @property
    def sizes(self) -> tuple[int, int, int]:
        """The lengths of a hidden state, of its projections, and of the layer within."""
        return len(self._qkv), self._qkv.shape[1], self._up[0].shape[1]

    def forward(
        self,
        hidden: Matrix,
        buffers: _Buffers,
        padding: npt.NDArray[np.bool_] | None,
        shape: tuple[int, ...],
    ) -> None:
        """Replace the hidden states of ``shape`` texts and tokens by the next ones."""
        _dense(hidden, self._qkv, self._qkv_bias, buffers.projected)
        _attend(buffers.projected.reshape(*shape, 3, _HEADS, -1), buffers.context, padding)
        _dense(buffers.context, *self._merge, buffers.small)
        hidden += buffers.small
        _normalise(hidden, *self._merge_norm)
        _dense(hidden, *self._up, buffers.large)
        _gelu(buffers.large, buffers.other)
        _dense(buffers.large, *self._down, buffers.small)
        hidden += buffers.small
        _normalise(hidden, *self._down_norm)


class _OneCore:
    """Holds the matrix library to one core a product while anybody embeds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limit: Any = None
        self._controller: Any = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._users == 0:
                # To look for the libraries costs half a millisecond, to set their limit a fiftieth.
                self._controller = self._controller or ThreadpoolController()
                self._limit = self._controller.limit(limits=1, user_api="blas")
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._limit.restore_original_limits()


# A product that is shared out waits, spinning, for the slower core: where other programs run that
# took up to fifty times as long. Whole batches are shared out among threads instead.
one_core_a_product = _OneCore()


def _attend(split: Any, context: Matrix, padding: npt.NDArray[np.bool_] | None) -> None:
    """Fill ``context`` from projections by text, token, kind, head and place."""
    texts, width, _, heads, _ = split.shape
    query, key, value = (split[:, :, kind].transpose(0, 2, 1, 3) for kind in range(3))
    scores = np.matmul(query, key.transpose(0, 1, 3, 2))
    np.minimum(scores, _HIGHEST_SCORE, out=scores)
    np.exp(scores, out=scores)
    if padding is not None:
        scores *= ~padding[:, None, None, :]
    mixed = context.reshape(texts, width, heads, -1)
    np.matmul(scores, value, out=mixed.transpose(0, 2, 1, 3))
    # The sum of each row as a product: numpy is slow to sum along a short axis.
    sums = np.matmul(scores, np.ones((width, 1), dtype=np.float32))
    mixed /= sums.transpose(0, 2, 1, 3)


def _dense(values: Matrix, weight: Matrix, bias: Matrix, out: Matrix) -> None:
    np.matmul(values, weight, out=out)
    out += bias


def _gelu(values: Matrix, spare: Matrix) -> None:
    np.multiply(values, values, out=spare)
    spare *= _GELU_CUBIC
    spare += _GELU_LINEAR
    spare *= values
    # Far below zero exp is infinite, and the quotient zero, as it should be.
    with np.errstate(over="ignore"):
        np.exp(spare, out=spare)
    spare += np.float32(1.0)
    values /= spare


def _normalise(values: Matrix, weight: Matrix, bias: Matrix) -> None:
    values -= values.mean(axis=-1, keepdims=True)
    spread = np.einsum("td,td->t", values, values) / values.shape[-1]
    values /= np.sqrt(spread + np.float32(_LAYER_NORM_EPSILON))[:, None]
    values *= weight
    values += bias


def _dense_of(tensors: Mapping[str, Matrix], name: str) -> tuple[Matrix, Matrix]:
    return np.ascontiguousarray(tensors[f"{name}.weight"].T), tensors[f"{name}.bias"]


def _norm_of(tensors: Mapping[str, Matrix], name: str) -> tuple[Matrix, Matrix]:
    return tensors[f"{name}.LayerNorm.weight"], tensors[f"{name}.LayerNorm.bias"]


def _empty(rows: int, columns: int) -> Matrix:
    return np.empty((rows, columns), dtype=np.float32)
