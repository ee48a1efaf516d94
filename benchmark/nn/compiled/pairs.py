"""What two words say of each other, brought into the order of cells, with what each says alone: one pass over the cells.

Shapes:
    pairs: [heads, at least m, at least r, part], of every last and every first word of a strip, a head's channels together
    rows: [r, heads x part]; columns: [m, heads x part]; cells: [r x m, heads x part], row-major
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from benchmark.nn.compiled.bf16 import CACHED, QUICK, narrowed, widened


@njit(**CACHED, **QUICK)
def gather(pairs: Any, rows: Any, columns: Any, sums: Any, cells: Any) -> None:
    """Add to cells what their words say.

    Args:
        sums: [heads x part], a buffer of the type that is computed in.
    """
    heads, part, size = len(pairs), pairs.shape[3], len(sums)
    for i in range(len(rows)):
        for j in range(len(columns)):
            into, row, column = cells[i * len(columns) + j], rows[i], columns[j]
            for e in range(size):
                sums[e] = widened(into[e]) + widened(row[e]) + widened(column[e])
            for h in range(heads):
                own, pair = sums[h * part : (h + 1) * part], pairs[h, j, i]
                for e in range(part):
                    own[e] += widened(pair[e])
            for e in range(size):
                into[e] = narrowed(sums[e], into[e])


@njit(**CACHED, **QUICK)
def scatter(cells: Any, pairs: Any, rows: Any, columns: Any) -> None:
    """The way back of gradients: fill `pairs`, 0 where no cell is; add to those of rows and columns."""
    heads, part = len(pairs), pairs.shape[3]
    count, wide = len(rows), len(columns)
    nothing = narrowed(np.float32(0), pairs[0, 0, 0, 0])
    for h in range(heads):
        pairs[h, wide:] = nothing
        pairs[h, :wide, count:] = nothing
    for i in range(count):
        row = rows[i]
        for j in range(wide):
            own, column = cells[i * wide + j], columns[j]
            for e in range(len(own)):
                row[e] += widened(own[e])
            for e in range(len(own)):
                column[e] += widened(own[e])
            for h in range(heads):
                pair, channels = pairs[h, j, i], own[h * part : (h + 1) * part]
                for e in range(part):
                    pair[e] = channels[e]
