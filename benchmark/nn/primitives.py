"""Few shapes of products in bf16: oneDNN compiles code for each one, which costs more than a product, and keeps only so many."""

from __future__ import annotations

import os

import torch

QUANTUM = 256  # rows, of which products in bf16 have a multiple
CAPACITY = 4096  # compiled products that are kept; oneDNN's own default is 1024, less than an epoch of sentences needs


def rounded(rows: int, dtype: torch.dtype) -> int:
    """So many rows and zeros behind them are to be multiplied, that shapes repeat; other types than bf16 are not compiled for."""
    return -(-rows // QUANTUM) * QUANTUM if dtype == torch.bfloat16 else rows


def keep_compiled() -> None:
    """Keep more of what oneDNN compiles, unless the user has said how much; in time if nothing was multiplied yet."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(CAPACITY))
