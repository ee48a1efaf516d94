"""Plain arithmetic of which vectors are made, where a library's function would be called for every number."""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numba.extending import overload


def exp(x):
    """e^x of x <= 0."""
    raise NotImplementedError


@overload(exp, inline="always")
def _exp(x):
    if x != types.float32:
        return lambda x: math.exp(x)

    def of_float32(x):
        """By Cody and Waite's reduction and the polynomial of Cephes' `expf`."""
        x = max(x, np.float32(-87.0))
        n = np.floor(x * np.float32(1.4426950408889634) + np.float32(0.5))
        f = (x - n * np.float32(0.693359375)) - n * np.float32(-2.12194440e-4)
        p = np.float32(1.9875691500e-4)
        p = p * f + np.float32(1.3981999507e-3)
        p = p * f + np.float32(8.3334519073e-3)
        p = p * f + np.float32(4.1665795894e-2)
        p = p * f + np.float32(1.6666665459e-1)
        p = p * f + np.float32(5.0000001201e-1)
        p = p * f * f + f + np.float32(1.0)
        return p * np.int32(np.int32(np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)

    return of_float32


def log1p(x):
    """log(1 + x) of 0 <= x <= 1."""
    raise NotImplementedError


@overload(log1p, inline="always")
def _log1p(x):
    if x != types.float32:
        return lambda x: math.log1p(x)

    def of_float32(x):
        """2 artanh(x / (2 + x)) by its series: the argument is at most 1/3."""
        s = x / (np.float32(2.0) + x)
        q = s * s
        p = np.float32(1 / 13)
        p = p * q + np.float32(1 / 11)
        p = p * q + np.float32(1 / 9)
        p = p * q + np.float32(1 / 7)
        p = p * q + np.float32(1 / 5)
        p = p * q + np.float32(1 / 3)
        return np.float32(2.0) * (s * q * p + s)

    return of_float32
