"""Analysers lay their words on any tokens, and find what any reader would."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowfree.synthesis.morph import LANGUAGES, Analysis, analyser, laid, load, runs
from knowfree.synthesis.ontology import labels
from splits.errors import ConfigError
from tests.knowfree.synthesis.analysers import needs

PACKAGES = {"zh": ["rjieba"], "ja": ["fugashi", "unidic_lite"], "ko": ["kiwipiepy"], "en": ["textblob"]}
TOKENS = st.lists(st.text(st.characters(exclude_categories=[]), min_size=0, max_size=4), max_size=12)


def analysed(language: str, tokens: list[str]) -> Analysis:
    needs(*PACKAGES[language])
    return analyser(language).analyse(tokens)


@pytest.mark.parametrize("language", LANGUAGES)
def test_any_tokens_get_spans_inside_the_sentence_and_labels_of_the_inventory(language: str) -> None:
    needs(*PACKAGES[language])

    @settings(max_examples=60)
    @given(TOKENS)
    def holds(tokens: list[str]) -> None:
        found = analysed(language, tokens)
        for start, end, *_ in (*found.parts, *found.words, *found.names):
            assert 0 <= start < end <= len(tokens)
        assert {label for _, _, label in found.parts} <= set(labels("parts"))
        assert {label for _, _, label in found.names} <= set(labels("entities"))
        ends = [end for _, end in found.words]
        assert all(start >= end for (start, _), end in zip(found.words[1:], ends, strict=False))  # words do not overlap

    holds()


@pytest.mark.parametrize(
    ("language", "tokens", "parts", "names"),
    [
        ("zh", list("我在北京买了苹果。"), {(2, 4, "PROPN"), (6, 8, "NOUN"), (8, 9, "PUNCT")}, {(2, 4, "LOCATION")}),
        (
            "ja",
            list("山田太郎は東京で 本を読む。"),
            {(5, 7, "PROPN"), (9, 10, "NOUN"), (13, 14, "PUNCT")},
            {(0, 4, "PERSON"), (5, 7, "LOCATION")},
        ),
        (
            "en",
            ["The", "old", "man", "saw", "a", "green", "motorcycle", "chase", "in", "New", "York", "."],
            {(0, 3, "NP"), (4, 8, "NP"), (6, 8, "NOUN"), (9, 11, "PROPN"), (11, 12, "PUNCT")},
            {(9, 11, "OTHER")},
        ),
        (
            "ko",
            ["홍길동", "이", "서울", "에서", "시작", "하", "았", "다", "."],
            {(0, 1, "PROPN"), (4, 8, "VERB"), (8, 9, "PUNCT")},
            {(0, 1, "OTHER"), (2, 3, "OTHER")},
        ),
    ],
)
def test_words_and_names_of_a_plain_sentence(language: str, tokens: list[str], parts: set[object], names: set[object]) -> None:
    found = analysed(language, tokens)
    assert parts <= set(found.parts)
    assert names == set(found.names)


def test_korean_words_are_eojeol_and_are_written_as_such() -> None:
    needs("kiwipiepy")
    from knowfree.synthesis.morph import ko

    tokens = ["홍길동", "이", "서울", "에서", "일", "을", "시작", "하", "았", "다", "."]
    assert ko.joined(tokens) == "홍길동이 서울에서 일을 시작했다."
    assert ko.eojeol(tokens) == ((0, 2), (2, 4), (4, 6), (6, 11))


def test_a_word_that_ends_inside_a_token_is_left_out() -> None:
    assert list(laid([("ab", "X"), ("cd", "Y"), ("e", "Z")], ["a", "b", "cde"])) == [(0, 2, "X")]
    assert list(laid([("a", "X"), ("zz", "Y"), ("b", "Z")], ["a", " ", "b"])) == [(0, 1, "X"), (2, 3, "Z")]


@given(st.lists(st.sampled_from(["A", "B", None]), max_size=12), st.integers(1, 3))
def test_runs_are_the_longest_stretches_of_a_class(classes: list[str | None], least: int) -> None:
    found = list(runs(classes, least))
    expected = [
        (i, j, classes[i])
        for i in range(len(classes))
        for j in range(i + least, len(classes) + 1)
        if classes[i] is not None
        and set(classes[i:j]) == {classes[i]}
        and (i == 0 or classes[i - 1] != classes[i])
        and (j == len(classes) or classes[j] != classes[i])
    ]
    assert found == expected


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rjieba", None)
    with pytest.raises(ConfigError, match=r"pip install -e '\.\[morph\]'"):
        load("rjieba")
