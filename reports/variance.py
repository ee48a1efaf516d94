"""Where the variance of F1 comes from: draws, seeds, what is left, test sentences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Components:
    """Variances of a single run's F1, as shares squared; None where the design cannot tell.

    Attributes:
        draw: which sentences were drawn.
        seed: initialisation, dropout and order, where the same seed does the same to all draws.
        residual: seed and draw together, and what is not repeatable.
        sentences: which test sentences there are; the same for all runs, so no spread between runs shows it.
        draws, seeds: how many runs they come from.
    """

    draw: float
    seed: float | None
    residual: float | None
    sentences: float
    draws: int
    seeds: int


def crossed(values: Floats) -> tuple[float, float, float]:
    """Variances of draw, seed and residual from F1 [draws, seeds], at least two of each: a two-way table of random effects.

    Method of moments (analysis of variance; Searle, Casella and McCulloch 1992, section 4.3): mean squares are set equal to
    their expectations. An estimate below zero is zero.
    """
    draws, seeds = values.shape
    mean = values.mean()
    of_draws, of_seeds = values.mean(axis=1), values.mean(axis=0)
    left = values - of_draws[:, None] - of_seeds[None, :] + mean
    residual = float((left**2).sum() / ((draws - 1) * (seeds - 1)))
    draw = (float(of_draws.var(ddof=1)) * seeds - residual) / seeds
    seed = (float(of_seeds.var(ddof=1)) * draws - residual) / draws
    return max(draw, 0.0), max(seed, 0.0), residual
