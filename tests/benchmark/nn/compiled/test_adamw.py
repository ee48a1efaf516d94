"""Machine code against torch: AdamW of weights that keep copies."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmark.nn import adamw
from benchmark.nn.adamw import AdamW, Group
from benchmark.nn.copies import Copy


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
