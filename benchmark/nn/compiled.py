"""Machine code by numba (extra `compiled`): bf16, which numba lacks, as 16-bit integers; and AdamW in one pass over memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic, overload

PLAIN = {"nogil": True, "error_model": "numpy"}


def widened(x):
    """A number as it is computed with."""
    raise NotImplementedError


@overload(widened, inline="always")
def _widened(x):
    if isinstance(x, types.Integer):
        return lambda x: np.uint32(np.uint32(x) << np.uint32(16)).view(np.float32)
    return lambda x: x


def narrowed(x, like):
    """A number as it is stored in the type of `like`: the nearest, of two the even one."""
    raise NotImplementedError


@overload(narrowed, inline="always")
def _narrowed(x, like):
    if not isinstance(like, types.Integer):
        return lambda x, like: x

    def rounded(x, like):
        bits = np.float32(x).view(np.uint32)
        odd = np.uint32(np.uint32(bits >> np.uint32(16)) & np.uint32(1))
        return np.uint16(np.uint32(np.uint32(bits + np.uint32(0x7FFF)) + odd) >> np.uint32(16))

    return rounded


@intrinsic
def fused(typing_context, x, y, z):
    """x y + z, rounded once."""
    return x(x, y, z), lambda context, builder, signature, arguments: builder.fma(*arguments)


@njit(**PLAIN, cache=True)
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
