"""Models behind endpoints and registries: real HTTP servers that speak the protocols."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lancedb.embeddings import get_registry
from lancedb.embeddings.base import TextEmbeddingFunction
from small_warehouse import HashEmbedder, publish, write_warehouse

from serving import snapshot
from serving.agent import connect
from serving.catalog import EmbedderSpec
from serving.embedders import Embedders, RegistryEmbedder, keep_key, make_embedder, read_key
from serving.errors import PublishError

KEY = "test-key-of-an-endpoint"
CANARY = "Mrs Quintessa Vane"


class Endpoint(ThreadingHTTPServer):
    """Embeds by hashing words; ``script`` are the answers that come before the honest ones."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[tuple[int, dict[str, str], bytes]] = []
        self.seen: list[tuple[str, dict[str, Any], str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.seen.append((self.path, body, self.headers.get("authorization")))
        if self.server.script:
            self._send(*self.server.script.pop(0))
            return
        rows = HashEmbedder().embed(body["input"]) * 3.0
        if self.path == "/api/embed":
            answer: dict[str, Any] = {"embeddings": rows.tolist()}
        else:
            data = [{"index": at, "embedding": row.tolist()} for at, row in enumerate(rows)]
            # The protocol promises no order.
            answer = {"data": data[::-1]}
        self._send(200, {}, json.dumps(answer).encode())

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("provider", "path"), [("openai", "/v1/embeddings"), ("ollama", "/api/embed")]
)
def test_an_endpoint_of_either_protocol_gives_unit_vectors_in_order(
    endpoint: Endpoint, provider: str, path: str
) -> None:
    url = f"{endpoint.url}/v1" if provider == "openai" else endpoint.url
    model = make_embedder(EmbedderSpec(provider=provider, model="words", url=url), KEY)
    texts = [f"parcel number {number}" for number in range(130)] + [""]
    told: list[tuple[int, int]] = []
    vectors = model.embed(texts, lambda done, total: told.append((done, total)))
    assert np.allclose(vectors, HashEmbedder().embed([*texts[:-1], " "]), atol=1e-6)
    assert (model.model, model.dimensions, told[-1]) == (f"{provider}:words", 64, (131, 131))
    assert {(seen, key) for seen, _, key in endpoint.seen} == {(path, f"Bearer {KEY}")}
    assert max(len(body["input"]) for _, body, _ in endpoint.seen) == 64
    assert {body["model"] for _, body, _ in endpoint.seen} == {"words"}


def test_a_busy_endpoint_is_asked_again_after_the_time_that_it_tells(endpoint: Endpoint) -> None:
    endpoint.script = [(429, {"retry-after": "0"}, b""), (503, {"retry-after": "0.01"}, b"")]
    spec = EmbedderSpec(provider="openai", model="words", url=endpoint.url)
    assert make_embedder(spec, None).embed(["a"]).shape == (1, 64)
    assert len(endpoint.seen) == 3
    assert endpoint.seen[0][2] is None


@pytest.mark.parametrize(
    "answer",
    [
        (401, {}, b"no such key"),
        (400, {}, CANARY.encode()),
        (200, {}, b"not json"),
        (200, {}, b'{"data": []}'),
        (200, {}, b'{"data": [{"index": 0, "embedding": [1, null]}]}'),
        (200, {}, b'{"data": [{"index": 0, "embedding": [NaN, 1]}]}'),
        (200, {}, b"[]"),
    ],
)
def test_a_refusal_or_nonsense_is_told_without_key_and_text(
    endpoint: Endpoint, answer: tuple[int, dict[str, str], bytes]
) -> None:
    endpoint.script = [answer]
    spec = EmbedderSpec(provider="openai", model="words", url=endpoint.url)
    with pytest.raises(PublishError, match="GROUNDED_EMBEDDER") as caught:
        make_embedder(spec, KEY).embed([CANARY])
    assert KEY not in str(caught.value) and CANARY not in str(caught.value)
    assert len(endpoint.seen) == 1


def test_vectors_that_change_their_length_are_refused(endpoint: Endpoint) -> None:
    model = make_embedder(EmbedderSpec(provider="openai", model="words", url=endpoint.url), None)
    model.embed(["a"])
    endpoint.script = [(200, {}, b'{"data": [{"index": 0, "embedding": [1.0, 2.0]}]}')]
    with pytest.raises(PublishError, match="shape"):
        model.embed(["a"])


def test_a_snapshot_is_asked_with_the_model_that_it_names(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    write_warehouse(tmp_path)
    spec = EmbedderSpec(provider="ollama", model="words", url=endpoint.url)
    keep_key(tmp_path, KEY)
    publish(tmp_path, embedder=make_embedder(spec, KEY))
    info = snapshot.current(tmp_path)[1].index
    assert info is not None and info.embedder == spec
    endpoint.seen.clear()
    with connect(tmp_path, "catalog_agent") as agent:
        answer = agent.search("replaced or paid back")
    assert answer.success and answer.data.rows[0]["key"] == "guides/returns.md"
    assert [(body["input"], key) for _, body, key in endpoint.seen] == [
        (["replaced or paid back"], f"Bearer {KEY}")
    ]
    everything = b"".join(
        f.read_bytes() for f in (tmp_path / "published").rglob("*") if f.is_file()
    )
    assert KEY.encode() not in everything


def test_a_key_is_kept_for_its_owner_alone_and_goes_when_none_is_set(tmp_path: Path) -> None:
    keep_key(tmp_path, KEY)
    assert (tmp_path / "secrets/embedder_key").stat().st_mode & 0o077 == 0
    assert read_key(tmp_path) == KEY
    keep_key(tmp_path, None)
    assert read_key(tmp_path) is None


def test_any_function_of_lancedbs_registry_embeds(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = get_registry()
    monkeypatch.setattr(registry, "_functions", dict(registry._functions))

    @registry.register("hashed-words")
    class Hashed(TextEmbeddingFunction):
        name: str = ""

        def ndims(self) -> int:
            return 64

        def generate_embeddings(self, texts: Any) -> list[Any]:
            return list(HashEmbedder().embed(list(texts)) * 2.0)

    model = RegistryEmbedder(EmbedderSpec(provider="hashed-words", model="any"))
    texts = [f"word {number}" for number in range(70)]
    assert np.allclose(model.embed(texts), HashEmbedder().embed(texts), atol=1e-6)


def test_what_cannot_be_made_says_what_is_missing() -> None:
    with pytest.raises(PublishError, match="sentence-transformers"):
        make_embedder(EmbedderSpec(provider="nonsense", model="x"), None)
    with pytest.raises(PublishError, match="pip install sentence-transformers"):
        make_embedder(EmbedderSpec(provider="sentence-transformers", model="/no/such/folder"), None)


def test_each_model_is_made_once(tmp_path: Path) -> None:
    made: list[HashEmbedder] = []

    def make() -> HashEmbedder:
        made.append(HashEmbedder())
        return made[-1]

    embedders = Embedders(tmp_path, make)
    assert embedders(EmbedderSpec()) is embedders(EmbedderSpec())
    assert len(made) == 1
