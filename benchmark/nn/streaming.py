"""A sum of losses whose graph never stands whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from benchmark.nn.lanes import side_by_side
from benchmark.nn.precision import loss_scale

Piece = TypeVar("Piece")


def streamed(
    lanes: Sequence[Sequence[Piece]],
    loss_of: Callable[[Piece, Sequence[Tensor]], Tensor],
    tensors: Sequence[Tensor],
    parameters: Sequence[Tensor],
) -> Tensor:
    """Sum of `loss_of(piece, tensors)`: forward and backward of a piece run before the next begins, so that a lane has one graph at a time.

    Nothing is computed twice: gradients are summed on the way, in float32 at least, and handed on when the sum itself is
    differentiated. (The idea is that of fused cross-entropy losses, for a sum over anything.)

    Args:
        lanes: pieces; each lane runs on a core of its own.
        tensors: what the pieces are computed from; `loss_of` must take them from its second argument.
        parameters: leaves that `loss_of` uses by itself.
    """
    if not torch.is_grad_enabled():
        return torch.stack([loss_of(piece, tensors) for lane in lanes for piece in lane]).sum()
    leaves = [p for p in parameters if p.requires_grad]
    total: Tensor = _Streamed.apply(lanes, loss_of, len(tensors), *tensors, *leaves)  # type: ignore[no-untyped-call]
    return total


class _Streamed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, lanes: Sequence[Sequence[Any]], loss_of: Callable[..., Tensor], count: int, *inputs: Tensor) -> Tensor:
        inside = [t.detach().requires_grad_() for t in inputs[:count]]
        wanted = [*inside, *inputs[count:]]
        ctx.scale = loss_scale()
        found = side_by_side([partial(_sums, lane, loss_of, inside, wanted, ctx.scale) for lane in lanes])
        total, sums = found[0]
        for loss, more in found[1:]:
            total += loss
            torch._foreach_add_(sums, more)
        ctx.gradients = [gradient.to(t.dtype) for gradient, t in zip(sums, wanted, strict=True)]
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *given: Tensor) -> Any:
        factor = given[0] if ctx.scale is None else given[0] / ctx.scale
        return None, None, None, *(factor.to(g.dtype) * g for g in ctx.gradients)


def _sums(
    pieces: Sequence[Any], loss_of: Callable[..., Tensor], inside: list[Tensor], wanted: list[Tensor], scale: Tensor | None
) -> tuple[Tensor, list[Tensor]]:
    """Of the pieces' losses, and of their gradients, which are scaled."""
    sums = [torch.zeros_like(t, dtype=torch.promote_types(t.dtype, torch.float32)) for t in wanted]
    losses = []
    for piece in pieces:
        with torch.enable_grad():
            loss = loss_of(piece, inside)
        losses.append(loss.detach())
        for total, part in zip(sums, torch.autograd.grad(loss, wanted, scale, allow_unused=True), strict=True):
            if part is not None:
                total += part
    return torch.stack(losses).sum(), sums
