"""bf16 copies of linear weights that stay from step to step, where autocast casts every weight and every gradient anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Copy:
    """A weight's: what its layer multiplies with, and where the gradient arrives, both in bf16."""

    def __init__(self, weight: nn.Parameter) -> None:
        self.weight = weight
        self.copied = weight.detach().bfloat16().requires_grad_()
        self.is_filled()

    def tensor(self) -> Tensor:
        """As the weight is now, where torch noted who changed it."""
        if self._version != self.weight._version:
            self.fill()
        return self.copied

    @torch.no_grad()
    def fill(self) -> None:
        """Copy the weight, after a change that torch does not note: its fused optimisers'."""
        self.copied.copy_(self.weight)
        self.is_filled()

    def is_filled(self) -> None:
        """Somebody has put the weight as it is now into `copied`."""
        self._version = self.weight._version

    def gather(self) -> None:
        """Add the gradient to the weight's own, in its type."""
        if (gradient := self.copied.grad) is None:
            return
        if self.weight.grad is None:
            self.weight.grad = gradient.to(self.weight.dtype)
        else:
            self.weight.grad += gradient
        self.copied.grad = None


Copies = Mapping[nn.Parameter, Copy]
NONE: Copies = {}


def gather(copies: Copies) -> None:
    """Add all gradients that arrived in copies to those of their weights."""
    for copy in copies.values():
        copy.gather()


@contextmanager
def kept_copies(model: nn.Module) -> Iterator[Copies]:
    """Until the block ends, linear layers under autocast multiply with copies of their weights: the numbers are autocast's own.

    What is wanted of the gradients stands in the copies, until `gather`. Without autocast nothing changes.
    """
    found: dict[nn.Parameter, Copy] = {}
    changed = []
    for module in model.modules():
        if type(module) is not nn.Linear or not _wanted(module.weight):
            continue
        weight = cast("nn.Parameter", module.weight)
        forward = module.__dict__.get("forward")
        if isinstance(forward, partial) and forward.func is _linear:  # another block goes on: its copies serve both
            found[weight] = forward.args[1]
            continue
        if weight not in found:
            found[weight] = Copy(weight)
        module.forward = partial(_linear, module, found[weight])  # type: ignore[method-assign]
        changed.append(module)
    made = {id(module): found[cast("nn.Parameter", module.weight)] for module in changed}
    for module in model.modules():
        _put_together([made[id(child)] for child in module.children() if id(child) in made])
    try:
        yield found
    finally:
        for module in changed:
            del module.forward


def _put_together(copies: Sequence[Copy]) -> None:
    """Make neighbours of the copies of layers of one module, which as a rule read the same: they can be one product."""
    if len({id(copy) for copy in copies}) < len(copies) or len({copy.weight.shape[1] for copy in copies}) != 1:
        return
    whole = torch.cat([copy.copied.detach() for copy in copies])
    for copy, place in zip(copies, torch.split(whole, [len(copy.weight) for copy in copies]), strict=True):
        copy.copied = place.detach().requires_grad_()


def joined(weights: Sequence[Tensor]) -> Tensor:
    """Matrices one below the other: where they stand so in memory, as the copies of a module's layers do, without a copy."""
    first = weights[0]
    if len(weights) == 1:
        return first
    memory, at = first.untyped_storage().data_ptr(), first.data_ptr()
    for weight in weights:
        if (weight.untyped_storage().data_ptr(), weight.data_ptr(), weight.shape[1]) != (memory, at, first.shape[1]):
            return torch.cat(list(weights))
        at += weight.nbytes
    return first.as_strided((sum(map(len, weights)), first.shape[1]), first.stride())


def _wanted(weight: Tensor) -> bool:
    return weight.requires_grad and weight.dtype == torch.float32 and weight.is_contiguous()


def multiplied(module: nn.Linear) -> Tensor:
    """What a linear layer multiplies with, as autocast is set: its weight, a cast of it, or the copy that is kept."""
    weight, device = module.weight, module.weight.device.type
    if not torch.is_autocast_enabled(device):
        return weight
    dtype = torch.get_autocast_dtype(device)
    forward = module.__dict__.get("forward")
    if dtype == torch.bfloat16 and isinstance(forward, partial) and forward.func is _linear:
        return cast("Copy", forward.args[1]).tensor()
    return weight if weight.dtype == torch.float64 else weight.to(dtype)


def _linear(module: nn.Linear, copy: Copy, x: Tensor) -> Tensor:
    return F.linear(x, multiplied(module), module.bias)
