"""LayerNorm and a sum in one pass over the rows, and the gradient in another.

Shapes:
    rows: [N, size]; one number a row: [N]; one a column: [size]
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from benchmark.nn.compiled.bf16 import CACHED, QUICK, narrowed, widened


@njit(**CACHED, **QUICK)
def norm_sum(x: Any, more: Any, weight: Any, bias: Any, epsilon: float, mean: Any, scale: Any, found: Any) -> None:
    """Fill `found` with the norm of x, plus `more`; of every row, its mean and one over its deviation."""
    kind = weight.dtype
    # of the type that is computed in, for with a whole number everything behind it would be float64
    size, one, least, row = len(weight), kind.type(1), kind.type(epsilon), np.empty(len(weight), kind)
    share = one / kind.type(size)
    for i in range(len(x)):
        own, added, into = x[i], more[i], found[i]
        total = square = weight[0] * 0
        for e in range(size):
            row[e] = widened(own[e])
            total += row[e]
        m = total * share
        for e in range(size):
            row[e] -= m
            square += row[e] * row[e]
        s = one / kind.type(math.sqrt(square * share + least))
        mean[i], scale[i] = m, s
        for e in range(size):
            into[e] = narrowed(widened(added[e]) + row[e] * s * weight[e] + bias[e], into[e])


@njit(**CACHED, **QUICK)
def norm_back(given: Any, x: Any, mean: Any, scale: Any, weight: Any, found: Any, of_weight: Any, of_bias: Any) -> None:
    """Fill `found` with the gradient of x from that of the norm; add to those of weight and bias."""
    kind, size = weight.dtype, len(weight)
    hat, row, share = np.empty(size, kind), np.empty(size, kind), kind.type(1) / kind.type(size)
    for i in range(len(given)):
        # few arrays a loop: vectors are made of one that need not ask which of them overlap
        own, normed, into, m, s = given[i], x[i], found[i], mean[i], scale[i]
        for e in range(size):
            hat[e] = (widened(normed[e]) - m) * s
        for e in range(size):
            row[e] = widened(own[e])
            of_bias[e] += row[e]
        for e in range(size):
            of_weight[e] += row[e] * hat[e]
        first = second = weight[0] * 0
        for e in range(size):
            row[e] *= weight[e]
            first += row[e]
            second += row[e] * hat[e]
        first, second = first * share, second * share
        for e in range(size):
            into[e] = narrowed(s * (row[e] - first - hat[e] * second), into[e])
