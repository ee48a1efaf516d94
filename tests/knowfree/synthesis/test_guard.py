"""Held-out text is recognised whatever its tokens, case and blanks, and nothing else is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from knowfree.synthesis.guard import HITS, LIMITS, Guard, Limits, limits_of, overlap, units
from splits.errors import ConfigError
from splits.schema import Sentence

LANGUAGES = sorted(LIMITS)


def sentences(*texts: str) -> list[Sentence]:
    return [Sentence(f"s-{i}", tuple(text.split())) for i, text in enumerate(texts)]


# --- what is compared ---


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "He did n't see J. R. Smith 's film .", "he didn’t see J.R. Smith's film"),
        ("en", "THE ＦＩＬＭ", "the film"),
        ("zh", "我 在 北 京 看 了 I M A X 电 影 。", "我在北京看了 ＩＭＡＸ 电影"),
        ("ja", "ﾃﾚﾋﾞ を 見る 。", "テレビを見る"),
        ("ko", "그 는 집 에 가 ㄴ다 .", "그는 집에 간다."),
        ("ko", "오르 ㄴ 값 을 보 ㄹ 수 있 다", "오른 값을 볼 수 있다"),
    ],
)
def test_tokens_case_blanks_and_marks_do_not_matter(language: str, one: str, other: str) -> None:
    assert units(one.split(), language) == units([other], language) != ()


def test_a_korean_letter_is_the_same_at_both_ends_of_a_syllable() -> None:
    written = "각 갂 갃 간 갅 갆 갇 갈 갉 갊 갋 갌 갍 갎 갏 감 갑 값 갓 갔 강 갖 갗 갘 같 갚 갛"
    letters = "ㄱ ㄲ ㄱㅅ ㄴ ㄴㅈ ㄴㅎ ㄷ ㄹ ㄹㄱ ㄹㅁ ㄹㅂ ㄹㅅ ㄹㅌ ㄹㅍ ㄹㅎ ㅁ ㅂ ㅂㅅ ㅅ ㅆ ㅇ ㅈ ㅊ ㅋ ㅌ ㅍ ㅎ"
    for syllable, coda in zip(written.split(), letters.split(), strict=True):
        assert units([syllable], "ko") == units(["가", *coda], "ko")


@given(st.lists(st.text(max_size=6) | st.text(st.characters(max_codepoint=0x250)), max_size=8), st.sampled_from(LANGUAGES))
@example(["3÷2×é"], "zh")
def test_units_are_folded_and_of_letters_and_digits(tokens: list[str], language: str) -> None:
    for unit in units(tokens, language):
        assert unit
        assert all(c.isalnum() for c in unit)
        assert units([unit], language) == (unit,)


@given(st.lists(st.text(max_size=6), max_size=8), st.sampled_from(["zh", "ja", "ko"]))
def test_no_way_to_cut_a_text_changes_its_units(tokens: list[str], language: str) -> None:
    assert units(tokens, language) == units(["".join(tokens)], language) == units(list("".join(tokens)), language)


# --- hits ---

FILMS = sentences(
    "which film did the young director from Paris make in the year 1999 ?",
    "who plays the old sailor there ?",
    "who directed it ?",
    "nobody knows his first film .",
)


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        ("Which film did the young director from Paris make in the year 1999", "equal"),
        ("Who directed it", "equal"),  # too short to be contained, but equal
        ("she asked who directed it and nobody knew", None),
        ("tell me , who plays the old sailor there and why", "contains"),
        ("they say nobody knows his first film at all", "contains"),  # five words
        ("the young director from Paris", "within"),
        ("young director from Paris", None),  # four words
        ("I know the young director from Paris make in spring", None),  # seven words in a row
        ("people say that film did the young director from Paris make a fortune", "shares"),
        ("he young director from Paris", None),
        ("the young directors from Paris", None),  # runs start and stop at words
        ("", None),
        ("?!", None),
    ],
)
def test_kinds_of_hits(text: str, hit: str | None) -> None:
    assert Guard(FILMS, "en").hit(text.split()) == hit


def test_korean_text_meets_the_morphemes_that_stand_for_it() -> None:
    guard = Guard(sentences("푸른 시 에서 새 가게 를 여 ㄴ 사람 은 김 가람 선생 이 다 ."), "ko")
    assert guard.hit(["푸른시에서 새 가게를 연 사람은 김가람 선생이다."]) == "equal"
    assert guard.hit(["지난 해 푸른 시에서 새 가게를 연 사람은 떠났다."]) == "shares"


def test_nothing_is_held_out_nothing_hits() -> None:
    assert Guard([], "zh").hit(tuple("今天天气很好我们去公园散步吧")) is None


def test_a_language_without_limits_needs_some() -> None:
    with pytest.raises(ConfigError, match="fi"):
        limits_of("fi")
    assert Guard(sentences("yksi kaksi kolme"), "fi", Limits(8, 3)).hit(["Yksi", "kaksi", "kolme"]) == "equal"
    with pytest.raises(ValueError, match="1 or more"):
        Limits(0, 3)


def brute(found: tuple[str, ...], held_out: list[tuple[str, ...]], limits: Limits) -> str | None:
    """All pairs, all windows, on tuples."""

    def inside(inner: tuple[str, ...], outer: tuple[str, ...]) -> bool:
        return any(outer[i : i + len(inner)] == inner for i in range(len(outer) - len(inner) + 1))

    if not found:
        return None
    if found in held_out:
        return "equal"
    if any(limits.contained <= len(other) < limits.shared and inside(other, found) for other in held_out):
        return "contains"
    if limits.contained <= len(found) < limits.shared:
        return "within" if any(inside(found, other) for other in held_out) else None
    windows = [found[i : i + limits.shared] for i in range(len(found) - limits.shared + 1)]
    return "shares" if any(inside(window, other) for window in windows for other in held_out) else None


few_words = st.lists(st.sampled_from(["a", "b", "ab", "甲", "가", "ㄴ", "."]), max_size=10).map(tuple)


@st.composite
def related(draw: st.DrawFn) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Held-out sentences, and a sentence that has a part of one of them between words of its own."""
    held_out = draw(st.lists(few_words.filter(len), min_size=1, max_size=4))
    source = draw(st.sampled_from(held_out))
    start, end = sorted((draw(st.integers(0, len(source))), draw(st.integers(0, len(source)))))
    part = draw(st.sampled_from([source, source[start:end]]))
    return draw(few_words)[:3] + part + draw(few_words)[:3], held_out


