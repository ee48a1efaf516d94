"""Overlap with held-out text: what a training sentence may not share with dev or test."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from knowfree.synthesis.hangul import letters
from splits.errors import ConfigError
from splits.schema import Sentence

Units = tuple[str, ...]
Hit = Literal["equal", "contains", "within", "shares"]
HITS: tuple[Hit, ...] = ("equal", "contains", "within", "shares")


@dataclass(frozen=True, slots=True)
class Limits:
    """From how many units on an overlap counts; a unit is what `units` says.

    Attributes:
        shared: a run of so many units in common is a hit.
        contained: a whole sentence of so many units inside the other is a hit; shorter ones only where both are equal,
            because everybody writes "who directed it".

    Raises:
        ValueError: a limit is below 1.
    """

    shared: int
    contained: int

    def __post_init__(self) -> None:
        if min(self.shared, self.contained) < 1:
            raise ValueError("limits of the guard count units: 1 or more")


# Sentences that people wrote independently seldom hit: of the train sentences of stockmark_ja 0.4 % share a run with test, of klp_ko
# 0.1 %, of genia 1.1 %, of weibo 2.0 % beside its 41 copies; 5 % of mit_movie, whose questions start alike.
LIMITS: Mapping[str, Limits] = {
    "en": Limits(shared=8, contained=5),  # words
    "zh": Limits(shared=13, contained=8),  # characters
    "ja": Limits(shared=13, contained=8),
    "ko": Limits(shared=30, contained=18),  # letters: about 13 and 8 syllables
}


def limits_of(language: str) -> Limits:
    """The limits of a language.

    Raises:
        ConfigError: it has none.
    """
    if language not in LIMITS:
        raise ConfigError(f"the guard has no limits for {language!r}", f"It knows {', '.join(sorted(LIMITS))}; give limits of your own.")
    return LIMITS[language]


_CONTRACTED = re.compile(r"(?<=[^\W\d_])n['’]t\b")
_WORDS = re.compile(r"[^\W_]+")
_LETTERS = re.compile(r"[0-9a-z\u00df-\u00f6\u00f8-\u024f]+|[^\W_]")  # a run of Latin letters and digits is one unit


def units(tokens: Iterable[str], language: str) -> Units:
    """What is compared: compatibility forms, case, blanks and punctuation are folded away, and with them the tokenisation.

    English: words (`don't` is `do n t`, as treebank tokens have it). Korean: letters of the syllables, so that morphemes
    (`오르 ㄴ다`) meet the text that they stand for (`오른다`). Other languages: characters, a Latin word counting as one.
    """
    if language == "en":
        return tuple(_WORDS.findall(_CONTRACTED.sub(" n t", folded(" ".join(tokens)))))
    text = folded("".join("".join(tokens).split()))
    if language == "ko":
        text = letters(text)
    return tuple(_LETTERS.findall(text))


def folded(text: str) -> str:
    """Without compatibility forms and case."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def runs(sentence: Units, length: int) -> Iterator[str]:
    """All runs of so many units, each as a string."""
    for i in range(len(sentence) - length + 1):
        yield _joined(sentence[i : i + length])


def _joined(sentence: Sequence[str]) -> str:
    return f" {' '.join(sentence)} "  # blanks at both ends: a run never starts or stops inside a unit


class Guard:
    """Tells whether a sentence overlaps with a held-out one.

    Looking up costs the sentence's own length, whatever the size of the held-out text; only a sentence shorter than
    `shared` is searched for in all of it.
    """

    def __init__(self, held_out: Iterable[Sentence], language: str, limits: Limits | None = None) -> None:
        """Index the held-out sentences; without `limits` those of the language.

        Raises:
            ConfigError: the language has no limits and none are given.
        """
        self.language = language
        self.limits = limits or limits_of(language)
        known = {found for sentence in held_out if (found := units(sentence.text, language))}
        self._equal = frozenset(map(_joined, known))
        self._shared = frozenset(run for sentence in known for run in runs(sentence, self.limits.shared))
        # A held-out sentence of `shared` units or more that is contained shares a run, so these short ones are all there is to find.
        short = [sentence for sentence in known if self.limits.contained <= len(sentence) < self.limits.shared]
        self._short = frozenset(map(_joined, short))
        self._lengths = sorted({len(sentence) for sentence in short})
        self._all = "\n".join(sorted(self._equal))

    def hit(self, tokens: Sequence[str]) -> Hit | None:
        """The first that is true of the sentence, or None: it is `equal` to a held-out sentence, `contains` one, lies
        `within` one, `shares` a long run of units with one."""
        found = units(tokens, self.language)
        if not found:
            return None
        if _joined(found) in self._equal:
            return "equal"
        if any(run in self._short for length in self._lengths for run in runs(found, length)):
            return "contains"
        if self.limits.contained <= len(found) < self.limits.shared:
            return "within" if _joined(found) in self._all else None
        return "shares" if any(run in self._shared for run in runs(found, self.limits.shared)) else None


def overlap(sample: Sequence[Sentence], held_out: Iterable[Sentence], language: str, limits: Limits | None = None) -> dict[str, int]:
    """How many sentences of a sample (a draw) overlap with held-out ones (test): in all, and by the kind of hit."""
    guard = Guard(held_out, language, limits)
    hits = Counter(guard.hit(sentence.text) for sentence in sample)
    return {"sentences": len(sample), "overlapping": len(sample) - hits[None]} | {kind: hits[kind] for kind in HITS}
