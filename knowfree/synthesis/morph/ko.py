"""Korean by kiwipiepy: morphemes as the corpora write them, their Sejong tags, and the eojeol that they form."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate, groupby
from typing import Any

from knowfree.synthesis.hangul import CODAS
from knowfree.synthesis.morph import OTHER, Analysis, clean, is_symbol, load, runs
from splits.schema import Span

VERSIONS = ("kiwipiepy", "kiwipiepy_model")

# By the longest prefix of the Sejong tag. Endings and particles have no class of their own in UPOS, which tags eojeol.
UPOS = {
    "E": "PART",
    "IC": "INTJ",
    "J": "ADP",
    "JC": "CCONJ",
    "MAG": "ADV",
    "MAJ": "CCONJ",
    "MM": "DET",
    "NNB": "NOUN",
    "NNG": "NOUN",
    "NNP": "PROPN",
    "NP": "PRON",
    "NR": "NUM",
    "SB": "PUNCT",
    "SE": "PUNCT",
    "SF": "PUNCT",
    "SN": "NUM",
    "SO": "SYM",
    "SP": "PUNCT",
    "SS": "PUNCT",
    "SW": "SYM",
    "VA": "ADJ",
    "VC": "AUX",
    "VV": "VERB",
    "VX": "AUX",
    "XPN": "PART",
    "XR": "NOUN",
    "XSA": "ADJ",
    "XSM": "ADV",
    "XSN": "PART",
    "XSV": "VERB",
}
HANGUL = re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]")
NOMINAL = ("NNG", "NNP", "NNB", "NR", "SN", "XPN", "XSN", "XR", "SL", "SH")
STEM = {"VV": "VERB", "VA": "ADJ", "XSV": "VERB", "XSA": "ADJ", "VX": "AUX", "VCP": "AUX", "VCN": "AUX"}
MARKS = {"Ps": "SSO", "Pi": "SSO", "Pe": "SSC", "Pf": "SSC"}  # by Unicode category
UNKNOWN = "NNG"  # the commonest tag
STOPS = {".": "SF", "?": "SF", "!": "SF", "…": "SE", "-": "SO", "~": "SO", "∼": "SO", "%": "SW"}


@cache
def _kiwi() -> Any:
    return load("kiwipiepy").Kiwi(num_workers=1, integrate_allomorph=False)  # 아 and 어 stay apart, as in the corpora


def morphemes(text: str) -> tuple[str, ...]:
    """The morphemes of a text as KLP writes them: codas as letters (ㄴ), 하 + 아 where it is written 하여 or 해."""
    found: list[str] = []
    for token in _kiwi().tokenize(clean(text), compatible_jamo=True):
        form = token.form
        if token.tag.startswith("E") and found and found[-1].endswith("하") and form[0] in "여였":
            form = ("아" if form[0] == "여" else "았") + form[1:]
        found.append(form)
    return tuple(found)


def tags(tokens: Sequence[str]) -> tuple[str, ...]:
    """The Sejong tag of each morpheme: kiwi is told where morphemes are, and finds what they are in their context."""
    return _analysed(tuple(tokens))[0]


def joined(tokens: Sequence[str]) -> str:
    """A sentence of morphemes as one would write it, with spaces and merged syllables."""
    return _analysed(tuple(tokens))[1]


def eojeol(tokens: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Spans of morphemes that are written without a space."""
    return _analysed(tuple(tokens))[2]


def analyse(tokens: Sequence[str]) -> Analysis:
    """Morphemes, compounds (nominal morphemes in a row) and inflected forms (stem and endings) of a sentence.

    A name is a run of proper nouns, of unknown kind.
    """
    found = tags(tokens)
    words = eojeol(tokens)
    spans: set[Span] = {(i, i + 1, _upos(tag)) for i, tag in enumerate(found)}
    for start, end in words:
        spans.update(_compounds(found, start, end))
        spans.update(_inflected(found, start, end))
    names = runs(["PROPN" if tag == "NNP" else None for tag in found], least=1)
    return Analysis(parts=tuple(sorted(spans)), words=words, names=tuple((start, end, OTHER) for start, end, _ in names))


def _compounds(found: Sequence[str], start: int, end: int) -> Iterator[Span]:
    for nominal, members in groupby(range(start, end), key=lambda i: found[i].startswith(NOMINAL)):
        places = list(members)
        if nominal and len(places) > 1:
            yield places[0], places[-1] + 1, "PROPN" if all(found[i] == "NNP" for i in places) else "NOUN"


def _inflected(found: Sequence[str], start: int, end: int) -> Iterator[Span]:
    """A stem, what derives it, and its endings; marks at the end stay out. The last deriving stem says the class."""
    at = next((i for i in range(start, end) if found[i] in STEM), None)
    if at is None:
        return
    last = max((i for i in range(at, end) if found[i] in STEM or found[i].startswith("E")), default=at)
    while at > start and found[at - 1].startswith(("XR", "NNG")) and found[at].startswith("XS"):
        at -= 1  # 시작 + 하: the root belongs to the verb
    head = next((found[i] for i in range(at, last + 1) if found[i] in STEM), "")
    if last > at and head:
        yield at, last + 1, STEM[head]


def _upos(tag: str) -> str:
    return next((UPOS[tag[:n]] for n in range(len(tag), 0, -1) if tag[:n] in UPOS), "X")


def _conjoining(token: str) -> str:
    """A morpheme as kiwi writes it: a lone coda (ㄴ) as a conjoining jamo."""
    return chr(0x11A8 + CODAS.index(token[0])) + token[1:] if token and token[0] in CODAS else token


def _given(token: str) -> str | None:
    """The tag of a token that is no Hangul, which kiwi would otherwise take for a noun."""
    if HANGUL.search(token):
        return None
    if all(c in STOPS for c in token):
        return STOPS[token[0]]
    if is_symbol(token):
        category = unicodedata.category(token[0])
        return MARKS.get(category, "SP" if category == "Po" and token not in "'\"" else "SSO" if token in "'\"" else "SW")
    if all(c.isdecimal() or c in ",." for c in token):
        return "SN"
    return "SH" if all("CJK" in unicodedata.name(c, "") for c in token) else "SL"


@cache
def _analysed(tokens: tuple[str, ...]) -> tuple[tuple[str, ...], str, tuple[tuple[int, int], ...]]:
    """Tags, text and eojeol of a sentence of morphemes."""
    kiwi = _kiwi()
    shown = [_conjoining(clean(token)).replace(" ", "_") or "_" for token in tokens]
    given = [_given(token) for token in shown]
    starts = [0, *accumulate(len(token) + 1 for token in shown)]
    places = [(at, at + len(t)) if tag is None else (at, at + len(t), tag) for at, t, tag in zip(starts, shown, given, strict=False)]
    at_place: dict[int, str] = {}
    for token in kiwi.tokenize(" ".join(shown), pretokenized=places):
        if token.len:  # it adds a copula of no length where none is written
            at_place.setdefault(token.start, token.tag.partition("-")[0])
    found = tuple(tag or at_place.get(at, UNKNOWN) for tag, at in zip(given, starts, strict=False))
    if not tokens:
        return (), "", ()
    text, spans = kiwi.join(list(zip(shown, found, strict=True)), return_positions=True)
    return found, text, tuple(_words(text, spans))


def _words(text: str, places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Stretches of morphemes with no blank of the text between their places."""
    start = 0
    for i in range(1, len(places) + 1):
        if i == len(places) or " " in text[places[i - 1][0] : places[i][0]]:
            yield start, i
            start = i
