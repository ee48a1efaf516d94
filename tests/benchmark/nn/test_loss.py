"""The loss against torch's own cross-entropy of dense targets."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.nn import loss
from benchmark.nn.loss import grid_loss, in_one_pass
from benchmark.nn.span_grid import grid_mask
from tests.neural import close, keep_of


def test_the_loss_is_weighted_binary_cross_entropy_and_ignores_padding():
    torch.manual_seed(1)
    keep = keep_of([5, 1, 3], 6)
    logits = 4 * torch.randn(3, 6, 6, 4, dtype=torch.float64)
    logits[1, 4, 4] = 700.0  # of padding: neither its value nor its gradient may count
    logits.requires_grad_()
    gold = torch.tensor([[0, 0, 4, 0], [0, 0, 4, 3], [0, 4, 1, 1], [1, 0, 0, 2], [2, 2, 2, 0]])
    weights = torch.tensor([1.0, 1.0, 0.25, 0.5])
    dense = torch.zeros_like(logits)
    dense[tuple(gold.T)] = 1.0
    real = torch.stack([torch.outer(k, k) for k in keep.double()])[..., None]
    expected = F.binary_cross_entropy_with_logits(logits, dense, weight=real * weights.double(), reduction="sum")
    found = grid_loss(logits, grid_mask(keep), tuple(gold.T), weights)
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)
    assert close(torch.autograd.grad(found, logits)[0], torch.autograd.grad(expected, logits)[0])


def test_the_loss_of_a_batch_without_entities_is_that_of_its_negatives():
    logits = torch.randn(1, 3, 3, 2)
    found = grid_loss(logits, torch.ones(1, 3, 3, dtype=torch.bool), tuple(torch.zeros(4, 0, dtype=torch.long)), torch.ones(2))
    assert float(found) == pytest.approx(float(F.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits), reduction="sum")))


def test_the_loss_of_half_precision_logits_is_summed_in_float32():
    logits = torch.randn(1, 30, 30, 3).bfloat16()
    arguments = (None, tuple(torch.tensor([[0], [1], [2], [0]])), torch.ones(3))
    found = grid_loss(logits, *arguments)
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(float(grid_loss(logits.double(), *arguments)), rel=1e-5)


def cells(count: int, kind: torch.dtype) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
    """Logits of some channels, positive places, weights."""
    torch.manual_seed(count)
    # from 20 on torch says that softplus(x) is x
    logits = (6 * torch.randn(count, 7, dtype=torch.float64)).clamp(max=19).to(kind).requires_grad_()
    gold = (torch.rand(count, 7) < 0.1).nonzero().unbind(1)
    return logits, (gold[0], gold[1]), torch.rand(7).to(torch.float64 if kind == torch.float64 else torch.float32)


def with_gradient(found: Tensor, logits: Tensor, factor: float) -> tuple[Tensor, Tensor]:
    return found, torch.autograd.grad(found * factor, logits)[0]


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(("count", "factor"), [(1, 1.0), (40, 1.0), (40, 0.25), (1000, 1.0)])
def test_one_pass_gives_what_torch_gives(count: int, factor: float, masked: bool) -> None:
    logits, gold, weights = cells(count, torch.float64)
    counted = torch.rand(count) < 0.6 if masked else None
    ours = with_gradient(in_one_pass(logits, counted, gold, weights), logits, factor)
    theirs = with_gradient(grid_loss(logits, counted, gold, weights), logits, factor)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("masked", [True, False])
def test_bf16_is_as_near_the_exact_numbers_as_torchs(masked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    logits, gold, weights = cells(3000, torch.bfloat16)
    counted = torch.rand(3000) < 0.6 if masked else None
    found = {}
    for compiled in (True, False):
        monkeypatch.setattr(loss, "has_compiled", lambda x, compiled=compiled: compiled)
        found[compiled] = with_gradient(grid_loss(logits, counted, gold, weights), logits, 1.0)
    exact = logits.detach().double().requires_grad_()
    oracle = with_gradient(grid_loss(exact, counted, gold, weights), exact, 1.0)
    for own, other, wanted in zip(found[True], found[False], oracle, strict=True):
        assert own.dtype == other.dtype
        far, theirs = ((x.double() - wanted).norm() / wanted.norm() for x in (own, other))
        assert far < 1.01 * theirs + 1e-6


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_not_lost(wrong: float) -> None:
    logits = torch.randn(20, 7).bfloat16()
    logits[3, 2] = wrong
    none = torch.empty(0, dtype=torch.long)
    assert not torch.isfinite(in_one_pass(logits, None, (none, none), torch.ones(7)))
