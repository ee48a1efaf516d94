"""bf16, which numba lacks, as 16-bit integers; and manners of compiling."""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

# A cached function is compiled anew when its own file changes, not when one that it imports from does: after a change here, touch those.
PLAIN = {"nogil": True, "error_model": "numpy"}
CACHED = PLAIN | {"cache": True}
INSIDE = PLAIN | {"inline": "always"}
QUICK = {"fastmath": {"contract", "nsz", "arcp", "reassoc"}}  # sums in any order, so that they are made of vectors


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
