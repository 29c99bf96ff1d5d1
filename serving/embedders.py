"""The models that a project may choose from, all behind one protocol.

EmbedderSpec -> built in | an HTTP endpoint (OpenAI's or Ollama's protocol) | LanceDB's registry
"""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.catalog import EmbedderSpec
from serving.embedder import (
    Embedder,
    EmbedProgress,
    MiniLm,
    Vectors,
    builtin_model_dir,
    unit_vectors,
)
from serving.errors import PublishError
from serving.http_embedder import HttpEmbedder

_BATCH = 64
_KEY_FILE = "embedder_key"


def make_embedder(spec: EmbedderSpec, key: str | None) -> Embedder:
    """Return the model of a specification; PublishError says what is missing."""
    if spec.provider == "builtin":
        return MiniLm(builtin_model_dir())
    if spec.provider in ("openai", "ollama"):
        return HttpEmbedder(spec, key)
    return RegistryEmbedder(spec)


class RegistryEmbedder:
    """A function of LanceDB's registry, such as ``sentence-transformers`` by path or by name."""

    def __init__(self, spec: EmbedderSpec) -> None:
        # LanceDB takes a second to import; the built-in model does without.
        from lancedb.embeddings import get_registry

        try:
            function = get_registry().get(spec.provider)
        except KeyError as error:
            raise PublishError(
                f"no embedding provider {spec.provider}; there are builtin, openai, ollama, and "
                "those of LanceDB's registry, such as sentence-transformers"
            ) from error
        self.model = spec.label
        self.spec = spec
        try:
            self._function = function.create(  # type: ignore[no-untyped-call]
                name=spec.model, **_device(spec.provider)
            )
            self.dimensions = int(self._function.ndims())
        except (ImportError, OSError, ValueError) as error:
            raise PublishError(
                f"{spec.label} cannot be loaded ({type(error).__name__}); sentence-transformers "
                "needs `pip install sentence-transformers`, and a folder or name that is here"
            ) from error

    def embed(self, texts: Sequence[str], on_progress: EmbedProgress | None = None) -> Vectors:
        """Return one unit vector a text, in the order of the texts."""
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for start in range(0, len(texts), _BATCH):
            some = list(texts[start : start + _BATCH])
            vectors[start : start + len(some)] = self._function.compute_source_embeddings(some)
            if on_progress:
                on_progress(start + len(some), len(texts))
        return unit_vectors(vectors)


def _device(provider: str) -> dict[str, Any]:
    """A graphics processor where there is one; LanceDB itself would always take the processor."""
    if provider != "sentence-transformers":
        return {}
    try:
        import torch
    except ImportError:
        return {}
    if torch.cuda.is_available():
        return {"device": "cuda"}
    return {"device": "mps"} if torch.backends.mps.is_available() else {}


class Embedders:
    """Gives each model once, whichever thread asks first; the key is in the home's secrets."""

    def __init__(self, home: Path, builtin: Callable[[], Embedder] | None = None) -> None:
        self._home = home
        self._builtin = builtin
        self._lock = threading.Lock()
        self._made: dict[EmbedderSpec, Embedder] = {}

    def __call__(self, spec: EmbedderSpec) -> Embedder:
        with self._lock:
            if spec not in self._made:
                if self._builtin and spec.provider == "builtin":
                    self._made[spec] = self._builtin()
                else:
                    self._made[spec] = make_embedder(spec, read_key(self._home))
            return self._made[spec]


def keep_key(home: Path, key: str | None) -> None:
    """Keep the endpoint's key where servers, which read no environment, find it."""
    path = home / "secrets" / _KEY_FILE
    if key is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(key)


def read_key(home: Path) -> str | None:
    """Return the endpoint's key, None where it needs none."""
    path = home / "secrets" / _KEY_FILE
    return path.read_text(encoding="utf-8") if path.is_file() else None
