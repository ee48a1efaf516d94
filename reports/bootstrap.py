"""Intervals of F1 and of paired differences, over draws crossed with test sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.integer[Any]]  # [draws, seeds, sentences, 3]: tp, pred, gold of a sentence

REPLICATES, LEVEL = 10_000, 0.95
CHUNK = 4_000_000  # weights that stand at a time
EXACT = 2**24  # integers up to here are exact in float32


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate between two bounds, as shares: F1 in [0, 1], differences in [-1, 1]."""

    estimate: float
    low: float
    high: float
    level: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Spread:
    """An estimate with its standard error and the degrees of freedom of that error."""

    estimate: float
    error: float
    freedom: float

    def interval(self, level: float, *, floor: float) -> Interval:
        """Estimate ± t quantile x error, within [floor, 1]."""
        from scipy.special import stdtrit  # a report without a single interval must not pay for scipy

        half = float(stdtrit(self.freedom, 0.5 + level / 2)) * self.error
        return Interval(self.estimate, max(self.estimate - half, floor), min(self.estimate + half, 1.0), level)

    @property
    def p(self) -> float:
        """Two-sided p that the estimate's expectation is zero."""
        from scipy.special import stdtr

        if self.error == 0:
            return 1.0 if self.estimate == 0 else 0.0
        return float(2 * stdtr(self.freedom, -abs(self.estimate) / self.error))


def f1_interval(counts: Counts, *, seed: int = 0, replicates: int = REPLICATES, level: float = LEVEL) -> Interval | None:
    """Interval of the mean F1 over draws, for a new draw and new test sentences; None with a single draw.

    Args:
        counts: [draws, seeds, sentences, 3], tp, pred and gold; the test sentences are the same for all runs.
    """
    found = spread(*_over_seeds(counts, seed, replicates), with_gold(counts))
    return found.interval(level, floor=0.0) if found else None


def difference_interval(a: Counts, b: Counts, *, seed: int = 0, replicates: int = REPLICATES, level: float = LEVEL) -> Interval | None:
    """Interval of the mean F1 of `a` minus that of `b`, paired: draw i of both is the same sample; None with a single draw.

    Args:
        a, b: as `f1_interval`; as many draws and sentences in both, seeds may differ.

    Raises:
        ValueError: the shapes cannot be paired.
    """
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[2]:
        raise ValueError(f"draws and sentences must be the same: {a.shape} and {b.shape}")
    (found_a, again_a), (found_b, again_b) = _over_seeds(a, seed, replicates), _over_seeds(b, seed, replicates)
    found = spread(found_a - found_b, again_a - again_b, with_gold(a))
    return found.interval(level, floor=-1.0) if found else None


def _over_seeds(counts: Counts, seed: int, replicates: int) -> tuple[Floats, Floats]:
    """F1 of each draw, [draws], and under each resample of sentences, [replicates, draws]."""
    return f1(counts.sum(axis=2)).mean(axis=1), resampled_f1(counts, seed=seed, replicates=replicates).mean(axis=2)


def with_gold(counts: Counts) -> int:
    """Sentences that hold an entity, the same for all runs: those without move an F1 little. `counts`: [..., sentences, 3]."""
    return int((counts.reshape(-1, *counts.shape[-2:])[0, :, 2] > 0).sum())


def spread(draws: Floats, resampled: Floats, sentences: int) -> Spread | None:
    """Mean over draws, with the standard error of a crossed design; None with a single draw.

    Draws and sentences are crossed: with variances D of draws, S of sentences and DS of both together, the mean of n draws
    on N sentences varies by D/n + S/N + DS/nN. The variance over draws, divided by n, holds D/n + DS/nN; two draws share
    their sentences, so the covariance of two draws under resampled sentences is S/N. Their sum counts each term once;
    a bootstrap that resamples both at once counts DS three times (Owen 2007, the pigeonhole bootstrap).
    Degrees of freedom after Satterthwaite (1946).

    Args:
        draws: [draws], the value of each.
        resampled: [replicates, draws], the same under each resample of sentences, which all draws share.
        sentences: how many of them inform, see `with_gold`.
    """
    n = len(draws)
    if n < 2:
        return None
    own, shared = of_sentences(resampled)
    # D is no less than zero: what varies between draws is at least what their sentences alone would make vary.
    over_draws = max(float(draws.var(ddof=1)), own) / n
    variance = over_draws + shared
    if variance == 0:
        return Spread(float(draws.mean()), 0.0, n - 1.0)
    freedom = variance**2 / (over_draws**2 / (n - 1) + shared**2 / max(sentences - 1, 1))
    return Spread(float(draws.mean()), math.sqrt(variance), freedom)


