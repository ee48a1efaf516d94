"""Polynomials against the C library, in float64."""

from __future__ import annotations

import numpy as np
from numba import njit

from benchmark.nn.compiled.functions import exp, log1p


@njit
def both(x, found):
    for i in range(len(x)):
        found[0, i] = exp(-x[i])
        found[1, i] = log1p(exp(-x[i]))


def expected(x: np.ndarray) -> np.ndarray:
    below = np.exp(-x.astype(np.float64))
    return np.stack([below, np.log1p(below)])


def test_float32_is_near_the_last_bit() -> None:
    x = np.concatenate([np.linspace(0, 20, 100_001), np.linspace(0, 1e-3, 1000), np.linspace(20, 80, 1000)]).astype(np.float32)
    found = np.empty((2, len(x)), np.float32)
    both(x, found)
    assert np.allclose(found, expected(x), rtol=4e-7, atol=0)


def test_what_is_too_small_is_next_to_nothing() -> None:
    found = np.empty((2, 2), np.float32)
    both(np.array([100, 1e30], np.float32), found)
    assert (found < 2e-38).all()


def test_other_types_are_the_librarys() -> None:
    x = np.linspace(0, 700, 1001)
    found = np.empty((2, len(x)))
    both(x, found)
    assert np.allclose(found, expected(x), rtol=1e-15, atol=0)
