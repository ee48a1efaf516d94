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
    whole = sum(_wanted(n, reach, upper) for n in lengths)
    even = lanes > 1 and whole >= lanes * LEAST
    if lanes > 1:
        cells = max(cells // lanes, LEAST)
    if even:
        cells = math.ceil(whole / (lanes * math.ceil(whole / (lanes * cells))))
    lowest = max(LOWEST, 16 * reach.rows)
    pieces: list[list[Strip]] = [[]]
    used = owned = 0  # cells of the last piece, computed; of all
    for sentence, n in enumerate(lengths):
        first = 0
        while first < n:
            left = max(0, first - reach.columns) if upper else 0
            # even pieces: what one is short of, or has too much, is the next one's, so that the last is no remnant
            room = cells * len(pieces) - owned if even else cells - used
            fit = round(room / (n - left) / LOWEST) * LOWEST if even else room // (n - left)
            if pieces[-1] and fit < min(lowest, n - first):
                pieces.append([])
                used = 0
                continue
            tall = max(fit - fit % LOWEST or fit, 16 * reach.rows, LOWEST if even else 1)
            end = n if (fit + LOWEST // 2 if even else fit) >= n - first else min(n, first + tall)
            if upper:
                end = min(end, first + _low(n, reach))
            top, bottom = max(0, first - reach.rows), min(n, end + reach.rows)
            pieces[-1].append(Strip(sentence, n, first, end, top, bottom, left))
            used += (bottom - top) * (n - left)
            owned += pieces[-1][-1].cells
            first = end
    return pieces


def _low(n: int, reach: Reach) -> int:
    """Rows of a strip where only the upper triangle is wanted: low strips leave out more of the lower."""
    return max(8, n // 8, 4 * reach.rows)


def _wanted(n: int, reach: Reach, upper: bool) -> int:
    """About how many cells the strips of a grid own."""
    return min(n * n, n * (n + _low(n, reach)) // 2 + n * reach.columns) if upper else n * n
