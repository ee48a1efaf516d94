"""Which cells of a batch's grids are computed together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEAST = 1024  # cells a lane that are worth a thread
LOWEST = 8  # rows that are worth beginning where a piece has room, and of which a cut is a multiple: shapes repeat


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a fused cell sees: rows above and below, columns to either side."""

    rows: int = 0
    columns: int = 0


@dataclass(frozen=True, slots=True)
class Strip:
    """Neighbouring rows of one sentence's grid: its own, and those around them that its own depend on.

    Attributes:
        sentence: index in the batch; it has `n` words.
        first, end: own rows `first <= i < end`.
        top, bottom: computed rows `top <= i < bottom`.
        left: computed columns `left <= j < n`.
    """

    sentence: int
    n: int
    first: int
    end: int
    top: int
    bottom: int
    left: int

    @property
    def width(self) -> int:
        return self.n - self.left

    @property
    def cells(self) -> int:
        """Own rows, computed columns."""
        return (self.end - self.first) * self.width

    def index(self, i: int, j: int) -> int:
        """Place of a cell among those of the strip, row-major."""
        return (i - self.first) * self.width + j - self.left


def cut(lengths: Sequence[int], *, cells: int, reach: Reach, upper: bool = False, lanes: int = 1) -> list[list[Strip]]:
    """Strips that cover every row of every grid once, gathered into pieces of at most about `cells` computed cells.

    Short sentences share a piece, long ones are cut: the memory of a piece does not grow with the grid. A strip is tall
    enough that rows computed twice stay few.

    Args:
        lengths: words of each sentence.
        upper: only cells i <= j are wanted, so that columns left of a strip's own are left out.
        lanes: so many share the pieces evenly, and the `cells` that are computed at a time, unless pieces would be small.
    """
    whole = sum(n * n for n in lengths) // (2 if upper else 1)
    if lanes > 1:
        cells = max(cells // lanes, LEAST)
        if whole >= lanes * LEAST:
            turns = math.ceil(whole / (lanes * cells))
            cells = math.ceil(whole / (lanes * turns))
    lowest = max(LOWEST, 16 * reach.rows)
    pieces: list[list[Strip]] = [[]]
    used = 0
    for sentence, n in enumerate(lengths):
        first = 0
        while first < n:
            left = max(0, first - reach.columns) if upper else 0
            fit = (cells - used) // (n - left)
            if pieces[-1] and fit < min(lowest, n - first):
                pieces.append([])
                used = 0
                continue
            tall = max(fit - fit % LOWEST or fit, 16 * reach.rows, 1)
            end = n if fit >= n - first else min(n, first + tall)
            if upper:
                end = min(end, first + max(8, n // 8, 4 * reach.rows))  # low strips leave out more of the lower triangle
            top, bottom = max(0, first - reach.rows), min(n, end + reach.rows)
            pieces[-1].append(Strip(sentence, n, first, end, top, bottom, left))
            used += (bottom - top) * (n - left)
            first = end
    return pieces
