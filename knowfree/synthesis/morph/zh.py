"""Chinese by rjieba: words with the tags of jieba's dictionary (the ICTCLAS set)."""

from __future__ import annotations

from collections.abc import Sequence

from knowfree.synthesis.morph import Analysis, clean, is_mark, is_symbol, laid, load

VERSIONS = ("rjieba",)

# Longest prefix of a tag wins; classes as in the Chinese treebanks of Universal Dependencies.
UPOS = {
    "a": "ADJ",
    "ad": "ADV",
    "an": "NOUN",
    "b": "ADJ",
    "c": "CCONJ",
    "d": "ADV",
    "e": "INTJ",
    "eng": "X",
    "f": "ADP",
    "g": "NOUN",
    "h": "PART",
    "i": "X",
    "j": "NOUN",
    "k": "PART",
    "l": "X",
    "m": "NUM",
    "n": "NOUN",
    "nr": "PROPN",
    "ns": "PROPN",
    "nt": "PROPN",
    "nz": "PROPN",
    "o": "ADV",
    "p": "ADP",
    "q": "NOUN",
    "r": "PRON",
    "s": "NOUN",
    "t": "NOUN",
    "u": "PART",
    "v": "VERB",
    "vn": "NOUN",
    "x": "NOUN",  # a word that the dictionary lacks; what is no word is told apart by its characters
    "y": "PART",
    "z": "ADJ",
}
NAMES = {"nr": "PERSON", "ns": "LOCATION", "nt": "ORGANIZATION", "nz": "OTHER", "t": "TIME"}


def analyse(tokens: Sequence[str]) -> Analysis:
    """Words and names of a sentence of characters."""
    tagged = [(word, tag) for word, tag in load("rjieba").tag(clean("".join(tokens)), True) if not word.isspace()]
    words = list(laid(tagged, tokens))
    found = {(start, end): "".join(tokens[start:end]) for start, end, _ in words}
    return Analysis(
        parts=tuple((start, end, _upos(found[start, end], tag)) for start, end, tag in words),
        words=tuple((start, end) for start, end, _ in words),
        names=tuple((start, end, kind) for start, end, tag in words if (kind := _longest(tag, NAMES))),
    )


def _upos(word: str, tag: str) -> str:
    if is_symbol(word):
        return "PUNCT" if is_mark(word) else "SYM"
    return _longest(tag, UPOS) or "X"


def _longest(tag: str, table: dict[str, str]) -> str | None:
    return next((table[tag[:n]] for n in range(len(tag), 0, -1) if tag[:n] in table), None)
