"""Alignment against brute force over all runs of tokens, and against how Koreans write."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowfree.synthesis.align import Aligned, Mention, align, fold
from knowfree.synthesis.hangul import letters, spellings
from splits.conll import blocks
from splits.corpora import klp_ko
from splits.download import fetch

LETTERS = "aAbＢß京東ｶﾞが é가ᄀ\u3000\t\u200b\ud800🙂"
WORDS = st.lists(st.text(LETTERS, min_size=1, max_size=3), max_size=7)
MORPHEMES = ("하", "았", "다는", "이", "ㄴ", "살", "가", "아", "보", "었", "다", "기자", "것", "은", "돕", "크", "홍길동", "를", "A")
KOREAN = st.lists(st.sampled_from(MORPHEMES), max_size=6)


def written(text: str) -> str:
    """What NFKC, case folding and dropping blanks leave, character by character: the definition, told another way."""
    out = []
    for c in text:
        for d in unicodedata.normalize("NFD", unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", c).casefold())):
            if not d.isspace() and unicodedata.category(d) not in ("Cc", "Cf"):
                out.append(d)
    return "".join(out)


def brute_force(mention: str, tokens: list[str]) -> set[tuple[int, int]]:
    wanted = written(mention)
    runs = {(i, j) for i in range(len(tokens)) for j in range(i + 1, len(tokens) + 1) if "".join(map(written, tokens[i:j])) == wanted}
    return {(i, j) for i, j in runs if wanted and written(tokens[i]) and written(tokens[j - 1])}


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """A sentence, and mentions of it: runs of its tokens, spaced and cased at will, and any strings."""
    tokens = draw(WORDS)
    mentions = draw(st.lists(st.text(LETTERS, max_size=6), max_size=3))
    for _ in range(draw(st.integers(0, 3)) if tokens else 0):
        start = draw(st.integers(0, len(tokens) - 1))
        end = draw(st.integers(start + 1, len(tokens)))
        mentions.append(draw(st.sampled_from(["", " ", "\u3000"])).join(tokens[start:end]))
    return tokens, mentions


@given(cases())
def test_a_mention_is_laid_on_every_run_of_tokens_that_spells_it_and_on_no_other(case: tuple[list[str], list[str]]) -> None:
    tokens, mentions = case
    found = align([Mention(m, str(i)) for i, m in enumerate(mentions)], tokens)
    expected = {Aligned(*run, str(i)) for i, m in enumerate(mentions) for run in brute_force(m, tokens)}
    assert set(found) == expected
    assert found == sorted(expected)


@given(cases(), st.sampled_from([" ", "\n", "\u3000", "\u200b"]))
def test_blanks_and_case_of_a_mention_do_not_count(case: tuple[list[str], list[str]], blank: str) -> None:
    tokens, mentions = case
    spaced = [Mention(blank.join(m.swapcase()) + blank, "X") for m in mentions if m.swapcase().casefold() == m.casefold()]
    assert align(spaced, tokens) == align([Mention(m, "X") for m in mentions if m.swapcase().casefold() == m.casefold()], tokens)


@given(st.text(), st.text())
def test_the_fold_of_a_join_is_the_join_of_the_folds(a: str, b: str) -> None:
    for language in ("", "ko"):
        assert fold(a + b, language) == fold(a, language) + fold(b, language)


@given(st.lists(st.text(st.characters()), max_size=6), st.lists(st.text(st.characters()), max_size=6))
def test_no_string_breaks_it(tokens: list[str], mentions: list[str]) -> None:
    for language in ("zh", "ko"):
        for span in align([Mention(m, "X") for m in mentions], tokens, language):
            assert 0 <= span.start < span.end <= len(tokens)


@given(KOREAN, st.data())
def test_korean_search_finds_what_all_spellings_of_all_runs_say(tokens: list[str], data: st.DataObject) -> None:
    runs = {(i, j): spellings([letters(t) for t in tokens[i:j]]) for i in range(len(tokens)) for j in range(i + 1, len(tokens) + 1)}
    every = sorted({spelling for found in runs.values() for spelling in found if spelling}) or ["ㄱ"]
    mention = data.draw(st.sampled_from(every))
    found = {(a.start, a.end) for a in align([Mention(mention, "X")], [fold(t, "ko") for t in tokens], "ko")}
    assert found == {run for run, said in runs.items() if fold(mention, "ko") in {fold(s, "ko") for s in said}}


@pytest.mark.parametrize(
    ("tokens", "mention", "run"),
    [
        ("책 을 보 ㄴ 사람", "본", (2, 4)),
        ("일 을 시작 하 았 다는 말", "시작했다는", (2, 6)),
        ("일 을 시작 하 았 다는 말", "시작하였다는", (2, 6)),
        ("나 는 돕 아 주 었 다", "도와", (2, 4)),
        ("나 는 돕 아 주 었 다", "도와 줬다", (2, 7)),
        ("그 는 기자 이 다", "기자다", (2, 5)),
        ("큰 물 이 흐르 어 가 았 다", "흘러갔다", (3, 8)),
        ("오늘 살 ㄴ 물건", "산 물건", (1, 4)),
        ("홍길동 이 오 았 다", "홍길동", (0, 1)),
    ],
)
def test_korean_mentions_as_they_are_written(tokens: str, mention: str, run: tuple[int, int]) -> None:
    assert align([Mention(mention, "X")], tokens.split(), "ko") == [Aligned(*run, "X")]


def test_half_a_syllable_is_no_mention() -> None:
    assert align([Mention("기", "X"), Mention("길동", "X")], ["홍길동", "이", "기자"], "ko") == []


@pytest.mark.real
def test_korean_eojeol_of_klp_as_written_lie_on_their_own_morphemes(mirror: Path) -> None:
    """The raw line of a sentence is split at blanks: an oracle that knows nothing of our rules."""
    path = fetch("klp_ko", mirror=mirror)["dev"]
    right = total = 0
    gold = zip(blocks(path, newline="\r\n"), klp_ko.sentences(path, "dev"), klp_ko.gold_morphology(path, "dev"), strict=True)
    for block, sentence, (_, rows) in gold:
        for number, eojeol in enumerate(block[0][1][1:].split(), 1):
            places = [i for i, (e, _) in enumerate(rows) if e == number]
            found = {(a.start, a.end) for a in align([Mention(eojeol, "X")], sentence.text, "ko")}
            total += 1
            right += (places[0], places[-1] + 1) in found
    assert total > 5000
    assert right / total > 0.985
