"""The loss of a grid: binary cross-entropy of every cell and label."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from benchmark.nn.bits import array, has_compiled


def grid_loss(logits: Tensor, cells: Tensor | None, gold: tuple[Tensor, ...], weights: Tensor) -> Tensor:
    """Binary cross-entropy of every cell and channel, weighted by channel, summed.

    BCE(x, y) = softplus(x) - x y: a sum over all cells minus a sum over the few positive ones, so that no dense target
    is ever built.

    Shapes:
        logits: [..., K], taken to float32 at least
        cells: [...] bool, False where a cell does not count; None: all count
        gold: one index tensor [m] a dimension of logits, channels last; each place once
        weights: [K]
    """
    if logits.dtype == torch.bfloat16 and logits.dim() == 2 and has_compiled(logits):
        return in_one_pass(logits, cells, gold, weights.float())
    with torch.autocast(logits.device.type, enabled=False):
        x = logits if logits.dtype == torch.float64 else logits.float()
        weights = weights.to(x.dtype)
        everywhere = F.softplus(x) @ weights
        if cells is not None:
            everywhere = everywhere.masked_fill(~cells, 0.0)
        return everywhere.sum() - (x[gold] * weights[gold[-1]]).sum()


def in_one_pass(logits: Tensor, cells: Tensor | None, gold: tuple[Tensor, ...], weights: Tensor) -> Tensor:
    """The same of [N, K] by `benchmark.nn.compiled.loss`."""
    counted = torch.empty(0, dtype=torch.bool) if cells is None else cells
    found: Tensor = _CrossEntropy.apply(logits, counted, *gold, weights)  # type: ignore[no-untyped-call]
    return found


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, counted: Tensor, cells: Tensor, channels: Tensor, weights: Tensor) -> Tensor:
        from benchmark.nn.compiled.loss import cross_entropy

        gradient = torch.empty(logits.shape, dtype=logits.dtype)
        loss = cross_entropy(*map(array, (logits.contiguous(), counted, cells.contiguous(), channels.contiguous(), weights, gradient)))
        ctx.save_for_backward(gradient)
        return torch.tensor(loss, dtype=weights.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *given: Tensor) -> Any:
        (gradient,) = ctx.saved_tensors
        return gradient if float(given[0]) == 1 else gradient * given[0].to(gradient.dtype), None, None, None, None
