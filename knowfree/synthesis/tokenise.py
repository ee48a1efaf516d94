"""New text cut as the corpora are: characters (zh, ja), words (en), morphemes (ko); tokens written out again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from splits.errors import ConfigError

BARE = re.compile(r"n(?='t\b)|[^\W\d_]+(?=n't\b)|[^\W\d_]+|\d+|[$£€]")
CLITIC = re.compile(r"(?i)^(.+?)('s|'re|'ve|'ll|'d|'m|n't)$")
WRITTEN = re.compile(r"[$£€]|\d+(?:[.,:]\d+)*%?(?!\w)|(?:[A-Z]\.){2,}|(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|vs)\.|\w+(?:[-'’&]\w+)*|\.{2,}|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Style:
    """How an English corpus writes: MIT Movie is lower-cased (`lower`) and without punctuation (`marks` False)."""

    lower: bool = False
    marks: bool = True

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]]) -> Style:
        """The style of a corpus, from sentences of it: lower without a capital, no marks without a full stop or comma."""
        tokens = {token for sentence in sentences for token in sentence}
        if not tokens:
            return cls()
        return cls(lower=not any(c.isupper() for token in tokens for c in token), marks=bool(tokens & {".", ",", "?", "!"}))


WRITTEN_ENGLISH = Style()


def tokenise(text: str, language: str, style: Style = WRITTEN_ENGLISH) -> tuple[str, ...]:
    """The tokens of a text, none of them empty.

    zh: characters without blanks (Weibo has none). ja: characters, a run of blanks as one (Wikipedia's stay). ko: morphemes
    in KLP's form. en: words in the corpus's style: with marks, as the Penn treebank does (film 's, do n't); without, runs of
    letters or digits, apostrophes as cuts (film s, do n t).

    Raises:
        ConfigError: the language is none of these, or Korean's analyser is not installed.
    """
    if language == "zh":
        return tuple("".join(text.split()))
    if language == "ja":
        return tuple(" ".join(text.split()))
    if language == "ko":
        from knowfree.synthesis.morph import ko

        return ko.morphemes(text)
    if language == "en":
        return tuple(_english(text, style))
    raise _unknown(language)


def _english(text: str, style: Style) -> Iterable[str]:
    text = text.replace("’", "'")
    text = text.lower() if style.lower else text
    if not style.marks:
        yield from BARE.findall(text)
        return
    for word in WRITTEN.findall(text):
        stem = CLITIC.match(word)
        yield from stem.groups() if stem else (word,)


def detokenise(tokens: Sequence[str], language: str) -> str:
    """A sentence as one reads it: zh and ja without blanks, en with one between tokens, ko with morphemes merged and spaced.

    Raises:
        ConfigError: the language is none of these, or Korean's analyser is not installed.
    """
    if language in {"zh", "ja"}:
        return "".join(tokens)
    if language == "ko":
        from knowfree.synthesis.morph import ko

        return ko.joined(tokens)
    if language == "en":
        return " ".join(tokens)
    raise _unknown(language)


def _unknown(language: str) -> ConfigError:
    return ConfigError(f"there is no tokeniser for {language!r}", "There is one for: en, ja, ko, zh.")