def of_sentences(resampled: Floats) -> tuple[float, float]:
    """What resampled sentences make vary in each draw by itself, DS/N, and in all draws alike, S/N; no less than zero.

    Args:
        resampled: [replicates, draws], two draws or more.
    """
    n = resampled.shape[1]
    each = float(resampled.var(axis=0, ddof=1).mean())  # (S + DS) / N
    mean = float(resampled.mean(axis=1).var(ddof=1))  # (S + DS/n) / N
    shared = max((n * mean - each) / (n - 1), 0.0)
    return max(each - shared, 0.0), shared


def f1(sums: npt.NDArray[Any]) -> Floats:
    """Micro F1 from (tp, pred, gold) in the last axis; 0 where nothing is predicted and nothing is there, as `Counts.f1`."""
    return _ratio(2.0 * sums[..., 0], np.asarray(sums[..., 1] + sums[..., 2], dtype=float))


def _ratio(above: npt.NDArray[Any], below: npt.NDArray[Any]) -> Floats:
    out: Floats = np.zeros(below.shape)
    np.divide(above, below, out=out, where=below > 0)
    return out


def resampled_f1(counts: Counts, *, seed: int = 0, replicates: int = REPLICATES) -> Floats:
    """F1 of every run under resamples of the test sentences that all runs share.

    The same `seed`, `replicates` and number of sentences give the same resamples, so two calls can be paired.

    Args:
        counts: [..., sentences, 3].
    Returns:
        [replicates, ...]
    """
    return weighted_f1(counts, sentence_weights(counts.shape[-2], seed=seed, replicates=replicates))


def weighted_f1(counts: Counts, weights: Iterable[npt.NDArray[np.int64]]) -> Floats:
    """F1 of every run under weights of its sentences.

    Args:
        counts: [..., sentences, 3].
        weights: [chunk, sentences], several times.
    Returns:
        [weights of all chunks, ...]
    """
    *runs, sentences, _ = counts.shape
    flat = counts.reshape(-1, sentences, 3)
    # Sums of integers below 2^24 are exact in float32, in any order: the same bytes from every machine's matrix product.
    kind: type[np.floating[Any]] = np.float32 if sentences * int(flat.max(initial=1)) * 2 < EXACT else np.float64
    hits: npt.NDArray[Any] = np.ascontiguousarray(flat[..., 0].T, dtype=kind)
    sizes: npt.NDArray[Any] = np.ascontiguousarray((flat[..., 1] + flat[..., 2]).T, dtype=kind)
    parts = []
    for some in weights:
        chosen: npt.NDArray[Any] = some.astype(kind)
        parts.append(_ratio(2 * (chosen @ hits), (chosen @ sizes).astype(np.float64)))
    return np.concatenate(parts).reshape(-1, *runs)


def sentence_weights(sentences: int, *, seed: int, replicates: int) -> Iterator[npt.NDArray[np.int64]]:
    """How often each sentence stands in a resample of as many with replacement: [chunk, sentences], `replicates` rows in all."""
    random = np.random.default_rng(seed)
    rows = max(1, CHUNK // max(sentences, 1))
    for first in range(0, replicates, rows):
        count = min(rows, replicates - first)
        chosen = random.integers(0, sentences, (count, sentences))
        chosen += np.arange(count)[:, None] * sentences
        yield np.bincount(chosen.ravel(), minlength=count * sentences).reshape(count, sentences)
