"""AdamW of weights that keep copies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from benchmark.nn.compiled.bf16 import CACHED, fused, narrowed, widened


@njit(**CACHED)
def adamw(weight: Any, gradient: Any, mean: Any, square: Any, copy: Any, numbers: Any) -> None:
    """Move a run of a weight, and its copy in bf16: what torch's fused kernel does of the widened gradient.

    Bit for bit where torch computes in vectors; the last elements of a size that is no multiple of 16 it rounds otherwise.

    Args:
        numbers: 1 - rate x decay, beta 2, 1 - beta 1, 1 - beta 2, rate / (1 - beta 1^t), sqrt(1 - beta 2^t), epsilon.
    """
    decay, beta, first, second, rate, root, epsilon = numbers
    for i in range(len(weight)):
        g = widened(gradient[i])
        m = fused(first, g - mean[i], mean[i])
        v = fused(second * g, g, square[i] * beta)
        mean[i], square[i] = m, v
        w = weight[i] * decay - rate * m / (np.sqrt(v) / root + epsilon)
        weight[i] = w
        copy[i] = narrowed(w, copy[i])
