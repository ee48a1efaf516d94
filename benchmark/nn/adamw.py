"""AdamW without `torch.optim.Optimizer`, which imports torch's compiler: 1.5 seconds of every process that trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from benchmark.nn.copies import NONE, Copies, Copy

PART = 2**19  # elements of a weight that are moved together: what is cast on the way stays near a core
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
    """Decoupled weight decay (Loshchilov & Hutter 2019): torch's functional form, fused, its state kept here.

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
        for group in self.groups:
            moved: list[nn.Parameter] = []
            for parameter in group.parameters:
                copy = self.copies.get(parameter)
                if copy is not None and parameter.grad is None and copy.copied.grad is not None:
                    self._move_with(copy, copy.copied.grad, group, factor)
                elif copy is not None:
                    copy.gather()
                if parameter.grad is not None:
                    moved.append(parameter)
            _move(moved, [p.grad for p in moved if p.grad is not None], [self._of(p) for p in moved], group, factor)
            for parameter in moved:
                if parameter in self.copies:
                    self.copies[parameter].fill()

    def forget_gradients(self) -> None:
        """Free them: the next step starts from none."""
        for group in self.groups:
            for parameter in group.parameters:
                parameter.grad = None
        for copy in self.copies.values():
            copy.copied.grad = None

    def _move_with(self, copy: Copy, gradient: Tensor, group: Group, factor: float) -> None:
        """Move a weight and its copy together, part after part, so that no gradient of the weight's type ever stands whole."""
        of = self._of(copy.weight)
        step = of.step
        whole = (copy.weight.detach(), gradient.contiguous(), of.mean, of.square, copy.copied.detach())
        for at in range(0, copy.weight.numel(), PART):
            weight, part, mean, square, copied = (x.view(-1)[at : at + PART] for x in whole)
            step = of.step.clone()
            _move([weight], [part.to(weight.dtype)], [Moments(mean, square, step)], group, factor)
            copied.copy_(weight)
        of.step.copy_(step)
        copy.is_filled()

    def _of(self, parameter: nn.Parameter) -> Moments:
        if parameter not in self._moments:
            step = torch.zeros((), dtype=torch.float32, device=parameter.device)
            self._moments[parameter] = Moments(torch.zeros_like(parameter), torch.zeros_like(parameter), step)
        return self._moments[parameter]


def _move(weights: Sequence[Tensor], gradients: Sequence[Tensor], of: Sequence[Moments], group: Group, factor: float) -> None:
    if not weights:
        return
    adamw(
        list(weights),
        list(gradients),
        [m.mean for m in of],
        [m.square for m in of],
        [],
        [m.step for m in of],
        fused=True,
        amsgrad=False,
        beta1=BETA_1,
        beta2=BETA_2,
        lr=group.lr * factor,
        weight_decay=group.weight_decay,
        eps=EPSILON,
        maximize=False,
    )
