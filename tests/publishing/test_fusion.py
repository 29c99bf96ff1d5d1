"""Fusing rankings, repeated rows, snippets, and what a question's words are worth."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.fusion import Found, Hit, Ranking, fuse
from serving.vocabulary import Vocabulary, count_words, read_words, write_words

WORDS = Vocabulary(
    count_words(["the pod is not ready", "pod restarts", "the kettle", "disk metrics", "disc"]), 5
)


def chunk(key: object, text: str = "", number: int = 0, title: str = "") -> dict[str, Any]:
    return {
        "chunk_id": f"{key}-{number}", "key": key, "number": number,
        "title": title, "heading": "", "text": text or f"text of {key}",
    }  # fmt: skip


def ranking(*keys: object, weight: float = 1.0, by_meaning: bool = False) -> Ranking:
    found = [Found("v", chunk(key), 1.0 - at / 100) for at, key in enumerate(keys)]
    return Ranking(found, weight, by_meaning)


def keys(hits: list[Hit]) -> list[object]:
    return [hit.key for hit in hits]


def test_what_both_ways_find_comes_before_what_one_finds() -> None:
    assert keys(fuse([ranking("a", "b", "c"), ranking("d", "b", "e")], [], 3))[0] == "b"


def test_a_ranking_of_little_weight_decides_little() -> None:
    meaning, words = ranking("a", "b", by_meaning=True), ranking("b", "c", weight=0.05)
    assert keys(fuse([meaning, words], [], 3)) == ["a", "b", "c"]


def test_first_by_every_way_scores_one_and_tells_both_measures() -> None:
    hit = fuse([ranking("a", by_meaning=True), ranking("a", weight=0.5)], [], 1)[0]
    assert (hit.score, hit.similarity, hit.coverage, hit.confidence) == (1.0, 1.0, 1.0, 1.0)


def test_a_row_is_shown_by_its_best_chunk() -> None:
    found = [Found("v", chunk("a", "worse", 0), 0.5), Found("v", chunk("a", "better", 1), 0.9)]
    hits = fuse([Ranking(found)], [], 5)
    assert [(hit.key, hit.chunk, hit.snippet) for hit in hits] == [("a", 1, "better")]


LONG = "the parcel to the old house was never seen again by anybody who lives there now " * 2


def test_rows_that_say_the_same_are_one_hit_with_the_other_keys() -> None:
    found = [
        Found("v", chunk(1, LONG), 0.9),
        Found("v", chunk(2, LONG.upper() + "!"), 0.8),
        Found("w", chunk(3, LONG), 0.7),
        Found("v", chunk(4, "something else"), 0.6),
        Found("v", chunk(5, LONG), 0.5),
    ]
    hits = fuse([Ranking(found)], [], 10)
    assert [(hit.table, hit.key, hit.also) for hit in hits] == [
        ("v", 1, [2, 5]), ("w", 3, []), ("v", 4, []),
    ]  # fmt: skip


def test_texts_that_differ_in_a_number_are_never_one_hit() -> None:
    found = [Found("v", chunk(number, f"{LONG} order {number}"), 1.0) for number in range(3)]
    assert keys(fuse([Ranking(found)], [], 10)) == [0, 1, 2]


def test_a_snippet_is_cut_around_the_first_word_that_matches() -> None:
    text = "nothing here. " * 60 + "At last the readiness probe fails. " + "and so on. " * 60
    hit = fuse([Ranking([Found("v", chunk("a", text, title="Probes"), 1.0)])], ["probe"], 1)[0]
    assert "readiness probe" in hit.snippet
    assert hit.snippet.startswith("…") and hit.snippet.endswith("…")
    assert len(hit.snippet) <= 302
    assert hit.highlights == ["Probes", "probe"]


@given(text=st.text(max_size=900), words=st.lists(st.text(min_size=1, max_size=12), max_size=6))
def test_a_snippet_is_part_of_any_text_for_any_words(text: str, words: list[str]) -> None:
    hit = fuse([Ranking([Found("v", chunk("a", f"x{text}"), 1.0)])], words, 1)[0]
    assert hit.snippet.strip("…") in " ".join(f"x{text}".split()) or "…" in text


@pytest.mark.parametrize(
    ("slip", "known"),
    [
        ("metrcis", "metrics"), ("metrcs", "metrics"), ("mettrics", "metrics"),
        ("netrics", "metrics"), ("raedy", "ready"), ("kettel", "kettle"),
    ],
)  # fmt: skip
def test_an_unknown_word_is_searched_with_its_neighbour(slip: str, known: str) -> None:
    assert WORDS.corrected(slip).added == [known]


@pytest.mark.parametrize("word", ["metrics", "disk", "dsik", "m3trics", "walrus", "x" * 60, ""])
def test_known_short_coded_and_far_words_are_left_alone(word: str) -> None:
    assert WORDS.corrected(word).added == []


def test_rare_words_are_worth_more_and_stop_words_nothing() -> None:
    assert WORDS.corrected("kettle").best_score > WORDS.corrected("pod").best_score
    assert WORDS.corrected("the kettle").best_score == WORDS.corrected("kettle").best_score


@given(st.text(string.ascii_lowercase, min_size=6, max_size=12), st.data())
def test_any_single_slip_of_a_known_word_finds_it(word: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(word) - 2))
    slipped = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    found = Vocabulary({word: 1}, 1).corrected(slipped).added
    assert found == ([] if slipped == word else [word])


def test_words_are_read_as_they_were_written(tmp_path: Any) -> None:
    counts = count_words(["Pod pod ready", "ready Größe 顧客", "x1"])
    assert counts == {"pod": 1, "ready": 2, "größe": 1, "顧客": 1}
    write_words(tmp_path / "t.words", counts)
    assert read_words(tmp_path / "t.words") == counts
    assert read_words(tmp_path / "none.words") == {}


def test_confidence_is_of_the_ways_that_were_asked() -> None:
    assert fuse([ranking("a")], [], 1)[0].confidence == 1.0
    alone = fuse([ranking("a", by_meaning=True), ranking("b")], [], 2)
    assert [hit.confidence for hit in alone] == [0.5, 0.5]
