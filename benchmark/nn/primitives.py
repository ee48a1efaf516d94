"""Products in bf16. Of few shapes: oneDNN compiles code for each one, which takes longer than a product, and forgets it in the end."""

from __future__ import annotations

import torch
from torch import Tensor

QUANTUM = 256  # cells, of which products in bf16 have a multiple
WORDS = 8  # likewise of the first and of the last words whose pairs are scored


def rounded(rows: int, dtype: torch.dtype, quantum: int | None = None) -> int:
    """So many rows and zeros behind them are to be multiplied, that shapes repeat; other types than bf16 are not compiled for.

    oneDNN could be told to keep more of what it compiles; that takes much memory a shape.
    """
    quantum = quantum or QUANTUM
    return -(-rows // quantum) * quantum if dtype == torch.bfloat16 else rows


def product_type(x: Tensor) -> torch.dtype:
    """Of products of states like `x`, as autocast is set."""
    device = x.device.type
    casts = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)  # not every device can be asked the second
    return torch.get_autocast_dtype(device) if casts and x.dtype != torch.float64 else x.dtype
