"""Intervals against loops, a linear formula, and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmark.result import Counts
from reports import bootstrap
from reports.bootstrap import Interval, difference_interval, f1, f1_interval, resampled_f1, sentence_weights, spread


def counts(shape: tuple[int, ...], seed: int = 0, recall: float = 0.7) -> np.ndarray:
    """Counts [*shape, sentences in the last, 3] with one gold for all runs."""
    random = np.random.default_rng(seed)
    gold = np.broadcast_to(random.integers(0, 4, shape[-1]), shape)
    tp = random.binomial(gold, recall)
    return np.stack([tp, tp + random.poisson(0.3, shape), gold], axis=-1)


def test_a_resample_counts_each_sentence_as_often_as_it_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "CHUNK", 100)  # several chunks, the last one smaller
    made = counts((2, 3, 17))
    weights = np.concatenate(list(sentence_weights(17, seed=5, replicates=23)))
    assert weights.shape == (23, 17)
    assert (weights.sum(axis=1) == 17).all()
    found = resampled_f1(made, seed=5, replicates=23)
    for r, d, s in np.ndindex(23, 2, 3):
        tp, pred, gold = (sum(int(w) * int(row[k]) for w, row in zip(weights[r], made[d, s], strict=True)) for k in range(3))
        assert found[r, d, s] == pytest.approx(Counts(tp=tp, pred=pred, gold=gold).f1, abs=1e-12)


def test_the_resamples_do_not_depend_on_the_runs_beside() -> None:
    a, b = counts((4, 1, 50), seed=1), counts((3, 2, 50), seed=2)
    both = np.concatenate([a.reshape(-1, 50, 3), b.reshape(-1, 50, 3)])
    together = resampled_f1(both, seed=3, replicates=40)
    np.testing.assert_array_equal(together[:, :4], resampled_f1(a, seed=3, replicates=40)[:, :, 0])
    np.testing.assert_array_equal(together[:, 4:], resampled_f1(b, seed=3, replicates=40).reshape(40, -1))
    assert not np.array_equal(together[:, :4], resampled_f1(a, seed=4, replicates=40)[:, :, 0])


def test_sentences_are_drawn_uniformly_and_independently() -> None:
    weights = np.concatenate(list(sentence_weights(10, seed=0, replicates=40_000)))
    np.testing.assert_allclose(weights.mean(axis=0), 1.0, atol=0.02)
    np.testing.assert_allclose(np.cov(weights.T), np.eye(10) - 0.1, atol=0.03)  # of a multinomial


def test_nothing_to_find_and_nothing_found_is_zero() -> None:
    np.testing.assert_array_equal(f1(np.array([[0, 0, 0], [0, 3, 0], [2, 2, 2]])), [0, 0, 1])
    assert f1_interval(np.zeros((3, 1, 5, 3), dtype=int)) == Interval(0.0, 0.0, 0.0, 0.95)


def test_huge_counts_stay_exact() -> None:
    made = np.full((1, 1, 3, 3), 2**23 + 1)
    np.testing.assert_array_equal(resampled_f1(made, replicates=5), np.ones((5, 1, 1)))


def test_the_error_is_that_of_the_linear_crossed_design() -> None:
    """Against analysis of variance of each sentence's influence on the F1 of each draw: no bootstrap, no covariance of replicates."""
    made = counts((6, 1, 400), seed=11)
    of_draws = np.linspace(0.5, 0.8, 6)
    made = np.stack([counts((1, 400), seed=i, recall=r) for i, r in enumerate(of_draws)])
    made[..., 2] = made[0, :, :, 2]
    made[..., 0] = np.minimum(made[..., 0], made[..., 2])
    sums = made[:, 0].sum(axis=1)
    value = 2 * sums[:, 0] / (sums[:, 1] + sums[:, 2])
    sizes = made[:, 0, :, 1] + made[:, 0, :, 2]
    influence = (2 * made[:, 0, :, 0] - value[:, None] * sizes) / sizes.mean(axis=1, keepdims=True)  # [draws, sentences]
    n, many = influence.shape
    covariance = np.cov(influence)
    shared = (covariance.sum() - np.trace(covariance)) / (n * (n - 1)) / many
    expected = np.sqrt(value.var(ddof=1) / n + shared)
    found = spread(value, resampled_f1(made[:, 0], replicates=20_000), many)
    assert found is not None
    assert found.error == pytest.approx(expected, rel=0.03)
    assert 5 <= found.freedom < 20


