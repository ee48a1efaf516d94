"""Few shapes of products in bf16: oneDNN compiles code for each one, which takes longer than a product, and forgets it in the end."""

from __future__ import annotations

import torch

QUANTUM = 256  # cells, of which products in bf16 have a multiple
WORDS = 8  # likewise of the first and of the last words whose pairs are scored


def rounded(rows: int, dtype: torch.dtype, quantum: int | None = None) -> int:
    """So many rows and zeros behind them are to be multiplied, that shapes repeat; other types than bf16 are not compiled for.

    oneDNN could be told to keep more of what it compiles; that takes much memory a shape.
    """
    quantum = quantum or QUANTUM
    return -(-rows // quantum) * quantum if dtype == torch.bfloat16 else rows
