"""New text cut as the corpora are: their own sentences, written out and cut again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowfree.synthesis.tokenise import Style, detokenise, tokenise
from splits import corpora
from splits.download import fetch
from splits.errors import ConfigError
from splits.schema import Sentence
from tests.knowfree.synthesis.analysers import needs


def sentences(name: str, mirror: Path | None = None) -> list[Sentence]:
    return list(corpora.read(name, fetch(name, mirror=mirror)).splits["train"])


def token_f1(gold: list[tuple[str, ...]], found: list[tuple[str, ...]]) -> float:
    """Tokens in common, a sentence at a time, order aside."""
    same = sum((Counter(a) & Counter(b)).total() for a, b in zip(gold, found, strict=True))
    return 2 * same / sum(len(a) + len(b) for a, b in zip(gold, found, strict=True))


def round_trip(name: str, language: str, mirror: Path | None = None, at_most: int | None = None) -> float:
    gold = [s.text for s in sentences(name, mirror)[:at_most]]
    style = Style.of(gold)
    return token_f1(gold, [tokenise(detokenise(tokens, language), language, style) for tokens in gold])


@pytest.mark.parametrize(("name", "language"), [("demo_zh", "zh"), ("demo_ja", "ja"), ("demo_en", "en")])
def test_demo_sentences_come_back_as_they_were(name: str, language: str) -> None:
    assert round_trip(name, language) == 1


def test_korean_demo_sentences_come_back_nearly_as_they_were() -> None:
    needs("kiwipiepy")
    assert round_trip("demo_ko", "ko", at_most=60) > 0.9


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "language", "floor"),
    [("mit_movie", "en", 1.0), ("weibo", "zh", 0.999), ("stockmark_ja", "ja", 0.9999), ("klp_ko", "ko", 0.93)],
)
def test_real_sentences_come_back(name: str, language: str, floor: float, mirror: Path) -> None:
    if language == "ko":
        needs("kiwipiepy")
    assert round_trip(name, language, mirror, at_most=400 if language == "ko" else None) >= floor


@pytest.mark.real
def test_korean_text_as_written_is_cut_into_the_morphemes_of_klp(mirror: Path) -> None:
    """From the raw line, with no help from gold morphemes."""
    needs("kiwipiepy")
    from splits.conll import blocks
    from splits.corpora import klp_ko

    path = fetch("klp_ko", mirror=mirror)["dev"]
    texts = [block[0][1][1:].strip() for block in blocks(path, newline="\r\n")]
    assert token_f1([s.text for s in klp_ko.sentences(path, "dev")], [tokenise(text, "ko") for text in texts]) > 0.94


def test_english_in_the_style_of_the_corpus() -> None:
    text = "Don't miss Ann Poe's 1970s film (in the U.S.), it's re-issued!"
    bare = tokenise(text, "en", Style(lower=True, marks=False))
    assert " ".join(bare) == "do n t miss ann poe s 1970 s film in the u s it s re issued"
    assert " ".join(tokenise(text, "en")) == "Do n't miss Ann Poe 's 1970s film ( in the U.S. ) , it 's re-issued !"


def test_the_style_of_a_corpus_is_seen_in_it() -> None:
    assert Style.of([["who", "directed", "it"]]) == Style(lower=True, marks=False)
    assert Style.of([["Who", "directed", "it", "?"]]) == Style(lower=False, marks=True)
    assert Style.of([]) == Style()


@given(st.text(), st.sampled_from(["en", "ja", "zh"]), st.booleans())
def test_tokens_are_never_empty_and_lose_no_letter(text: str, language: str, marks: bool) -> None:
    tokens = tokenise(text, language, Style(marks=marks))
    assert all(tokens)
    kept = [c for c in "".join(tokens) if c.isalnum()]
    assert Counter(kept) == Counter(c for c in text if c.isalnum()) or not text.isascii()


def test_an_unknown_language_is_refused() -> None:
    for cut in (lambda: tokenise("x", "fr"), lambda: detokenise(["x"], "fr")):
        with pytest.raises(ConfigError, match="'fr'"):
            cut()