def test_draws_that_are_all_alike_leave_the_plain_bootstrap_of_sentences() -> None:
    """Against scipy: the same predictions in each draw vary with the test sentences alone."""
    one = counts((300,), seed=4)
    made = np.repeat(one[None, None], 5, axis=0)

    def value(tp: np.ndarray, pred: np.ndarray, gold: np.ndarray, axis: int = -1) -> np.ndarray:
        return 2 * tp.sum(axis=axis) / (pred.sum(axis=axis) + gold.sum(axis=axis))

    oracle = stats.bootstrap(tuple(one.T), value, paired=True, n_resamples=5000, rng=np.random.default_rng(0), method="percentile")
    found = f1_interval(made)
    assert found is not None
    assert found.estimate == pytest.approx(value(*one.T))
    assert found.low == pytest.approx(oracle.confidence_interval.low, abs=0.006)
    assert found.high == pytest.approx(oracle.confidence_interval.high, abs=0.006)


def test_without_sentences_to_vary_it_is_the_t_interval_of_the_draws() -> None:
    """Against scipy: each sentence of a draw alike, so that a resample of sentences changes nothing."""
    tp = np.array([3, 5, 6, 7, 4])
    made = np.empty((5, 1, 40, 3), dtype=int)
    made[..., 0], made[..., 1], made[..., 2] = tp[:, None, None], 10, 10
    found = f1_interval(made, replicates=200)
    oracle = stats.ttest_1samp(tp / 10, 0).confidence_interval(0.95)
    assert found is not None
    np.testing.assert_allclose([found.low, found.high], oracle, rtol=1e-9)
    level = f1_interval(made, replicates=200, level=0.8)
    np.testing.assert_allclose([level.low, level.high], stats.ttest_1samp(tp / 10, 0).confidence_interval(0.8), rtol=1e-9)


def test_a_pair_shares_draws_and_sentences() -> None:
    """Two runs that err on the same sentences differ with certainty, though each alone is uncertain."""
    a = counts((4, 1, 200), seed=7)
    b = a.copy()
    b[..., 1] += np.arange(200) % 10 == 0  # one false entity more in every tenth sentence
    alone, pair = f1_interval(a), difference_interval(a, b)
    assert alone is not None
    assert pair is not None
    assert pair.low > 0
    assert pair.excludes_zero
    assert pair.high - pair.low < (alone.high - alone.low) / 2
    other = difference_interval(b, a)
    np.testing.assert_allclose([other.estimate, other.low, other.high], [-pair.estimate, -pair.high, -pair.low], atol=1e-12)
    same = difference_interval(a, a)
    assert (same.estimate, same.low, same.high) == (0, 0, 0)
    assert not same.excludes_zero


def test_seeds_are_averaged_inside_a_draw() -> None:
    made = counts((3, 4, 100), seed=9)
    found = f1_interval(made)
    assert found.estimate == pytest.approx(f1(made.sum(axis=2)).mean())
    assert f1_interval(np.repeat(made, 2, axis=1)) == found  # repeated seeds are no new runs
    assert difference_interval(made, made[:, :1]).estimate == pytest.approx(found.estimate - f1(made[:, 0].sum(axis=1)).mean())


def test_one_draw_has_no_interval_and_shapes_must_fit() -> None:
    assert f1_interval(counts((1, 3, 20))) is None
    assert difference_interval(counts((1, 1, 20)), counts((1, 1, 20))) is None
    with pytest.raises(ValueError, match="the same"):
        difference_interval(counts((3, 1, 20)), counts((2, 1, 20)))
    with pytest.raises(ValueError, match="the same"):
        difference_interval(counts((3, 1, 20)), counts((3, 1, 21)))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 6), st.integers(1, 3), st.integers(1, 30), st.integers(0, 10**6))
def test_an_interval_holds_its_estimate_and_stays_in_bounds(draws: int, seeds: int, sentences: int, seed: int) -> None:
    made = counts((draws, seeds, sentences), seed=seed)
    found = f1_interval(made, replicates=60)
    assert 0 <= found.low <= found.estimate <= found.high <= 1
    assert found == f1_interval(made, replicates=60)
    wider = f1_interval(made, replicates=60, level=0.99)
    assert wider.low <= found.low <= found.high <= wider.high
    pair = difference_interval(made, counts((draws, seeds, sentences), seed=seed + 1), replicates=60)
    assert -1 <= pair.low <= pair.estimate <= pair.high <= 1


def test_the_p_of_a_spread_agrees_with_its_interval() -> None:
    made = spread(np.array([0.01, 0.03, 0.02, 0.05]), np.random.default_rng(0).normal(0.03, 0.005, (500, 4)), 100)
    assert made is not None
    edge = made.interval(1 - made.p, floor=-1.0)
    assert min(abs(edge.low), abs(edge.high)) == pytest.approx(0, abs=1e-9)
    assert bootstrap.Spread(0.0, 0.0, 3.0).p == 1
    assert bootstrap.Spread(0.1, 0.0, 3.0).p == 0
