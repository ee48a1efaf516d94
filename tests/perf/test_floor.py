"""Parts of a training step."""

from __future__ import annotations

import torch
from torch import nn

from perf.floor import PRECISIONS, jobs, operands
from perf.workload import ENCODERS, encoder


def test_products_are_those_of_the_encoders_linear_layers():
    spec = ENCODERS["tiny"]
    own = sorted(tuple(m.weight.shape) for m in encoder("tiny").model.modules() if isinstance(m, nn.Linear))
    found = sorted(tuple(weight.shape) for _, weight, _ in operands(5, spec.hidden, torch.float32)) * spec.layers
    assert sorted(found) == own


def test_operands_fit_each_other():
    for x, weight, gradient in operands(5, 8, torch.bfloat16):
        assert (x @ weight.t()).shape == gradient.shape
        assert (gradient.t() @ x).shape == weight.shape
        assert x.dtype == weight.dtype == gradient.dtype == torch.bfloat16


def test_every_part_runs_an_epoch():
    found = jobs("tiny", 8)
    assert {f"step {precision}" for precision in PRECISIONS} <= set(found)
    assert {f"AdamW {precision}" for precision in PRECISIONS} <= set(found)
    for job in found.values():
        job()
