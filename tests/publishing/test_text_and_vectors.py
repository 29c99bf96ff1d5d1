"""Cutting texts, finding their words, and turning them into vectors."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from serving import embedder
from serving.chunking import chunk_text, count_tokens, has_text
from serving.embedder import MiniLm, builtin_model_dir
from serving.errors import PublishError
from serving.patterns import find_patterns
from serving.terms import query_terms, searchable_terms

REFERENCE = Path(__file__).parents[3] / "shared/data/minilm_reference.json"
MODEL_TOKENS = 256
# The first components of the reference vectors, for where that file is not.
KNOWN: dict[str, Sequence[float]] = {
    "Where is my order 42?": (0.0047, 0.0030, 0.0646, 0.0522, 0.0087, 0.0431),
    "KubePodNotReady": (-0.0059, 0.0166, 0.0635, -0.0263, -0.0812, -0.0059),
    "": (-0.1188, 0.0483, -0.0025, -0.0110, 0.0520, 0.0103),
}


def test_vectors_agree_with_the_models_own_implementation(minilm: MiniLm) -> None:
    vectors = minilm.embed(list(KNOWN))
    for vector, expected in zip(vectors, KNOWN.values(), strict=True):
        assert vector[: len(expected)] == pytest.approx(expected, abs=0.002)


@pytest.mark.skipif(not REFERENCE.is_file(), reason="the reference vectors are not beside us")
def test_vectors_agree_with_twenty_reference_texts(minilm: MiniLm) -> None:
    reference = json.loads(REFERENCE.read_text(encoding="utf-8"))
    cosines = (minilm.embed(reference["texts"]) * np.array(reference["vectors"])).sum(axis=1)
    assert cosines.min() > 0.9999


def test_a_vector_is_the_same_in_any_company_and_order(minilm: MiniLm) -> None:
    texts = ["short", "a much longer text about parcels " * 30, "", "顧客からの苦情", "x" * 5_000]
    together = minilm.embed(texts)
    alone = np.concatenate([minilm.embed([text]) for text in texts])
    assert np.abs(together - alone).max() < 1e-5
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_progress_counts_every_text_and_no_text_gives_no_vector(minilm: MiniLm) -> None:
    told: list[tuple[int, int]] = []
    minilm.embed(["a"] * 1_000, lambda done, total: told.append((done, total)))
    assert told[-1] == (1_000, 1_000)
    assert len(told) > 1
    assert minilm.embed([]).shape == (0, 384)


def test_the_matrix_library_is_left_with_the_cores_that_it_had(minilm: MiniLm) -> None:
    before = threadpool_info()
    during: list[int] = []
    minilm.embed(["a", "b"], lambda *_: during.extend(_blas_threads()))
    assert set(during) == {1}
    assert threadpool_info() == before


def _blas_threads() -> list[int]:
    return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match=r"model\.safetensors"):
        MiniLm(tmp_path)


def test_a_missing_model_package_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder, "_MODEL_PACKAGE", "no_such_package_of_weights")
    with pytest.raises(PublishError, match="make setup"):
        builtin_model_dir()


def test_markdown_is_cut_at_headings_and_keeps_their_path() -> None:
    text = (
        "---\ntitle: x\n---\nIntro.\n# Disk\n\n## Meaning ##\n\nIt is full.\n"
        "```sh\n# no heading\ndf -h\n```\n## Fix\nDelete logs.\n# Other\nMore."
    )
    assert [(chunk.number, chunk.heading, chunk.text) for chunk in chunk_text("t", text)] == [
        (0, "", "Intro."),
        (1, "Disk > Meaning", "It is full.\n```sh\n# no heading\ndf -h\n```"),
        (2, "Disk > Fix", "Delete logs."),
        (3, "Other", "More."),
    ]


def test_a_long_text_is_cut_at_sentences_with_overlap_and_loses_none() -> None:
    sentences = [f"Sentence number {number} is about parcels and mugs." for number in range(120)]
    chunks = chunk_text(None, " ".join(sentences))
    lines = [chunk.text.split("\n") for chunk in chunks]
    assert len(chunks) > 3
    assert list(dict.fromkeys(line for chunk in lines for line in chunk)) == sentences
    assert all(after[0] in before for before, after in zip(lines, lines[1:], strict=False))


def test_without_text_the_title_or_the_headings_are_a_chunk_and_nothing_is_none() -> None:
    assert [chunk.text for chunk in chunk_text("Mug", None)] == [""]
    assert [chunk.heading for chunk in chunk_text(None, "# Only\n## Headings")] == [
        "Only > Headings"
    ]
    assert chunk_text(None, None) == chunk_text("  ", "\n\n") == chunk_text("", "") == []


@pytest.mark.parametrize(
    "text",
    [
        "word " * 3_000,
        "x" * 20_000,
        "顧客からの苦情です。" * 400,
        "שלום לקוח יקר. " * 400,
        "AAEAAAD/////AQAAAAAAAAAMAgAAAE" * 300,
        "a.b.c.d!" * 900,
        "\x00\x01\x02" * 900,
    ],
)
def test_a_chunk_of_any_script_fits_the_model(minilm: MiniLm, text: str) -> None:
    tokenizer = minilm._tokenizer
    tokenizer.no_truncation()
    try:
        sizes = [len(tokenizer.encode(chunk.text).ids) for chunk in chunk_text(None, text)]
    finally:
        tokenizer.enable_truncation(MODEL_TOKENS)
    assert sizes
    assert max(sizes) <= MODEL_TOKENS


@given(st.text(max_size=3_000), st.text(max_size=20))
def test_any_text_is_cut_the_same_way_each_time_within_the_budget(text: str, title: str) -> None:
    chunks = chunk_text(title, text)
    assert chunks == chunk_text(title, text)
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    assert all(count_tokens(chunk.text) <= 200 for chunk in chunks)
    assert has_text(title, text) is bool(chunks)


def test_compound_words_are_found_whole_in_parts_and_joined() -> None:
    assert query_terms("KubePodNotReady fires").split() == [
        "KubePodNotReady", "fires", "Kube", "Pod", "Not", "Ready",
    ]  # fmt: skip
    assert {"SKU", "00042", "AB", "SKU00042AB"} <= set(searchable_terms("SKU-00042-AB").split())
    assert {"HTTP", "Server"} <= set(searchable_terms("HTTPServer").split())
    assert searchable_terms("plain words") == "plain words"


@pytest.mark.parametrize("query", ["'", '"', "*", "()", "&&", "\\", "--", "🙂", "\x00"])
def test_signs_alone_are_no_words(query: str) -> None:
    assert query_terms(query) == ""


def test_the_parts_of_dates_and_codes_never_look_like_a_phone_number() -> None:
    text = "Last reviewed 2026-11-21 04:32:32.793666 UTC, part GRI-0004 and 202-555 of A-0142."
    assert find_patterns(text) == find_patterns(searchable_terms(text)) == set()
