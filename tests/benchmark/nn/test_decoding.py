"""Decoding against a greedy choice over sets of words."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from benchmark.method import Predicted
from benchmark.nn.decoding import decode_grid

NAMES = ("PER", "LOC", "ORG")
SCORES = [0.1, 0.5, 0.51, 0.6, 0.8, 0.99]  # few, so that many tie


@st.composite
def grids(draw: st.DrawFn) -> Tensor:
    n, channels = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    cells = draw(st.lists(st.sampled_from(SCORES), min_size=n * n * channels, max_size=n * n * channels))
    return torch.tensor(cells, dtype=torch.float64).reshape(n, n, channels)


def may_stand(span: set[int], other: set[int], clashes: str) -> bool:
    if clashes == "keep" or not span & other:
        return True
    return clashes == "nested" and (span <= other or other <= span)


def greedy(grid: Sequence[Sequence[Sequence[float]]], clashes: str, threshold: float) -> list[Predicted]:
    candidates = []
    for i, row in enumerate(grid):
        for j, cell in enumerate(row):
            score = max(cell)
            if i <= j and score > threshold:
                candidates.append((-score, i, j, cell.index(score)))
    found: list[Predicted] = []
    for minus, i, j, label in sorted(candidates):
        if all(may_stand(set(range(i, j + 1)), set(range(p.start, p.end)), clashes) for p in found):
            found.append(Predicted(i, j + 1, NAMES[label], -minus))
    return sorted(found, key=lambda p: (p.start, p.end))


@pytest.mark.parametrize("clashes", ["flat", "nested", "keep"])
@given(grid=grids(), threshold=st.sampled_from([0.5, 0.7]))
def test_it_takes_the_best_spans_first_and_ties_in_row_major_order(grid, threshold, clashes):
    assert decode_grid(grid, NAMES, clashes=clashes, threshold=threshold) == greedy(grid.tolist(), clashes, threshold)


def test_a_probability_of_one_half_is_no_entity_and_the_lower_triangle_never_is():
    grid = torch.full((4, 4, 2), 0.5)
    grid[3, 0] = 0.99
    assert decode_grid(grid, NAMES, clashes="keep") == []


def test_nested_lets_a_span_stand_inside_another_but_not_across_it():
    grid = torch.zeros(5, 5, 1, dtype=torch.float64)
    grid[0, 3], grid[1, 2], grid[2, 4], grid[3, 3] = 0.9, 0.8, 0.7, 0.6
    spans = {clashes: [(p.start, p.end) for p in decode_grid(grid, NAMES, clashes=clashes)] for clashes in ("flat", "nested", "keep")}
    assert spans == {"flat": [(0, 4)], "nested": [(0, 4), (1, 3), (3, 4)], "keep": [(0, 4), (1, 3), (2, 5), (3, 4)]}
