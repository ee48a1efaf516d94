"""Mentions laid on a sentence: strings with a label become spans of the corpus's own tokens.

A mention stands wherever a run of tokens spells it, and only there: what begins or ends inside a token, or is not in the
sentence, gets no span. Spelling is compared folded: NFKC (character by character), case and blanks do not count. In Korean
the tokens are morphemes, which merge when written (보 + ㄴ is 본): there a run spells all that `hangul.spellings` says.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from knowfree.synthesis.hangul import OVERLAP, grown, letters


@dataclass(frozen=True, slots=True)
class Mention:
    """A string of the sentence and what it is said to be."""

    text: str
    label: str


@dataclass(frozen=True, slots=True, order=True)
class Aligned:
    """A mention in its place: tokens from `start` to `end` (exclusive)."""

    start: int
    end: int
    label: str


@lru_cache(maxsize=100_000)
def _folded(character: str) -> str:
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(c for c in decomposed if not c.isspace() and unicodedata.category(c) not in {"Cc", "Cf"})


def fold(text: str, language: str = "") -> str:
    """Text without case, width, blanks and invisible characters; for `ko` spelt in letters.

    Character by character, so that the fold of a join is the join of the folds: tokens can be folded apart.
    """
    folded = "".join(map(_folded, text))
    return letters(folded) if language == "ko" else folded


def align(mentions: Iterable[Mention], tokens: Sequence[str], language: str = "") -> list[Aligned]:
    """Every place of every mention, in text order, each once.

    A run begins and ends at a token that writes something, so a blank token at an edge belongs to no span.
    """
    folded = [fold(token, language) for token in tokens]
    find = _merging if language == "ko" else _Plain(folded)
    found: set[Aligned] = set()
    for mention in mentions:
        spelt = fold(mention.text, language)
        if spelt:
            found.update(Aligned(start, end, mention.label) for start, end in find(spelt, folded))
    return sorted(found)


class _Plain:
    """Runs of tokens that join into a string as they are: found in the joined text, kept where both edges are token edges."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.text = "".join(tokens)
        self.starts: dict[int, int] = {}  # offset -> token
        self.ends: dict[int, int] = {}
        offset = 0
        for place, token in enumerate(tokens):
            if token:
                self.starts[offset] = place
                offset += len(token)
                self.ends[offset] = place + 1

    def __call__(self, spelt: str, _: Sequence[str]) -> Iterator[tuple[int, int]]:
        at = self.text.find(spelt)
        while at >= 0:
            end = at + len(spelt)
            if at in self.starts and end in self.ends:
                yield self.starts[at], self.ends[end]
            at = self.text.find(spelt, at + 1)


def _merging(spelt: str, tokens: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Runs of morphemes that may be written as a string: from each start, all partial spellings that can still become it."""
    for start, first in enumerate(tokens):
        written = {first} if first and _may_become(first, spelt) else set()
        end = start + 1
        if spelt in written:
            yield start, end
        while written and end < len(tokens):
            token = tokens[end]
            end += 1
            if not token:
                continue
            steps = {(before, after) for before in written for after in grown(before, token) if _may_become(after, spelt)}
            if any(after == spelt and before != after for before, after in steps):
                yield start, end
            written = {after for _, after in steps}


def _may_become(written: str, spelt: str) -> bool:
    """True unless the part that no rule can change any more already differs."""
    return spelt.startswith(written[:-OVERLAP]) and len(written) <= len(spelt) + OVERLAP
