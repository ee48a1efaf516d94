"""English by TextBlob: Penn tags from the lexicon in its wheel, and the phrases that they form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from knowfree.synthesis.morph import OTHER, Analysis, clean, is_mark, is_symbol, load, runs
from splits.schema import Span

VERSIONS = ("textblob",)

UPOS = {
    "CC": "CCONJ",
    "CD": "NUM",
    "DT": "DET",
    "EX": "PRON",
    "FW": "X",
    "IN": "ADP",
    "JJ": "ADJ",
    "JJR": "ADJ",
    "JJS": "ADJ",
    "MD": "AUX",
    "NN": "NOUN",
    "NNS": "NOUN",
    "NNP": "PROPN",
    "NNPS": "PROPN",
    "PDT": "DET",
    "POS": "PART",
    "PRP": "PRON",
    "PRP$": "PRON",
    "RB": "ADV",
    "RBR": "ADV",
    "RBS": "ADV",
    "RP": "ADP",
    "TO": "PART",
    "UH": "INTJ",
    "VB": "VERB",
    "VBD": "VERB",
    "VBG": "VERB",
    "VBN": "VERB",
    "VBP": "VERB",
    "VBZ": "VERB",
    "WDT": "PRON",
    "WP": "PRON",
    "WP$": "PRON",
    "WRB": "ADV",
}
PHRASES = frozenset({"NP", "VP", "ADJP", "ADVP"})
COMPOUND = frozenset({"NOUN", "PROPN"})


def analyse(tokens: Sequence[str]) -> Analysis:
    """Words, phrases, and compounds (two or more nouns in a row) of a sentence of words.

    A name is a run of proper nouns, of unknown kind; lower-cased text has none.
    """
    words = [clean(token).replace(" ", "_") or "_" for token in tokens]
    parser = load("textblob.en").parser
    rows = parser.find_chunks(parser.find_tags(words))
    parts = [_upos(word, row[1]) for word, row in zip(words, rows, strict=True)]
    spans = [(i, i + 1, part) for i, part in enumerate(parts)]
    spans.extend(runs([part if part in COMPOUND else None for part in parts]))
    spans.extend(_phrases([row[2] for row in rows]))
    return Analysis(
        parts=tuple(sorted(spans)),
        words=tuple((i, i + 1) for i in range(len(tokens))),
        names=tuple((start, end, OTHER) for start, end, _ in runs([part if part == "PROPN" else None for part in parts], least=1)),
    )


def _upos(word: str, tag: str) -> str:
    if is_symbol(word):
        return "PUNCT" if is_mark(word) else "SYM"
    return UPOS.get(tag, "X")


def _phrases(chunks: Sequence[str]) -> Iterator[Span]:
    """Phrases of B-/I- tags."""
    start, kind = 0, ""
    for i, chunk in enumerate([*chunks, "O"]):
        if not chunk.startswith("I-"):
            if kind in PHRASES:
                yield start, i, kind
            start, kind = i, chunk[2:]
