"""Figures of annotators against counting by hand, and against gold that methods never see."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowfree.synthesis.annotator_quality import Quality, gold, morph_quality, quality
from splits.errors import ConfigError
from tests.knowfree.synthesis.analysers import needs

CUTS = st.sets(st.integers(1, 9), max_size=9)


def words(cuts: set[int]) -> list[tuple[int, int]]:
    edges = [0, *sorted(cuts), 10]
    return list(itertools.pairwise(edges))


def test_figures_counted_by_hand() -> None:
    pairs = [([(0, 2), (2, 3)], [(0, 2), (2, 3)]), ([(0, 1), (1, 4)], [(0, 4)])]
    assert quality(pairs, [(["NN", "VV"], ["NN", "JX"])]) == Quality(2 / 3, 2 / 4, 4 / 7, 2, 0.5)


@given(CUTS, CUTS)
def test_a_segmentation_is_perfect_against_itself_and_turning_sides_swaps_precision_and_recall(a: set[int], b: set[int]) -> None:
    assert quality([(words(a), words(a))]).f1 == 1
    one, other = quality([(words(a), words(b))]), quality([(words(b), words(a))])
    assert (one.precision, one.recall, one.f1) == (other.recall, other.precision, other.f1)


def test_nothing_found_is_nothing_right() -> None:
    assert quality([([(0, 1)], [])]) == Quality(0, 0, 0, 1)
    assert quality([]).f1 == 0


def test_parts_of_speech_of_other_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        quality([], [(["NN"], [])])


def test_a_corpus_without_gold_words_is_refused() -> None:
    with pytest.raises(ConfigError, match="mit_movie"):
        gold("mit_movie")


@pytest.mark.real
@pytest.mark.parametrize("name", ["weibo", "klp_ko"])
def test_gold_words_cover_every_token_once(name: str, mirror: Path) -> None:
    for sentence in gold(name, "dev", mirror):
        assert [i for start, end in sentence.words for i in range(start, end)] == list(range(len(sentence.tokens)))
        assert sentence.parts is None or len(sentence.parts) == len(sentence.tokens)


@pytest.mark.real
@pytest.mark.parametrize(("name", "package", "f1"), [("weibo", "rjieba", 0.95), ("klp_ko", "kiwipiepy", 0.85)])
def test_the_analysers_know_their_language(name: str, package: str, f1: float, mirror: Path) -> None:
    needs(package)
    found = morph_quality(name, "dev", mirror)
    assert found.f1 > f1
    assert found.pos_accuracy is None or found.pos_accuracy > 0.93
