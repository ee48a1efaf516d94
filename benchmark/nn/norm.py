"""LayerNorm(x) + y."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from benchmark.nn.bits import array, has_compiled


def norm_sum(norm: nn.LayerNorm, x: Tensor, y: Tensor) -> Tensor:
    """What a norm over the last dimension makes of x, plus y; in bf16 rounded once, and in one pass where machine code can be had.

    Shapes:
        x, y: [N, size], of one type; returns: the same
    """
    if x.dtype != torch.bfloat16 or not has_compiled(x):
        found: Tensor = norm(x) + y
        return found
    return in_one_pass(norm, x, y)


def in_one_pass(norm: nn.LayerNorm, x: Tensor, y: Tensor) -> Tensor:
    """The same by `benchmark.nn.compiled.norm`."""
    kind = torch.promote_types(norm.weight.dtype, torch.float32)  # what is computed in
    found: Tensor = _NormSum.apply(x, y, norm.weight.to(kind), norm.bias.to(kind), norm.eps)  # type: ignore[no-untyped-call]
    return found


class _NormSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
        from benchmark.nn.compiled.norm import norm_sum

        mean, scale = weight.new_empty(len(x)), weight.new_empty(len(x))
        found, x = torch.empty_like(y), x.contiguous()
        norm_sum(*map(array, (x, y.contiguous(), weight, bias)), epsilon, *map(array, (mean, scale, found)))
        ctx.save_for_backward(x, mean, scale, weight)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *given: Tensor) -> Any:
        from benchmark.nn.compiled.norm import norm_back

        x, mean, scale, weight = ctx.saved_tensors
        found, of_weight, of_bias = torch.empty_like(x), torch.zeros_like(weight), torch.zeros_like(weight)
        norm_back(*map(array, (given[0].contiguous(), x, mean, scale, weight, found, of_weight, of_bias)))
        return found, given[0], of_weight, of_bias, None
