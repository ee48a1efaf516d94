"""The cells of strips from what their words say, by machine code."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from benchmark.nn.bits import array
from benchmark.nn.strips import Strip


def gathered(cells: Tensor, rows: Tensor, columns: Tensor, strips: Sequence[Strip], pairs: Sequence[Tensor]) -> Tensor:
    """Cells, which are changed, with the words of their row and of their column, and what these say of each other.

    Shapes:
        cells: [at least all computed cells, size], strip after strip, row-major; returns: the same
        rows, columns: [batch, n, size], of a first and of a last word
        pairs: a strip's [heads, at least its width, at least its height, size / heads]
    """
    found: Tensor = _Gathered.apply(cells, rows, columns, strips, *pairs)  # type: ignore[no-untyped-call]
    return found


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cells: Tensor, rows: Tensor, columns: Tensor, strips: Sequence[Strip], *pairs: Tensor) -> Tensor:
        from benchmark.nn.compiled.pairs import gather

        ctx.strips, ctx.shapes, ctx.words = strips, [p.shape for p in pairs], rows.shape
        rows, columns = rows.contiguous(), columns.contiguous()
        sums = cells.new_empty(cells.shape[1], dtype=_inner(cells))
        for strip, pair, own in zip(strips, pairs, _each(cells, strips), strict=True):
            gather(*map(array, (pair.contiguous(), *_words(strip, rows, columns), sums, own)))
        ctx.mark_dirty(cells)
        return cells

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *given: Tensor) -> Any:
        from benchmark.nn.compiled.pairs import scatter

        cells = given[0].contiguous()
        rows, columns = (cells.new_zeros(ctx.words, dtype=_inner(cells)) for _ in range(2))
        pairs = [cells.new_empty(shape) for shape in ctx.shapes]
        for strip, pair, own in zip(ctx.strips, pairs, _each(cells, ctx.strips), strict=True):
            scatter(*map(array, (own, pair, *_words(strip, rows, columns))))
        return cells, rows.to(cells.dtype), columns.to(cells.dtype), None, *pairs


def _inner(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


def _words(strip: Strip, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    return rows[strip.sentence, strip.top : strip.bottom], columns[strip.sentence, strip.left : strip.n]


def _each(cells: Tensor, strips: Sequence[Strip]) -> list[Tensor]:
    """Computed cells of each strip."""
    at = [0]
    for strip in strips:
        at.append(at[-1] + (strip.bottom - strip.top) * strip.width)
    return [cells[a:b] for a, b in pairwise(at)]
