"""Which cells of a batch's grids are computed together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


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


def cut(lengths: Sequence[int], *, cells: int, reach: Reach, upper: bool = False) -> Iterator[list[Strip]]:
    """Strips that cover every row of every grid once, gathered into pieces of about `cells` computed cells.

    Short sentences share a piece, long ones are cut: the memory of a piece does not grow with the grid. A strip is tall
    enough that rows computed twice stay few.

    Args:
        lengths: words of each sentence.
        upper: only cells i <= j are wanted, so that columns left of a strip's own are left out.
    """
    piece: list[Strip] = []
    used = 0
    for sentence, n in enumerate(lengths):
        tall = max(1, cells // n, 16 * reach.rows)
        if upper:
            tall = min(tall, max(8, n // 8, 4 * reach.rows))  # low strips leave out more of the lower triangle
        for first in range(0, n, tall):
            end = min(n, first + tall)
            top, bottom = max(0, first - reach.rows), min(n, end + reach.rows)
            left = max(0, first - reach.columns) if upper else 0
            strip = Strip(sentence, n, first, end, top, bottom, left)
            size = (bottom - top) * strip.width
            if piece and used + size > cells:
                yield piece
                piece, used = [], 0
            piece.append(strip)
            used += size
    if piece:
        yield piece
