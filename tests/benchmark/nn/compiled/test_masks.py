"""Masks against numpy's own SFC64."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.nn.compiled.masks import COUNTER, LANES, fill

LOWEST, KEPT = 30_000, 16_000


def numbers(states: np.ndarray, lane: int, count: int) -> np.ndarray:
    """What numpy's generator gives from the state of a lane."""
    generator = np.random.SFC64(0)
    generator.state = generator.state | {"state": {"state": states[lane::LANES].copy()}}
    return generator.random_raw(count)


@pytest.mark.parametrize("size", [1, 127, 128, 2048, 2049, 10_000])
def test_bits_are_those_of_generators_side_by_side(size: int) -> None:
    states = np.random.SFC64(7).random_raw(COUNTER + LANES)
    each = [numbers(states, lane, -(-size // (4 * LANES))) for lane in range(LANES)]
    bits = np.stack(each, axis=1).reshape(-1).view(np.uint16)[:size]
    mask = np.full(size + 5, 99, np.uint16)
    fill(mask[:size], np.uint16(LOWEST), np.uint16(KEPT), states)
    assert np.array_equal(mask[:size], np.where(bits >= LOWEST, KEPT, 0))
    assert (mask[size:] == 99).all()
