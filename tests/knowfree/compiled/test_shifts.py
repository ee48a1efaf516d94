"""Sums of shifted products against numpy's, for reaches below, at and above what is held in registers."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from knowfree.compiled.shifts import OFFSETS, VECTOR, products, sums


@njit
def run_products(into, x, y, reach, size, wide, y_row):
    products(into, x, y, reach, size, wide, y_row)


@njit
def run_sums(into, weights, at_w, w_step, x, at_x, x_step, x_row, reach, size):
    sums(into, weights, at_w, w_step, x, at_x, x_step, x_row, reach, size)


REACHES = [(1, 1, 1), (3, 5, 2), (OFFSETS, 20, 3), (OFFSETS + 4, 2, 1), (2 * OFFSETS, 3, 2)]
CASES = pytest.mark.parametrize(("reach", "size", "wide"), REACHES)
KINDS = pytest.mark.parametrize("kind", [np.float32, np.float64])


def close(found: np.ndarray, expected: np.ndarray) -> bool:
    near = 1e-4 if found.dtype == np.float32 else 1e-13
    return np.allclose(found, expected, rtol=near, atol=near)


@CASES
@KINDS
def test_products_of_each_shift(reach: int, size: int, wide: int, kind: type) -> None:
    random, wide = np.random.default_rng(reach), wide * VECTOR
    x, y = random.normal(size=(size, wide)).astype(kind), random.normal(size=(size, wide + reach)).astype(kind)
    into = np.full(reach * wide + 3, 7, kind)
    run_products(into, x.reshape(-1), y.reshape(-1), reach, size, wide, wide + reach)
    expected = np.stack([(x * y[:, o : o + wide]).sum(0) for o in range(reach)])
    assert close(into[:-3].reshape(reach, wide), expected)
    assert (into[-3:] == 7).all()


@CASES
@KINDS
def test_sums_forwards_and_backwards(reach: int, size: int, wide: int, kind: type) -> None:
    random, wide = np.random.default_rng(reach), wide * VECTOR
    row, last = wide + VECTOR * reach, reach - 1
    weights, x = random.normal(size=(reach, row)).astype(kind), random.normal(size=(size, row)).astype(kind)
    into = np.full((size, wide), 7, kind)
    run_sums(into.reshape(-1), weights.reshape(-1), 0, row, x.reshape(-1), 0, 1, row, reach, size)
    assert close(into, sum(weights[o, :wide] * x[:, o : o + wide] for o in range(reach)))
    run_sums(into.reshape(-1), weights.reshape(-1), last, row - 1, x.reshape(-1), last, -1, row, reach, size)
    assert close(into, sum(weights[o, last - o : last - o + wide] * x[:, last - o : last - o + wide] for o in range(reach)))