@settings(max_examples=500)
@given(related(), st.integers(1, 6), st.integers(1, 6), st.sampled_from(LANGUAGES))
def test_the_index_finds_what_brute_force_finds(
    case: tuple[tuple[str, ...], list[tuple[str, ...]]], shared: int, contained: int, language: str
) -> None:
    tokens, held_out = case
    limits = Limits(shared, contained)
    guard = Guard([Sentence(str(i), text) for i, text in enumerate(held_out)], language, limits)
    assert guard.hit(tokens) == brute(units(tokens, language), [units(text, language) for text in held_out], limits)


@given(st.lists(st.text(max_size=5), min_size=1, max_size=30).map(tuple), st.sampled_from(LANGUAGES))
def test_a_held_out_sentence_never_passes_however_it_is_written(text: tuple[str, ...], language: str) -> None:
    guard = Guard([Sentence("0", text)], language)
    for disguise in (text, tuple(t.upper().lower() for t in text), tuple(unicodedata.normalize("NFKC", t) for t in text)):
        if units(disguise, language) == units(text, language) != ():
            assert guard.hit(disguise) == "equal"
    if len(units(text, language)) >= limits_of(language).shared and language != "en":
        assert guard.hit(("前", *text, "后")) is not None


def test_overlap_counts_each_sentence_once() -> None:
    sample = sentences(
        "who directed it", "nobody", "tell me who plays the old sailor there", "the young director from paris", "Who directed it ?"
    )
    found = overlap(sample, FILMS, "en")
    assert found == {"sentences": 5, "overlapping": 4, "equal": 2, "contains": 1, "within": 1, "shares": 0}
    assert sum(found[kind] for kind in HITS) == found["overlapping"]
