"""The words of a text or a query for full-text search, so that codes and names are found.

``KubePodNotReady`` is found whole and as ``kube pod not ready``, ``SKU-0042`` also as ``sku0042``.
"""

import re

_WORD = re.compile(r"[^\W_]+(?:[-_./:][^\W_]+)*")
_PLAIN = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_JOINT = re.compile(r"[-_./:]")
_LONGEST_QUERY = 2_000
# Numbers of different words must not stand side by side: together they can look like a phone's.
_APART = " | "


def searchable_terms(text: str) -> str:
    """Return the text followed by the parts of its compound words and by their joined forms."""
    extra = _compounds(text)
    return f"{text}\n{_APART.join(extra)}" if extra else text


def query_terms(query: str) -> str:
    """Return the words of a query, without any sign that a search engine could read as syntax."""
    words = " ".join(dict.fromkeys(_WORD.findall(query[:_LONGEST_QUERY])))
    return " ".join([words, *_compounds(words)])


def plain_words(text: str) -> list[str]:
    """Return the runs of letters and digits in a text, in order."""
    return _PLAIN.findall(text)


def _compounds(text: str) -> list[str]:
    """Parts and joined forms, once each; dates, times and amounts have none worth finding."""
    found: dict[str, None] = {}
    for word in dict.fromkeys(_WORD.findall(text)):
        if word.isalpha() and (word.islower() or word[1:].islower()):
            continue
        if not any(letter.isalpha() for letter in word):
            continue
        parts = [part for piece in _JOINT.split(word) for part in _HUMP.split(piece)]
        if len(parts) > 1:
            found.update(dict.fromkeys(parts))
        if _JOINT.search(word):
            found[_JOINT.sub("", word)] = None
    return list(found)
