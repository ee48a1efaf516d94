"""Products in half precision, and gradients that do not vanish in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from benchmark.method import Precision

PRODUCTS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

# of this thread: another one that trains has its own
_scale: ContextVar[Tensor | None] = ContextVar("_scale", default=None)


def autocast(device: str, precision: Precision) -> torch.autocast:
    """Products in the type of `precision`, where torch deems it safe; in fp32 as they come."""
    return torch.autocast(device, PRODUCTS[precision], enabled=precision != "fp32")


@contextmanager
def scaled_inside(scale: Tensor | None) -> Iterator[None]:
    """Until the block ends, gradients that are computed on the way to a loss are those of so many times the loss: `loss_scale`."""
    token = _scale.set(scale)
    try:
        yield
    finally:
        _scale.reset(token)


def loss_scale() -> Tensor | None:
    """What a loss is multiplied with before its gradient is taken; None: nothing.

    The least positive number of fp16 is 6e-8: gradients below it would be zero. Who scales the loss in the end has whatever
    autograd computes scaled; a gradient that is computed before that must be scaled by itself.
    """
    return _scale.get()
