"""AdamW against torch's own optimiser under its own scheduler, bit for bit."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch import nn

from benchmark.nn.adamw import AdamW, Group


def model() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 7), nn.LayerNorm(7), nn.Linear(7, 2), nn.Linear(2, 2))


def test_it_moves_weights_as_torchs_own_does_bit_for_bit() -> None:
    ours, theirs = model(), model()
    mine = AdamW([Group(tuple(ours[:3].parameters()), 1e-2, 0.03), Group(tuple(ours[3].parameters()), 1e-3, 0.0)])
    rows = [
        {"params": list(theirs[:3].parameters()), "lr": 1e-2, "weight_decay": 0.03},
        {"params": list(theirs[3].parameters()), "lr": 1e-3, "weight_decay": 0.0},
    ]
    other = torch.optim.AdamW(rows, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(other, lambda step: step / 3)
    for step in range(12):
        x = torch.randn(4, 5)
        # the last layer gets a gradient in every second step only: its moments must wait as torch's do
        depth = 4 if step % 2 else 3
        for net in (ours, theirs):
            net[:depth](x).square().sum().backward()
        mine.step(step / 3)
        mine.forget_gradients()
        other.step()
        schedule.step()
        other.zero_grad(set_to_none=True)
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(p, q), step
    assert not torch.equal(model()[3].weight, ours[3].weight), "it moved"
    assert all(p.grad is None for p in ours.parameters())


def test_training_does_not_import_the_compiler() -> None:
    code = (
        "import sys, torch; from torch import nn; from benchmark.nn.adamw import AdamW, Group; m = nn.Linear(2, 2);"
        "o = AdamW([Group(tuple(m.parameters()), 0.1, 0.0)]); m(torch.ones(2)).sum().backward(); o.step(); o.forget_gradients();"
        "print('torch._dynamo' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
