"""AdamW without `torch.optim.Optimizer`, which imports torch's compiler: 1.5 seconds of every process that trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

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
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self.groups = tuple(groups)
        self._moments: dict[nn.Parameter, Moments] = {}

    @torch.no_grad()
    def step(self, factor: float = 1.0) -> None:
        """Move every parameter that has a gradient; `factor` scales all learning rates."""
        for group in self.groups:
            moved: list[Tensor] = [p for p in group.parameters if p.grad is not None]
            if not moved:
                continue
            found = [self._of(p) for p in group.parameters if p.grad is not None]
            adamw(
                moved,
                [p.grad for p in moved if p.grad is not None],
                [m.mean for m in found],
                [m.square for m in found],
                [],
                [m.step for m in found],
                fused=True,
                amsgrad=False,
                beta1=BETA_1,
                beta2=BETA_2,
                lr=group.lr * factor,
                weight_decay=group.weight_decay,
                eps=EPSILON,
                maximize=False,
            )

    def forget_gradients(self) -> None:
        """Free them: the next step starts from none."""
        for group in self.groups:
            for parameter in group.parameters:
                parameter.grad = None

    def _of(self, parameter: nn.Parameter) -> Moments:
        if parameter not in self._moments:
            step = torch.zeros((), dtype=torch.float32, device=parameter.device)
            self._moments[parameter] = Moments(torch.zeros_like(parameter), torch.zeros_like(parameter), step)
        return self._moments[parameter]
