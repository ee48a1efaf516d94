"""How many draws and seeds it takes to see a difference with the sign-flip test."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from reports.aggregate import Results, Row, Size
from reports.permutation import smallest_p

Floats = npt.NDArray[np.float64]

SIMULATED = 12  # draws up to here: the exact test on simulated differences; past it, where the t test is as good, its formula
TRIALS = 4000
MOST = 100  # draws


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviations of a paired difference, in F1 points: of draws, and of a seed within a draw.

    `seed` is None where one seed was run: then `draw` holds both, and what more seeds would save is not known.
    `freedom`: degrees of freedom of `draw`; None if it was given and not estimated.
    """

    draw: float
    seed: float | None
    freedom: int | None = None

    def deviation(self, seeds: int) -> float:
        """Of a draw's difference when each method is run with so many seeds."""
        return math.sqrt(self.draw**2 + (self.seed or 0.0) ** 2 / seeds)


@dataclass(frozen=True, slots=True)
class Need:
    """What a difference takes. `draws` None: more than MOST. `power` is what so many draws reach."""

    difference: float
    seeds: int
    draws: int | None
    power: float | None

    @property
    def runs(self) -> int | None:
        """Of each method."""
        return None if self.draws is None else self.draws * self.seeds


def power(draws: int, effect: float, alpha: float) -> float:
    """The chance that sign flips of `draws` normal differences reject at `alpha`, two-sided.

    Args:
        effect: expected difference over its standard deviation between draws.
    """
    if smallest_p(draws) > alpha:
        return 0.0
    if draws <= SIMULATED:
        return _simulated(draws, round(effect, 6), alpha)
    from scipy.stats import nct, t

    bound = t.ppf(1 - alpha / 2, draws - 1)
    shift = effect * math.sqrt(draws)
    return float(nct.sf(bound, draws - 1, shift) + nct.cdf(-bound, draws - 1, shift))


@cache
def _simulated(draws: int, effect: float, alpha: float) -> float:
    values = np.random.default_rng(draws).normal(effect, 1, (TRIALS, draws))
    patterns = 1 - 2 * ((np.arange(2 ** (draws - 1))[:, None] >> np.arange(draws)) & 1)
    flipped = np.abs(values @ patterns.T)
    p = (flipped >= np.abs(values.sum(axis=1))[:, None] - 1e-9).mean(axis=1)
    return float(np.mean(p <= alpha))


def needed(difference: float, noise: Noise, seeds: int, *, alpha: float, wanted: float) -> Need:
    """The fewest draws that see `difference` (F1 points) with chance `wanted`."""
    deviation = noise.deviation(seeds)
    for draws in range(2, MOST + 1):
        reached = power(draws, difference / deviation, alpha) if deviation > 0 else float(smallest_p(draws) <= alpha)
        if reached >= wanted:
            return Need(difference, seeds, draws, reached)
    return Need(difference, seeds, None, None)


def table(noise: Noise, differences: Iterable[float], seeds: Sequence[int], *, alpha: float, wanted: float) -> list[Need]:
    """All `differences` with all numbers of seeds."""
    return [needed(difference, noise, k, alpha=alpha, wanted=wanted) for difference in differences for k in seeds]


@dataclass(frozen=True, slots=True)
class Observed:
    """What one comparison of a report says about noise: variances of the paired difference, in F1 points squared.

    `between` is that of draws, the seeds of each averaged; `seed` that of a seed within a draw, None with a single one.
    """

    corpus: str
    variant: str
    size: Size
    draws: int
    seeds: int
    between: float
    seed: float | None

    @property
    def draw(self) -> float:
        """The variance between draws without what seeds add; an estimate, which may be below zero."""
        return self.between - (self.seed or 0.0) / self.seeds


def observe(results: Results, baseline: str) -> Iterator[Observed]:
    """Each variant against the baseline at each size, on the draws and seeds that both have; two draws or more."""
    params = results.params
    for corpus, size in ((c, s) for c in params.corpora for s in params.sizes):
        base = _runs(results.block(corpus, baseline, size))
        for variant in results.variants_on(corpus):
            if variant == baseline:
                continue
            runs = _runs(results.block(corpus, variant, size))
            both = sorted(set(runs) & set(base))
            draws = sorted({draw for draw, _ in both})
            seeds = sorted({seed for _, seed in both})
            whole = [draw for draw in draws if all((draw, seed) in both for seed in seeds)]
            if len(whole) < 2:
                continue
            found = 100 * np.array([[runs[draw, seed] - base[draw, seed] for seed in seeds] for draw in whole])
            between = float(found.mean(axis=1).var(ddof=1))
            within = float(found.var(axis=1, ddof=1).mean()) if len(seeds) > 1 else None
            yield Observed(corpus, variant, size, len(whole), len(seeds), between, within)


def _runs(rows: Iterable[Row]) -> dict[tuple[int, int], float]:
    return {(row.cell.draw, row.cell.seed): row.score.micro.f1 for row in rows}


def pooled(observed: Sequence[Observed]) -> Noise:
    """One noise for all: variances averaged, each weighted with its degrees of freedom."""
    freedom = sum(one.draws - 1 for one in observed)
    draw = max(sum((one.draws - 1) * one.draw for one in observed) / freedom, 0.0)
    several = [(one.draws * (one.seeds - 1), one.seed) for one in observed if one.seed is not None]
    seed = sum(n * variance for n, variance in several) / sum(n for n, _ in several) if several else None
    return Noise(math.sqrt(draw), None if seed is None else math.sqrt(seed), freedom)
