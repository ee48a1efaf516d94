"""Ranks, ties and the chance of being better, against scipy and by enumeration."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports.ranks import improvement, interquartile_mean, mean_ranks, ranks, tie_groups

few = st.lists(st.integers(0, 4), min_size=1, max_size=4).map(lambda x: np.array(x) / 4)


@given(st.lists(st.tuples(few, few), min_size=1, max_size=5))
def test_improvement_counts_pairs_of_runs_on_the_same_draw(pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
    a, b = zip(*pairs, strict=True)
    by_hand = [np.mean([1.0 if x > y else 0.5 if x == y else 0.0 for x in xs for y in ys]) for xs, ys in pairs]
    assert improvement(a, b) == pytest.approx(np.mean(by_hand))
    assert improvement(a, b) + improvement(b, a) == pytest.approx(1)
    if len(pairs) == 1:  # the statistic of Mann and Whitney
        assert improvement(a, b) == pytest.approx(stats.mannwhitneyu(a[0], b[0]).statistic / (len(a[0]) * len(b[0])))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=13))
def test_the_interquartile_mean_is_a_trimmed_mean(values: list[float]) -> None:
    assert interquartile_mean(np.array(values)) == pytest.approx(stats.trim_mean(values, 0.25), abs=1e-12)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_ranks_are_those_of_scipy(values: list[int]) -> None:
    found = ranks({str(i): value for i, value in enumerate(values)})
    np.testing.assert_allclose(list(found.values()), stats.rankdata([-v for v in values]))


def test_mean_ranks_are_over_draws() -> None:
    assert mean_ranks([{"a": 0.5, "b": 0.4}, {"a": 0.1, "b": 0.4}, {"a": 0.3, "b": 0.3}]) == {"a": 1.5, "b": 1.5}
    assert mean_ranks([]) == {}


def groups(evidence: set[tuple[str, str]], names: str = "abcd") -> list[str]:
    return ["".join(group) for group in tie_groups(names, lambda x, y: (x, y) in evidence)]


def test_without_evidence_all_are_tied_and_with_all_of_it_none_is() -> None:
    assert groups(set()) == ["abcd"]
    assert groups(set(combinations("abcd", 2))) == ["a", "b", "c", "d"]
    assert groups(set(), "") == []


def test_the_head_alone_beats_the_rest() -> None:
    assert groups({("a", "b"), ("a", "c"), ("a", "d")}) == ["a", "bcd"]


def test_one_pair_without_evidence_joins_all_between() -> None:
    assert groups(set(combinations("abcd", 2)) - {("a", "c")}) == ["abc", "d"]
    assert groups(set(combinations("abcd", 2)) - {("a", "b"), ("b", "c")}) == ["abc", "d"]


@given(st.sets(st.sampled_from(list(combinations("abcdef", 2)))))
def test_groups_keep_the_order_and_never_rank_without_evidence(evidence: set[tuple[str, str]]) -> None:
    found = groups(evidence, "abcdef")
    assert "".join(found) == "abcdef"
    for i, group in enumerate(found):
        below = "".join(found[i + 1 :])
        assert all((x, y) in evidence for x in group for y in below)
    finer = sum(all((x, y) in evidence for x in "abcdef"[:cut] for y in "abcdef"[cut:]) for cut in range(1, 6))
    assert len(found) == 1 + finer  # every cut that evidence allows is made
