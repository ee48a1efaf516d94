"""LayerNorm with what stands before and behind it, and its gradient, in one pass over the rows.

Left to torch, a norm between products in bf16 is a sum, a mask, the norm and two casts: each reads and writes all rows.

Shapes:
    rows: [N, size]; one number a row: [N]; one a column: [size]
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from benchmark.nn.compiled.bf16 import CACHED, INSIDE, QUICK, narrowed, widened


@njit(**INSIDE, **QUICK)
def _moments(row: Any, epsilon: float) -> tuple[Any, Any]:
    """Mean, and one over the deviation."""
    size = len(row)
    total = row[0] * 0
    for e in range(size):
        total += row[e]
    mean = total / size
    total = mean * 0
    for e in range(size):
        total += (row[e] - mean) * (row[e] - mean)
    return mean, 1 / math.sqrt(total / size + epsilon)


@njit(**CACHED, **QUICK)
def sum_norm(
    x: Any, more: Any, mask: Any, weight: Any, bias: Any, epsilon: float, total: Any, mean: Any, scale: Any, found: Any, low: Any
) -> None:
    """Fill `total` with x + more x mask, `found` with its norm, `low` with that as products take it; moments of rows.

    Args:
        mask: as `more`; without rows: none.
    """
    for i in range(len(x)):
        sums, own, added = total[i], x[i], more[i]
        if len(mask):
            kept = mask[i]
            for e in range(len(own)):
                sums[e] = own[e] + widened(narrowed(widened(added[e]) * widened(kept[e]), added[e]))
        else:
            for e in range(len(own)):
                sums[e] = own[e] + widened(added[e])
        m, s = _moments(sums, epsilon)
        mean[i], scale[i] = m, s
        row, rounded = found[i], low[i]
        for e in range(len(own)):
            y = (sums[e] - m) * s * weight[e] + bias[e]
            row[e] = y
            rounded[e] = narrowed(y, rounded[e])


@njit(**CACHED, **QUICK)
def norm_sum(x: Any, more: Any, weight: Any, bias: Any, epsilon: float, mean: Any, scale: Any, found: Any) -> None:
    """Fill `found` with the norm of x, plus `more`; moments of rows."""
    row = np.empty(x.shape[1], weight.dtype)
    for i in range(len(x)):
        own, added, into = x[i], more[i], found[i]
        for e in range(len(row)):
            row[e] = widened(own[e])
        m, s = _moments(row, epsilon)
        mean[i], scale[i] = m, s
        for e in range(len(row)):
            into[e] = narrowed(widened(added[e]) + (row[e] - m) * s * weight[e] + bias[e], into[e])


@njit(**CACHED, **QUICK)
def norm_back(
    given: Any, more: Any, total: Any, mean: Any, scale: Any, weight: Any, mask: Any, found: Any, low: Any, of_weight: Any, of_bias: Any
) -> None:
    """Fill `found` with the gradient of what was normed, from that of the norm, given + more; add to those of weight and bias.

    Args:
        more: without rows: none.
        low: where it has rows, they become the gradient as products take it, times those of `mask`, if it has any.
    """
    size = len(weight)
    hat, row = np.empty(size, weight.dtype), np.empty(size, weight.dtype)
    for i in range(len(given)):
        own, normed, into, m, s = given[i], total[i], found[i], mean[i], scale[i]
        for e in range(size):
            hat[e] = (widened(normed[e]) - m) * s
        for e in range(size):
            row[e] = widened(own[e])
        if len(more):
            added = more[i]
            for e in range(size):
                row[e] += widened(added[e])
        for e in range(size):
            of_weight[e] += row[e] * hat[e]
        for e in range(size):
            of_bias[e] += row[e]
        first = second = m * 0
        for e in range(size):
            row[e] *= weight[e]
            first += row[e]
            second += row[e] * hat[e]
        first, second = first / size, second / size
        for e in range(size):
            row[e] = s * (row[e] - first - hat[e] * second)
        for e in range(size):
            into[e] = narrowed(row[e], into[e])
        if len(low):
            rounded = low[i]
            for e in range(size):
                rounded[e] = narrowed(row[e], rounded[e])
            if len(mask):
                kept = mask[i]
                for e in range(size):
                    rounded[e] = narrowed(widened(rounded[e]) * widened(kept[e]), rounded[e])
