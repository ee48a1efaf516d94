"""What machine code is given of tensors, where numba is installed."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor


def has_compiled(x: Tensor) -> bool:
    """Whether machine code can serve a tensor. It is used in bf16 alone: float32 gives the same bytes without it."""
    return x.device.type == "cpu" and _has_numba()


@cache
def _has_numba() -> bool:
    return find_spec("numba") is not None


def array(x: Tensor) -> Any:
    """A tensor's memory; bf16 as the integers of its bits."""
    return (x.detach().view(torch.uint16) if x.dtype == torch.bfloat16 else x.detach()).numpy()
