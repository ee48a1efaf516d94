"""The grid against the dense n x n x 427 concatenation and an explicit biaffine, in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from benchmark.nn.span_grid import SpanGrid
from tests.neural import close, randomised

HIDDEN = 12
ONES: list[Tensor] = []


class Masks(nn.Module):
    """Stands for dropout: the masks are drawn here and kept, by shape, for the oracle."""

    p = 0.4

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.drawn.append((torch.rand(x.shape) < 0.6).to(x.dtype) / 0.6)
        return x * self.drawn[-1]

    def of(self, *shape: int) -> list[Tensor]:
        return [m for m in self.drawn if tuple(m.shape) == shape]


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.01 * x)


def dense_grid(
    grid: SpanGrid, words: Tensor, *, of_words: list[Tensor] = ONES, of_ones: list[Tensor] = ONES, of_cells: Tensor | float = 1.0
):
    """Section 6 of the design, word for word; masks as a train pass would draw them."""
    word_masks, one_masks = of_words or [1.0, 1.0], of_ones or [1.0, 1.0]
    head = leaky((words * word_masks[0]) @ grid.head.weight.T + grid.head.bias)
    tail = leaky((words * word_masks[1]) @ grid.tail.weight.T + grid.tail.bias)
    batch, n, size = head.shape
    one = torch.ones(batch, n, 1, dtype=words.dtype)
    rows = torch.cat([head, one], -1) * one_masks[0]
    columns = torch.cat([tail, one], -1) * one_masks[1]
    sizes = torch.stack([torch.stack([grid.distance.weight[min(max(j - i, -15), 14) + 15] for j in range(n)]) for i in range(n)])
    cells = torch.cat(
        [
            rows[:, :, None].expand(-1, -1, n, -1),
            columns[:, None].expand(-1, n, -1, -1),
            (sizes * of_cells)[None].expand(batch, -1, -1, -1),
        ],
        dim=-1,
    )
    assert cells.shape[-1] == grid.affine.shape[1]
    part = size // grid.heads
    biaffine = []
    for m in range(grid.heads):
        h, t = head[..., m * part : (m + 1) * part], tail[..., m * part : (m + 1) * part]
        biaffine += [h @ grid.biaffine[m, o] @ t.transpose(1, 2) for o in range(part)]
    return torch.stack(biaffine, dim=-1) + cells @ grid.affine.T


def small(**changes) -> SpanGrid:
    return randomised(SpanGrid(HIDDEN, **({"size": 8, "heads": 2} | changes)))


def words(batch: int, n: int, hidden: int = HIDDEN) -> Tensor:
    torch.manual_seed(n)
    return torch.randn(batch, n, hidden, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("n", [1, 2, 14, 15, 16, 17, 40])
def test_the_grid_is_the_dense_concatenation_plus_the_biaffine_over_the_full_square(n):
    grid, x = small().eval(), words(3, n)
    assert close(grid(x), dense_grid(grid, x))


def test_gradients_are_those_of_the_dense_grid():
    grid, x = small().eval(), words(2, 33)
    direction = torch.randn(2, 33, 33, 8, dtype=torch.float64)
    wanted = [x, *grid.parameters()]
    found = torch.autograd.grad((grid(x) * direction).sum(), wanted)
    expected = torch.autograd.grad((dense_grid(grid, x) * direction).sum(), wanted)
    assert all(close(f, e) for f, e in zip(found, expected, strict=True))


def test_the_default_sizes_are_those_of_the_paper():
    grid = SpanGrid(20)
    assert grid.affine.shape == (200, 427)
    assert grid.biaffine.shape == (4, 50, 50, 50)
    assert grid.distance.weight.shape == (30, 25)
    assert grid.dropout.p == 0.4
    x = words(2, 18, 20)
    assert close(grid.double().eval()(x), dense_grid(grid, x))


def test_training_drops_words_whole_rows_and_columns_and_single_cells():
    grid, x = small().train(), words(3, 20)
    grid.dropout = Masks()
    found = grid(x)
    of_words, of_ones, of_cells = (grid.dropout.of(*shape) for shape in ((3, 20, HIDDEN), (3, 20, 9), (20, 20, 25)))
    assert (len(of_words), len(of_ones), len(of_cells), len(grid.dropout.drawn)) == (2, 2, 1, 5)
    orders = [(a, b) for a in (of_words, of_words[::-1]) for b in (of_ones, of_ones[::-1])]
    assert any(close(found, dense_grid(grid, x, of_words=a, of_ones=b, of_cells=of_cells[0])) for a, b in orders)


def test_gradients_flow_through_the_masks():
    grid, x = small().train(), words(2, 17)
    grid.dropout = Masks()
    wanted = [x, *grid.parameters()]
    found = torch.autograd.grad(grid(x).square().sum(), wanted)
    of_words, of_ones, of_cells = (grid.dropout.of(*shape) for shape in ((2, 17, HIDDEN), (2, 17, 9), (17, 17, 25)))
    expected = [
        torch.autograd.grad(dense_grid(grid, x, of_words=a, of_ones=b, of_cells=of_cells[0]).square().sum(), wanted)
        for a in (of_words, of_words[::-1])
        for b in (of_ones, of_ones[::-1])
    ]
    assert any(all(close(f, e) for f, e in zip(found, row, strict=True)) for row in expected)


def test_torchs_dropout_gives_the_size_grid_a_mask_a_cell_that_the_batch_shares():
    grid = small().train()
    with torch.no_grad():
        grid.head.bias.zero_()
        grid.tail.bias.zero_()
        grid.affine[:, : 2 * 8 + 2] = 0
        scores = grid(torch.zeros(4, 30, HIDDEN, dtype=torch.float64))
    assert all(torch.equal(scores[0], other) for other in scores[1:])
    diagonal = torch.stack([scores[0, i, i + 2] for i in range(28)])
    assert len(torch.unique(diagonal, dim=0)) == 28
    assert close(diagonal.mean(0), dense_grid(grid, torch.zeros(1, 4, HIDDEN, dtype=torch.float64))[0, 0, 2].detach(), 0.6)


def test_torchs_dropout_drops_the_constant_of_a_whole_row_or_column():
    grid = small().train()
    with torch.no_grad():
        for parameter in (grid.head.bias, grid.tail.bias, grid.distance.weight):
            parameter.zero_()
        scores = grid(torch.zeros(2, 60, HIDDEN, dtype=torch.float64))
        of_row, of_column = grid.affine[:, 8], grid.affine[:, 17]
    levels = torch.stack([a * of_row / 0.6 + b * of_column / 0.6 for a in (0, 1) for b in (0, 1)])
    which = (scores[..., None, :] - levels).abs().sum(-1).min(-1)
    assert which.values.max() < 1e-12
    rows, columns = which.indices // 2, which.indices % 2
    assert bool((rows == rows[:, :, :1]).all())
    assert bool((columns == columns[:, :1]).all())
    kept = torch.cat([rows[:, :, 0].flatten(), columns[:, 0].flatten()]).double()
    assert abs(float(kept.mean()) - 0.6) < 4 * math.sqrt(0.24 / 240)
    assert not torch.equal(rows[0, :, 0], rows[1, :, 0])
    assert not torch.equal(rows[0, :, 0], columns[0, 0])


def test_no_dropout_in_training_is_the_eval_grid():
    grid, x = small(dropout=0.0), words(2, 9)
    assert torch.equal(grid.train()(x), grid.eval()(x))


def test_initialisation_is_that_of_the_design():
    torch.manual_seed(0)
    grid = SpanGrid(300)
    fans = {"head.weight": 0.02, "tail.weight": 0.02, "distance.weight": 0.02}
    fans["affine"] = math.sqrt(2 / (427 + 200))
    fans["biaffine"] = math.sqrt(2 / (50 * 50 * 50 + 4 * 50 * 50))
    parameters = dict(grid.named_parameters())
    for name, std in fans.items():
        values = parameters.pop(name).detach()
        assert float(values.std()) == pytest.approx(std, rel=6 / math.sqrt(values.numel()))
        assert abs(float(values.mean())) < 6 * std / math.sqrt(values.numel())
    assert set(parameters) == {"head.bias", "tail.bias"}
    assert not any(p.any() for p in parameters.values())


def test_the_size_must_split_into_heads():
    with pytest.raises(ValueError, match="7 heads"):
        SpanGrid(8, size=200, heads=7)
