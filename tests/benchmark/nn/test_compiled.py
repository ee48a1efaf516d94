"""Machine code against torch: rounding to bf16, and AdamW of weights that keep copies."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numba import njit
from torch import nn

from benchmark.nn import adamw
from benchmark.nn.adamw import AdamW, Group
from benchmark.nn.bits import array
from benchmark.nn.compiled import narrowed, widened
from benchmark.nn.copies import Copy

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


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("decay", [0.0, 0.03])
def test_weights_with_copies_move_as_torchs_own_bit_for_bit(compiled: bool, decay: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adamw, "has_compiled", lambda x: compiled)
    monkeypatch.setattr(adamw, "PART", 1000)
    torch.manual_seed(1)
    start = [torch.randn(48, 80), torch.randn(16, 16)]
    ours, theirs = ([nn.Parameter(w.clone()) for w in start] for _ in range(2))
    copies = {weight: Copy(weight) for weight in ours}
    mine = AdamW([Group(tuple(ours), 1e-2, decay)], copies)
    other = torch.optim.AdamW(theirs, lr=1e-2, weight_decay=decay, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(other, lambda step: 1 / (1 + step))
    for step in range(7):
        for weight, twin in zip(ours, theirs, strict=True):
            gradient = torch.randn_like(weight).bfloat16()
            copies[weight].copied.grad, twin.grad = gradient, gradient.float()
        mine.step(1 / (1 + step))
        mine.forget_gradients()
        other.step()
        schedule.step()
        for weight, twin in zip(ours, theirs, strict=True):
            assert torch.equal(weight, twin), step
            assert torch.equal(copies[weight].tensor(), twin.bfloat16()), step
