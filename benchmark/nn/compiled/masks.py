"""Masks of dropout in one pass: random bits, compared and turned into what is multiplied with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from benchmark.nn.compiled.bf16 import CACHED

LANES = 32  # generators that go in step, a few vectors of 64-bit numbers
ROUNDS = 16  # of each, whose bits stay in the first cache until they are compared
A, B, C, COUNTER = range(0, 4 * LANES, LANES)  # known beforehand, so that no vector has to be asked whether it lies on another


@njit(**CACHED)
def fill(mask: Any, lowest: Any, kept: Any, states: Any) -> None:
    """Fill a mask with `kept` where 16 random bits are at least `lowest`, else with 0.

    The bits are those of `LANES` generators SFC64 (Chris Doty-Humphrey's), whose next numbers stand side by side.

    Args:
        mask: [N] uint16.
        states: [4 x LANES] uint64: a of every generator, then b, c, and how many numbers it gave; changed.
    """
    words = np.empty((ROUNDS, LANES), np.uint64)
    bits = words.reshape(-1).view(np.uint16)
    for start in range(0, len(mask), len(bits)):
        for r in range(ROUNDS):
            row = words[r]
            for k in range(LANES):
                a, b, c = states[A + k], states[B + k], states[C + k]
                x = a + b + states[COUNTER + k]
                states[COUNTER + k] += np.uint64(1)
                states[A + k] = b ^ (b >> np.uint64(11))
                states[B + k] = c + (c << np.uint64(3))
                states[C + k] = ((c << np.uint64(24)) | (c >> np.uint64(40))) + x
                row[k] = x
        part = mask[start : start + len(bits)]
        for i in range(len(part)):
            part[i] = kept if bits[i] >= lowest else np.uint16(0)
