"""AdamW without `torch.optim`, which imports torch's compiler: 1.5 seconds of every process that trains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.nn.bits import array, has_compiled
from benchmark.nn.copies import NONE, Copies, Copy
from benchmark.nn.lanes import lanes, side_by_side
from benchmark.nn.rows import summed

PART = 2**18  # elements of a weight that a core moves together: what is cast on the way stays in the cache
ALIGNED = 64  # elements: runs begin where vectors do
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

    Bit for bit `torch.optim.AdamW(fused=True)` with the same rates; a parameter without a gradient stays. Where gradients
    name their rows, the others' are zero.

    Args:
        copies: of parameters whose gradients arrive there.
    """

    # what `torch.amp.GradScaler` asks of an optimiser that skips a step by itself, so that no number is read from a GPU
    _step_supports_amp_scaling = True
    grad_scale: Tensor | None = None
    found_inf: Tensor | None = None  # while it makes us step: 1 where a gradient is infinite or NaN

    def __init__(self, groups: Sequence[Group], copies: Copies = NONE) -> None:
        self.groups = tuple(groups)
        self.copies = copies
        self._moments: dict[nn.Parameter, Moments] = {}
        self._seen: dict[nn.Parameter, Tensor] = {}  # rows that ever had a gradient, sorted: the moments of others are zero

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Parameters, where `torch.amp.GradScaler` looks for them."""
        return [{"params": group.parameters} for group in self.groups]

    @torch.no_grad()
    def step(self, factor: float = 1.0) -> None:
        """Move every parameter that has a gradient; `factor` scales all learning rates."""
        apart: list[tuple[Copy, Group]] = []
        for group in self.groups:
            moved: list[nn.Parameter] = []
            for parameter in group.parameters:
                copy = self.copies.get(parameter)
                if copy is not None and parameter.grad is None and copy.copied.grad is not None and self.found_inf is None:
                    apart.append((copy, group))
                elif copy is not None:
                    copy.gather()
                if parameter.grad is not None and not self._moves_rows(parameter, group, factor):
                    moved.append(parameter)
            self._move(moved, group, factor)
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

    def _moves_rows(self, parameter: nn.Parameter, group: Group, factor: float) -> bool:
        """Whether its gradient named rows, and they are moved; beside them only weight decay moves anything."""
        gradient = parameter.grad
        assert gradient is not None
        fresh = parameter not in self._moments
        # a step that is perhaps left out is left to the fused kernel, which takes no rows
        if not gradient.is_sparse or self.found_inf is not None or not (fresh or parameter in self._seen):
            self._seen.pop(parameter, None)  # any row may have moments from now on
            parameter.grad = gradient.to_dense() if gradient.is_sparse else gradient
            return False
        rows, values = summed(gradient)
        seen = self._seen[parameter] = rows if fresh else torch.unique(torch.cat([self._seen[parameter], rows]))
        wanted = values.new_zeros(len(seen), values.shape[1])
        wanted[torch.searchsorted(seen, rows)] = values
        of = self._of(parameter)
        weight, mean, square = (x[seen] for x in (parameter, of.mean, of.square))
        of.step.add_(1)
        _fused([weight], [wanted], [Moments(mean, square, of.step)], group, factor)
        if group.weight_decay:
            parameter.mul_(1 - group.lr * factor * group.weight_decay)
        for whole, part in ((parameter, weight), (of.mean, mean), (of.square, square)):
            whole[seen] = part
        return True

    def _move(self, parameters: Sequence[nn.Parameter], group: Group, factor: float) -> None:
        if not parameters:
            return
        gradients, of = [p.grad for p in parameters if p.grad is not None], [self._of(p) for p in parameters]
        torch._foreach_add_([m.step for m in of], 1)
        _fused(parameters, gradients, of, group, factor, self.found_inf)
        if self.found_inf is not None:
            torch._foreach_sub_([m.step for m in of], [self.found_inf] * len(of))

    def _of(self, parameter: nn.Parameter) -> Moments:
        if parameter not in self._moments:
            step = torch.zeros((), dtype=torch.float32, device=parameter.device)
            self._moments[parameter] = Moments(torch.zeros_like(parameter), torch.zeros_like(parameter), step)
        return self._moments[parameter]


def _lane(apart: Sequence[tuple[Copy, Group]], of: Sequence[Moments], factor: float, lane: int, count: int) -> None:
    """One of `count` equal runs of every weight."""
    for (copy, group), moments in zip(apart, of, strict=True):
        size = copy.weight.numel()
        first, end = (size if k == count else size * k // count // ALIGNED * ALIGNED for k in (lane, lane + 1))
        _move_run(copy, moments, group, factor, slice(first, end))


def _move_run(copy: Copy, of: Moments, group: Group, factor: float, run: slice) -> None:
    """Move a run of a weight that has a gradient in its copy, and of the copy."""
    assert copy.copied.grad is not None
    whole = (copy.weight.detach(), copy.copied.grad.contiguous(), of.mean, of.square, copy.copied.detach())
    move = _move_compiled if has_compiled(copy.weight) else _move_in_parts
    move([x.view(-1)[run] for x in whole], of.step, group, factor)


def _move_in_parts(run: Sequence[Tensor], step: Tensor, group: Group, factor: float) -> None:
    """Of a weight, its gradient, its moments and its copy: cast, move, cast back, a part after the other."""
    for weight, gradient, mean, square, copied in zip(*(torch.split(x, PART) for x in run), strict=True):
        _fused([weight], [gradient.to(weight.dtype)], [Moments(mean, square, step)], group, factor)
        copied.copy_(weight)


def _move_compiled(run: Sequence[Tensor], step: Tensor, group: Group, factor: float) -> None:
    """The same in one pass."""
    from benchmark.nn.compiled.adamw import adamw

    rate, t = group.lr * factor, float(step)
    numbers = 1 - rate * group.weight_decay, BETA_2, 1 - BETA_1, 1 - BETA_2, rate / (1 - BETA_1**t), math.sqrt(1 - BETA_2**t), EPSILON
    adamw(*map(array, run), tuple(map(np.float32, numbers)))


def _fused(
    weights: Sequence[Tensor],
    gradients: Sequence[Tensor],
    of: Sequence[Moments],
    group: Group,
    factor: float,
    found_inf: Tensor | None = None,
) -> None:
    """What torch's own AdamW calls when it is fused; `step` counts this one already. Nothing moves where `found_inf` is 1."""
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
        found_inf=found_inf,
    )
