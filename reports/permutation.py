"""Tests of a paired difference by flipping the signs of whole draws, and the correction for several of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

EXACT_DRAWS = 16  # 65,536 sign patterns; past it they are drawn at random
FLIPS = 99_999
CHUNK = 4_000_000


def sign_flip(differences: Floats, *, seed: int = 0, flips: int = FLIPS) -> float:
    """Two-sided p of the mean paired difference under random signs of whole draws (Fisher 1935; Good 2005, section 3.2).

    Draws are the replicates. The sizes of a draw are nested samples and its seeds were averaged: they are correlated, so a
    draw is flipped as a whole. With few draws all 2^draws patterns are counted; otherwise `flips` random ones and the
    observed one (Phipson and Smyth 2010), which keeps the test valid.

    Args:
        differences: [draws], or [draws, sizes] without holes.
    """
    means = np.asarray(differences, dtype=np.float64)
    if means.ndim == 2:
        means = means.mean(axis=1)
    draws = len(means)
    if draws == 0:
        return 1.0
    # Equal up to the order of summation is equal.
    bound = abs(means.sum()) - 1e-12 * max(float(np.abs(means).sum()), 1e-300)
    if draws <= EXACT_DRAWS:
        patterns = (np.arange(2 ** (draws - 1))[:, None] >> np.arange(draws)) & 1  # of a pattern and its mirror, one
        return float(np.mean(np.abs((1 - 2 * patterns) @ means) >= bound))
    random, extreme, rows = np.random.default_rng(seed), 0, max(1, CHUNK // draws)
    for first in range(0, flips, rows):
        signs = 1 - 2 * random.integers(0, 2, (min(rows, flips - first), draws))
        extreme += int(np.count_nonzero(np.abs(signs @ means) >= bound))
    return (1 + extreme) / (1 + flips)


def smallest_p(draws: int, *, flips: int = FLIPS) -> float:
    """The smallest p that `sign_flip` can give: 0.0625 with 5 draws, 0.031 with 6, 0.002 with 10; 1 with a single one."""
    if draws < 1:
        return 1.0
    return 2 / 2**draws if draws <= EXACT_DRAWS else 1 / (1 + flips)


def holm(p: Sequence[float]) -> list[float]:
    """p-values of one family adjusted for its size (Holm 1979): the chance of any false rejection stays below the level."""
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        highest = max(highest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = highest
    return adjusted
