"""Machine code against torch: rounding to bf16."""

from __future__ import annotations

import numpy as np
import torch
from numba import njit

from benchmark.nn.bits import array
from benchmark.nn.compiled.bf16 import narrowed, widened

SPECIAL = [0.0, -0.0, float("inf"), -float("inf"), float("nan"), 1e-40, 3.4e38, 1.00390625, 1.01171875, -1.00390626]  # ties, overflow


@njit
def there_and_back(x, bits, wide):
    for i in range(len(x)):
        bits[i] = narrowed(x[i], bits[i])
        wide[i] = widened(bits[i])


def test_bf16_is_torchs() -> None:
    torch.manual_seed(0)
    x = torch.cat([torch.tensor(SPECIAL), torch.randn(100_000), torch.randn(1000) * 1e-38])
    bits, wide = torch.empty_like(x, dtype=torch.bfloat16), torch.empty_like(x)
    there_and_back(array(x), array(bits), array(wide))
    expected = x.bfloat16()
    torch.testing.assert_close(bits, expected, rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(wide, expected.float(), rtol=0, atol=0, equal_nan=True)


def test_other_types_are_left_alone() -> None:
    x = np.array([1.0 + 2**-50])
    found, wide = np.empty(1), np.empty(1)
    there_and_back(x, found, wide)
    assert x == found == wide
