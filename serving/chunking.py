"""Cuts the text of a row into pieces that fit the embedding model.

title, text -> sections by markdown heading -> sentences -> chunks of about 200 tokens
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Changes when the same text would be cut differently.
CHUNKING = "1"
# The model reads 256 tokens; title and heading path take some of them.
_BUDGET = 190
_OVERLAP = 30
_HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t]*#*$")
_FENCE = re.compile(r"^[ \t]*(```|~~~)")
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+|(?<=[。！？])|\n+")
_WORD = re.compile(r"\S+")
# About the pieces that a word-piece model makes of a word, and of a blob such as base64.
_PIECE = re.compile(r"[^\W\d_]{1,5}|\d{1,3}|[^\w\s]|_")
_BLOB_PIECE = re.compile(r"[^\W\d_]{1,2}|\d|[^\w\s]|_")
_BLOB = re.compile(r"\S{41}")


@dataclass(frozen=True)
class Chunk:
    """A piece of a row's text; ``heading`` is its path of headings, outermost first."""

    number: int
    heading: str
    text: str


def chunk_text(title: str | None, text: str | None) -> list[Chunk]:
    """Return the chunks of one row; where there is no text, one for its title or headings."""
    sections = list(_sections(_body(text)))
    pieces = [
        (heading, piece) for heading, section in sections for piece in _pack(_sentences(section))
    ]
    if not pieces and has_text(title, text):
        pieces = [(sections[-1][0], "")]
    return [Chunk(number, heading, piece) for number, (heading, piece) in enumerate(pieces)]


def has_text(title: str | None, text: str | None) -> bool:
    """Tell whether ``chunk_text`` gives at least one chunk, without cutting."""
    if title and title.strip():
        return True
    return any(heading or section.strip() for heading, section in _sections(_body(text)))


def count_tokens(text: str) -> int:
    """Estimate the model's tokens in a text, rather above; a sign outside ASCII counts as one."""
    if text.isascii() and not _BLOB.search(text):
        return len(_PIECE.findall(text))
    return sum(_weight(piece) for piece in _pieces(text))


def _body(text: str | None) -> str:
    return _FRONT_MATTER.sub("", (text or "").replace("\r\n", "\n").replace("\x00", " "))


def _pieces(text: str) -> Iterator[re.Match[str]]:
    for word in _WORD.finditer(text):
        form = _BLOB_PIECE if _BLOB.match(word[0]) else _PIECE
        yield from form.finditer(text, word.start(), word.end())


def _weight(piece: re.Match[str]) -> int:
    return 1 if piece[0].isascii() else len(piece[0])


def _sections(text: str) -> Iterator[tuple[str, str]]:
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    fenced = False
    for line in text.split("\n"):
        fenced ^= _FENCE.match(line) is not None
        heading = None if fenced else _HEADING.match(line)
        if heading is None:
            lines.append(line)
            continue
        yield _joined(path), "\n".join(lines)
        level = len(heading[1])
        path = [(above, name) for above, name in path if above < level]
        path.append((level, heading[2]))
        lines = []
    yield _joined(path), "\n".join(lines)


def _joined(path: list[tuple[int, str]]) -> str:
    return " > ".join(name for _, name in path)


def _sentences(section: str) -> Iterator[tuple[str, int]]:
    """Yield sentences with their sizes; a sentence above the budget comes in parts."""
    for sentence in _SENTENCE_END.split(section):
        sentence = sentence.strip()
        if not sentence:
            continue
        size = count_tokens(sentence)
        if size <= _BUDGET:
            yield sentence, size
        else:
            yield from _parts(sentence)


def _parts(sentence: str) -> Iterator[tuple[str, int]]:
    start = 0
    size = 0
    for piece in _pieces(sentence):
        weight = _weight(piece)
        if size and size + weight > _BUDGET:
            yield sentence[start : piece.start()].strip(), size
            start, size = piece.start(), 0
        size += weight
    yield sentence[start:].strip(), size


def _pack(sentences: Iterator[tuple[str, int]]) -> Iterator[str]:
    """Join sentences up to the budget; the next chunk repeats the end of the one before."""
    held: list[tuple[str, int]] = []
    fresh = False
    for sentence, size in sentences:
        if held and sum(weight for _, weight in held) + size > _BUDGET:
            yield "\n".join(text for text, _ in held)
            held = _tail(held, _BUDGET - size)
        held.append((sentence, size))
        fresh = True
    if fresh:
        yield "\n".join(text for text, _ in held)


def _tail(held: list[tuple[str, int]], room: int) -> list[tuple[str, int]]:
    kept: list[tuple[str, int]] = []
    budget = min(_OVERLAP, room)
    for sentence, size in reversed(held):
        if size > budget:
            break
        kept.insert(0, (sentence, size))
        budget -= size
    return kept
