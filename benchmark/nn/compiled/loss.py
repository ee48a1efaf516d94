"""Binary cross-entropy of a grid's cells and its gradient in one pass."""

from __future__ import annotations

from typing import Any

from numba import njit

from benchmark.nn.compiled.bf16 import CACHED, INSIDE, QUICK, narrowed, widened
from benchmark.nn.compiled.functions import exp, log1p


@njit(**INSIDE, **QUICK)
def _probability(x: Any, one: Any) -> Any:
    e = exp(-abs(x))
    return (one if x >= 0 else e) / (one + e)


@njit(**CACHED, **QUICK)
def cross_entropy(logits: Any, counted: Any, cells: Any, channels: Any, weights: Any, gradient: Any) -> float:
    """The sum over counted cells of softplus(x), less that of x over the positive ones, weighted by channel; fill `gradient` with its own.

    Args:
        logits: [N, K]; gradient: the same.
        counted: [N] bool; without elements: all count.
        cells, channels: [m], of the positive ones, each once.
        weights: [K], of the type that is computed in.
    """
    # of the type that is computed in, for with a whole number everything behind it would be float64
    loss, one = 0.0, weights.dtype.type(1)
    for i in range(len(logits)):
        own, into = logits[i], gradient[i]
        if len(counted) and not counted[i]:
            for k in range(len(own)):
                into[k] = narrowed(weights[k] * 0, into[k])
            continue
        total = weights[0] * 0
        for k in range(len(own)):
            x = widened(own[k])
            # what is no number, or infinite, must not be lost on the way through a polynomial
            total += weights[k] * (max(x, x * 0) + log1p(exp(-abs(x))) + x * 0)
        for k in range(len(own)):
            into[k] = narrowed(weights[k] * _probability(widened(own[k]), one), into[k])
        loss += total
    for j in range(len(cells)):
        i, k = cells[j], channels[j]
        x = widened(logits[i, k])
        share = x * 0 if len(counted) and not counted[i] else _probability(x, one)
        loss -= weights[k] * x
        gradient[i, k] = narrowed(weights[k] * (share - one), gradient[i, k])
    return loss
