"""Cells gathered in one pass against sums of whole tensors, under autograd; and a grid in bf16 by machine code and by torch."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from benchmark.nn import span_grid
from benchmark.nn.pairs import gathered
from benchmark.nn.span_grid import SpanGrid
from benchmark.nn.strips import Strip

BATCH, N, HEADS, PART = 3, 9, 2, 5
STRIPS = (
    Strip(1, 9, first=0, end=4, top=0, bottom=5, left=0),  # with a row that is another strip's
    Strip(1, 9, first=4, end=9, top=3, bottom=9, left=2),
    Strip(0, 1, first=0, end=1, top=0, bottom=1, left=0),
    Strip(2, 6, first=2, end=6, top=2, bottom=6, left=5),
)
CELLS = sum((s.bottom - s.top) * s.width for s in STRIPS)


def parts(more: int) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """Cells, with some that are nobody's; rows, columns; pairs with words that are nobody's."""
    torch.manual_seed(more)
    shapes = [(CELLS + more, HEADS * PART), (BATCH, N, HEADS * PART), (BATCH, N, HEADS * PART)]
    shapes += [(HEADS, s.width + more, s.bottom - s.top + more, PART) for s in STRIPS]
    cells, rows, columns, *pairs = (torch.randn(shape, dtype=torch.float64).requires_grad_() for shape in shapes)
    return cells, rows, columns, pairs


def formula(cells: Tensor, rows: Tensor, columns: Tensor, pairs: Sequence[Tensor]) -> Tensor:
    found = []
    for s, pair in zip(STRIPS, pairs, strict=True):
        r, m = s.bottom - s.top, s.width
        of_pairs = pair[:, :m, :r].permute(2, 1, 0, 3).flatten(2)
        found.append(of_pairs + rows[s.sentence, s.top : s.bottom, None] + columns[s.sentence, None, s.left : s.n])
    whole = torch.cat([f.flatten(0, 1) for f in found])
    return cells + torch.cat([whole, whole.new_zeros(len(cells) - len(whole), whole.shape[1])])


@pytest.mark.parametrize("more", [0, 3])
def test_values_and_gradients_are_those_of_the_formula(more: int) -> None:
    cells, rows, columns, pairs = parts(more)
    leaves = [cells, rows, columns, *pairs]
    expected = formula(cells, rows, columns, pairs)
    direction = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, leaves, direction)
    found = gathered(cells * 1, rows, columns, STRIPS, pairs)  # what is changed may be no leaf
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)
    for own, oracle in zip(torch.autograd.grad(found, leaves, direction), wanted, strict=True):
        torch.testing.assert_close(own, oracle, rtol=0, atol=1e-12)


def test_a_grid_in_bf16_is_as_near_the_exact_one_as_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    grid, words = SpanGrid(12, size=40, heads=4, distance=6).eval(), torch.randn(BATCH, N, 12)
    strips = [Strip(b, N, first=0, end=N, top=0, bottom=N, left=0) for b in range(BATCH)]

    def computed(compiled: bool) -> list[Tensor]:
        monkeypatch.setattr(span_grid, "has_compiled", lambda x: compiled)
        scores = grid.over(grid.factors(words.to(grid.affine.dtype)), strips)[: BATCH * N * N]
        torch.manual_seed(1)
        direction = torch.randn(scores.shape, dtype=torch.float64).to(scores.dtype)
        return [scores, *torch.autograd.grad(scores, list(grid.parameters()), direction)]

    with torch.autocast("cpu", torch.bfloat16):
        ours, torchs = computed(True), computed(False)
    grid.double()
    for own, other, oracle in zip(ours, torchs, computed(False), strict=True):
        far, theirs = ((x.double() - oracle).norm() / oracle.norm() for x in (own, other))
        assert 0 < far < 1.1 * theirs + 1e-6
