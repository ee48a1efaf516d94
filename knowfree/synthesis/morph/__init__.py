"""Morphological analysers: words, parts of speech and proper names of a sentence, without a language model."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

from splits.errors import ConfigError
from splits.schema import Span

OTHER = "OTHER"  # the type of a name whose kind the analyser does not know
LANGUAGES = ("en", "ja", "ko", "zh")


@dataclass(frozen=True, slots=True)
class Analysis:
    """What an analyser finds, laid on the corpus's own tokens.

    Attributes:
        parts: words with their UPOS class, and phrases with NP, VP, ADJP or ADVP.
        words: the segmentation: words (Korean: eojeol) from start to end, exclusive.
        names: proper names with a type of the entity inventory, OTHER where the analyser does not know their kind.
    """

    parts: tuple[Span, ...] = ()
    words: tuple[tuple[int, int], ...] = ()
    names: tuple[Span, ...] = ()


class Analyser(Protocol):
    """A module of this room."""

    VERSIONS: tuple[str, ...]

    def analyse(self, tokens: Sequence[str]) -> Analysis: ...


def analyser(language: str) -> Analyser:
    """The analyser of a language: zh rjieba, ja fugashi with unidic-lite, ko kiwipiepy, en TextBlob.

    Raises:
        ConfigError: there is none; lists those there are.
    """
    if language not in LANGUAGES:
        raise ConfigError(f"there is no morphological analyser for {language!r}", f"There is one for: {', '.join(LANGUAGES)}.")
    return cast(Analyser, import_module(f"{__name__}.{language}"))


def load(module: str) -> Any:
    """An optional package.

    Raises:
        ConfigError: it is not installed; says how to install it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        mend = "Run `pip install -e '.[morph]'`: the analysers are optional."
        raise ConfigError(f"the package {module} cannot be imported: {error}", mend) from None


def clean(text: str) -> str:
    """Text that every analyser takes, character by character: control characters as blanks, lone surrogates as U+FFFD."""
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else " " if c.isspace() or unicodedata.category(c) == "Cc" else c for c in text)


def is_mark(word: str) -> bool:
    """True for a word of punctuation alone."""
    return all(unicodedata.category(c).startswith("P") for c in word)


def is_symbol(word: str) -> bool:
    """True for a word without a letter or digit."""
    return not any(unicodedata.category(c)[0] in "LNM" for c in word)


def laid(words: Iterable[tuple[str, str]], tokens: Sequence[str]) -> Iterator[Span]:
    """Words with a label, in text order, as spans of tokens; one that begins or ends inside a token is left out."""
    starts, ends = {}, {}
    offset = 0
    for place, token in enumerate(tokens):
        starts[offset] = place
        offset += len(token)
        ends[offset] = place + 1
    text, offset = clean("".join(tokens)), 0
    for word, label in words:
        at = text.find(word, offset)
        if not word or at < 0:
            continue
        offset = at + len(word)
        if at in starts and offset in ends:
            yield starts[at], ends[offset], label


def runs(classes: Sequence[str | None], least: int = 2) -> Iterator[Span]:
    """Stretches of `least` or more neighbours of one class; None is no class."""
    start = 0
    for end in range(1, len(classes) + 1):
        if end == len(classes) or classes[end] != classes[start]:
            kind = classes[start]
            if kind is not None and end - start >= least:
                yield start, end, kind
            start = end
