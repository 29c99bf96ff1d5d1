"""A model behind an HTTP endpoint that speaks OpenAI's or Ollama's protocol.

texts -> POST /embeddings or /api/embed, in batches, tried again -> unit vectors

LanceDB's own function for OpenAI knows the sizes of three models, and logs refused texts.
"""

import time
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np

from serving.catalog import EmbedderSpec
from serving.embedder import EmbedProgress, Vectors, unit_vectors
from serving.errors import PublishError

_BATCH = 64
_TRIES = 4
_LONGEST_WAIT_S = 30.0
_TIMEOUT = httpx.Timeout(120.0, connect=10.0)
_URLS = {"openai": "https://api.openai.com/v1", "ollama": "http://127.0.0.1:11434"}


class HttpEmbedder:
    """Asks an endpoint; the first answer tells how long its vectors are."""

    def __init__(self, spec: EmbedderSpec, key: str | None) -> None:
        self.model = spec.label
        self.spec = spec
        url = (spec.url or _URLS[spec.provider]).rstrip("/")
        self._url = f"{url}/embeddings" if spec.provider == "openai" else f"{url}/api/embed"
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(headers=headers, timeout=_TIMEOUT)
        self._dimensions: int | None = None

    @property
    def dimensions(self) -> int:
        """The length of each vector; asks once."""
        if self._dimensions is None:
            self._ask(["length"])
        assert self._dimensions is not None
        return self._dimensions

    def embed(self, texts: Sequence[str], on_progress: EmbedProgress | None = None) -> Vectors:
        """Return one unit vector a text, in the order of the texts."""
        parts = []
        for start in range(0, len(texts), _BATCH):
            # Endpoints refuse an empty text.
            some = [text or " " for text in texts[start : start + _BATCH]]
            parts.append(self._ask(some))
            if on_progress:
                on_progress(start + len(some), len(texts))
        if not parts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        return unit_vectors(np.concatenate(parts))

    def _ask(self, texts: list[str]) -> Vectors:
        body = {"model": self.spec.model, "input": texts}
        answer = self._posted(body)
        try:
            rows = self._rows(answer.json())
            vectors = np.array(rows, dtype=np.float32)
        except (ValueError, KeyError, TypeError) as error:
            raise self._refused("answered with something else than vectors") from error
        expected = (len(texts), self._dimensions or vectors.shape[-1])
        if vectors.ndim != 2 or vectors.shape != expected or not np.isfinite(vectors).all():
            raise self._refused(f"sent vectors of shape {vectors.shape}, not {expected}")
        self._dimensions = vectors.shape[1]
        return vectors

    def _rows(self, answer: dict[str, Any]) -> list[Any]:
        if self.spec.provider == "ollama":
            return list(answer["embeddings"])
        return [one["embedding"] for one in sorted(answer["data"], key=lambda one: one["index"])]

    def _posted(self, body: dict[str, Any]) -> httpx.Response:
        for attempt in range(_TRIES):
            is_last = attempt == _TRIES - 1
            try:
                answer = self._client.post(self._url, json=body)
            except httpx.HTTPError as error:
                if is_last:
                    raise self._refused(f"does not answer ({type(error).__name__})") from error
                time.sleep(0.5 * 2**attempt)
                continue
            if answer.status_code == httpx.codes.OK:
                return answer
            is_busy = answer.status_code == 429 or answer.status_code >= 500
            if is_last or not is_busy:
                raise self._refused(f"answered with status {answer.status_code}")
            time.sleep(_wait(answer, attempt))
        raise AssertionError("the last try returns or raises")

    def _refused(self, what: str) -> PublishError:
        """Neither the key nor a text is told."""
        return PublishError(
            f"the embedding endpoint {self._url} {what}; check GROUNDED_EMBEDDER, its URL and its "
            "key, then type `grounded run`"
        )


def _wait(answer: httpx.Response, attempt: int) -> float:
    told = answer.headers.get("retry-after", "")
    seconds = float(told) if told.replace(".", "", 1).isdigit() else 0.5 * 2**attempt
    return min(seconds, _LONGEST_WAIT_S)
