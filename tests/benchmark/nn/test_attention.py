"""Sentences side by side against each one alone, by the formula, under autograd in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from benchmark.nn.attention import FEW, PADDED, attend, attend_back, grouped

HEADS, SIZE = 2, 3
HIDDEN = HEADS * SIZE
RAGGED = (60, 3, 58, 41, 1, 90, 60)  # several groups, with padding and without, out of order


@given(st.lists(st.integers(1, 200), min_size=1, max_size=9))
def test_every_sub_word_has_one_place_and_padding_is_bounded(lengths: list[int]) -> None:
    found = grouped(lengths)
    every = torch.cat([group.rows for group in found.groups])
    assert torch.equal(every[found.back], torch.arange(sum(lengths)))
    starts = torch.tensor([0, *lengths]).cumsum(0)
    for group in found.groups:
        rows = group.rows.view(group.sentences, group.longest)
        real = torch.ones(rows.shape, dtype=torch.bool) if group.real is None else group.real
        pairs = real.sum(1).square().sum()
        assert rows.numel() * group.longest - pairs <= max(PADDED * float(pairs), FEW)
        for row, own in zip(rows.tolist(), real.tolist(), strict=True):
            n = sum(own)
            assert own == [True] * n + [False] * (group.longest - n)
            sentence = int((starts == row[0]).nonzero()[0])
            assert lengths[sentence] == n
            assert row == [*range(row[0], row[0] + n), *[row[0]] * (group.longest - n)]


def alone(projected: Tensor, lengths: tuple[int, ...], masks: list[Tensor | float]) -> Tensor:
    """Each sentence by itself."""
    found = []
    for part, mask in zip(torch.split(projected, list(lengths)), masks, strict=True):
        q, k, v = part.view(len(part), 3, HEADS, SIZE).unbind(1)
        weights = (torch.einsum("ihd,jhd->hij", q, k) / SIZE**0.5).softmax(-1) * mask
        found.append(torch.einsum("hij,jhd->ihd", weights, v).reshape(len(part), HIDDEN))
    return torch.cat(found)


@pytest.mark.parametrize("lengths", [RAGGED, (1,), (4, 4), (5, 2, 1)])
@pytest.mark.parametrize("drops", [False, True])
def test_a_sentence_attends_to_itself_alone(lengths: tuple[int, ...], drops: bool) -> None:
    torch.manual_seed(0)
    groups = grouped(lengths)
    projected = torch.randn(sum(lengths), 3 * HIDDEN, dtype=torch.float64, requires_grad=True)
    masks: list[Tensor | None] = [None] * len(groups.groups)
    if drops:
        masks = [torch.rand(s * HEADS, n, m, dtype=torch.float64) for s, n, m in groups.shapes]
    found, kept = attend(groups, HEADS, projected.detach(), masks)
    expected = alone(projected, lengths, masks_of_sentences(lengths, HEADS, masks) if drops else [1.0] * len(lengths))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)
    direction = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad(expected, [projected], direction)
    torch.testing.assert_close(attend_back(groups, HEADS, direction, kept, masks), gradient, rtol=0, atol=1e-12)


def masks_of_sentences(lengths: tuple[int, ...], heads: int, masks: list[Tensor | None]) -> list[Tensor | float]:
    """Of each sentence, in order, what the masks of the groups say of it."""
    found: dict[int, Tensor] = {}
    for group, mask in zip(grouped(lengths).groups, masks, strict=True):
        assert mask is not None
        firsts = group.rows.view(group.sentences, -1)[:, 0].tolist()
        found |= zip(firsts, mask.view(group.sentences, heads, *mask.shape[1:]), strict=True)
    starts = torch.tensor([0, *lengths[:-1]]).cumsum(0).tolist()
    return [found[start][:, :n, :n] for start, n in zip(starts, lengths, strict=True)]


def test_several_groups_are_made_of_uneven_sentences() -> None:
    assert [group.sentences for group in grouped(RAGGED).groups] == [1, 4, 2]
