"""AdamW without `torch.optim`, which imports torch's compiler: 1.5 seconds of every process that trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmark.nn.copies import NONE, Copies, Copy
from benchmark.nn.lanes import lanes, side_by_side

PART = 2**20  # elements of a weight that a core moves together: what is cast on the way stays in the cache
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # torch's own defaults, and those of the paper's runs


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters that share a learning rate and a weight decay."""

    parameters: tuple[nn.Parameter, ...]
    lr: float
    weight_decay: float


class Moments(NamedTuple):
    """What AdamW remembers of a parameter."""

    mean: Tensor
    square: Tensor
    step: Tensor


class AdamW:
    """Decoupled weight decay (Loshchilov & Hutter 2019): torch's fused kernel, its state kept here.

    Bit for bit `torch.optim.AdamW(fused=True)` with the same rates; a parameter without a gradient stays.

    Args:
        copies: of parameters whose gradients arrive there.
    """

    def __init__(self, groups: Sequence[Group], copies: Copies = NONE) -> None:
        self.groups = tuple(groups)
        self.copies = copies
        self._moments: dict[nn.Parameter, Moments] = {}

    @torch.no_grad()
    def step(self, factor: float = 1.0) -> None:
        """Move every parameter that has a gradient; `factor` scales all learning rates."""
        apart: list[tuple[Copy, Group]] = []
        for group in self.groups:
            moved: list[nn.Parameter] = []
            for parameter in group.parameters:
                copy = self.copies.get(parameter)
                if copy is not None and parameter.grad is None and copy.copied.grad is not None:
                    apart.append((copy, group))
                elif copy is not None:
                    copy.gather()
                if parameter.grad is not None:
                    moved.append(parameter)
            _move(moved, [p.grad for p in moved if p.grad is not None], [self._of(p) for p in moved], group, factor)
            for parameter in moved:
                if parameter in self.copies:
                    self.copies[parameter].fill()
        self._move_with_copies(apart, factor)

    def forget_gradients(self) -> None:
        """Free them: the next step starts from none."""
        for group in self.groups:
            for parameter in group.parameters:
                parameter.grad = None
        for copy in self.copies.values():
            copy.copied.grad = None

    def _move_with_copies(self, apart: Sequence[tuple[Copy, Group]], factor: float) -> None:
        """Move weights and their copies together, part after part, so that no gradient of a weight's type ever stands whole."""
        if not apart:
            return
        of = [self._of(copy.weight) for copy, _ in apart]
        torch._foreach_add_([m.step for m in of], 1)
        count = max(1, min(lanes(apart[0][0].weight.device), sum(copy.weight.numel() for copy, _ in apart) // PART))
        side_by_side([partial(_lane, apart, of, factor, k, count) for k in range(count)])
        for copy, _ in apart:
            copy.is_filled()

    def _of(self, parameter: nn.Parameter) -> Moments:
        if parameter not in self._moments:
            step = torch.zeros((), dtype=torch.float32, device=parameter.device)
            self._moments[parameter] = Moments(torch.zeros_like(parameter), torch.zeros_like(parameter), step)
        return self._moments[parameter]


def _lane(apart: Sequence[tuple[Copy, Group]], of: Sequence[Moments], factor: float, lane: int, count: int) -> None:
    """One of `count` equal runs of every weight, which has a gradient in its copy."""
    cast = torch.empty(PART, dtype=apart[0][0].weight.dtype, device=apart[0][0].weight.device)  # the gradient of a part
    for (copy, group), moments in zip(apart, of, strict=True):
        gradient, size = copy.copied.grad, copy.weight.numel()
        assert gradient is not None
        whole = (copy.weight.detach(), gradient.contiguous(), moments.mean, moments.square, copy.copied.detach())
        end = size * (lane + 1) // count
        for at in range(size * lane // count, end, PART):
            weight, part, mean, square, copied = (x.view(-1)[at : min(at + PART, end)] for x in whole)
            widened = cast[: len(part)].copy_(part)
            _fused([weight], [widened], [Moments(mean, square, moments.step)], group, factor)
            copied.copy_(weight)


def _move(weights: Sequence[Tensor], gradients: Sequence[Tensor], of: Sequence[Moments], group: Group, factor: float) -> None:
    if weights:
        torch._foreach_add_([m.step for m in of], 1)
        _fused(weights, gradients, of, group, factor)


def _fused(weights: Sequence[Tensor], gradients: Sequence[Tensor], of: Sequence[Moments], group: Group, factor: float) -> None:
    """What torch's own AdamW calls when it is fused; `step` counts this one already."""
    torch._fused_adamw_(
        list(weights),
        list(gradients),
        [m.mean for m in of],
        [m.square for m in of],
        [],
        [m.step for m in of],
        amsgrad=False,
        beta1=BETA_1,
        beta2=BETA_2,
        lr=group.lr * factor,
        weight_decay=group.weight_decay,
        eps=EPSILON,
        maximize=False,
    )
