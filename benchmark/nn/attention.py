"""Attention of sentences that stand in one row: those of about one length side by side, for a short one alone is many small operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from benchmark.nn.primitives import rounded

PADDED = 1 / 3  # of a group's pairs of sub-words, so many more may be computed
KEYS = 8  # in bf16 so many keys, or a multiple: shapes repeat, and torch takes the gradient of their softmax twice as fast
FEW = 1024  # pairs that take no longer than to begin another group


@dataclass(frozen=True, slots=True)
class Group:
    """Sentences that are padded to the longest of them.

    Attributes:
        sentences, longest: how many, and the sub-words of each with its padding.
        rows: where these stand in the row of all; padding reads its sentence's first. [sentences x longest]
        real: which are no padding: [sentences, longest] bool; None: all.
    """

    sentences: int
    longest: int
    rows: Tensor
    real: Tensor | None


@dataclass(frozen=True, slots=True)
class Groups:
    """All sentences of a row.

    Attributes:
        back: of every sub-word, its place among those of all groups, one after the other.
    """

    groups: tuple[Group, ...]
    back: Tensor

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        """Of the weights of each group, for one head: sentences, queries, keys."""
        return [(g.sentences, g.longest, g.longest) for g in self.groups]


def grouped(lengths: Sequence[int], dtype: torch.dtype = torch.float32) -> Groups:
    """Sentences of so many sub-words each, the longest first; in bf16 padded a little further.

    Args:
        dtype: of products.
    """
    starts = [0, *accumulate(lengths)]
    groups, back, used = [], torch.empty(starts[-1], dtype=torch.long), 0
    for members in _members(lengths):
        longest = rounded(lengths[members[0]], dtype, KEYS)
        place = torch.arange(longest)
        of = torch.tensor([(starts[i], lengths[i]) for i in members])
        real = place < of[:, 1:]
        rows = (of[:, :1] + place * real).flatten()
        back[rows[real.flatten()]] = used + real.flatten().nonzero()[:, 0]
        groups.append(Group(len(members), longest, rows, None if bool(real.all()) else real))
        used += len(rows)
    return Groups(tuple(groups), back)


def _members(lengths: Sequence[int]) -> list[list[int]]:
    found: list[list[int]] = []
    pairs = 0
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        n = lengths[index]
        if found:
            whole = lengths[found[-1][0]] ** 2 * (len(found[-1]) + 1)
            if whole - pairs - n * n <= max(PADDED * (pairs + n * n), FEW):
                found[-1].append(index)
                pairs += n * n
                continue
        found.append([index])
        pairs = n * n
    return found


def attend(groups: Groups, heads: int, projected: Tensor, masks: Sequence[Tensor | None]) -> tuple[Tensor, list[Tensor]]:
    """What every sub-word takes from its sentence; then of each group scaled queries, keys, values, and weights.

    Shapes:
        projected: queries, keys, values of [sub-words, 3 x hidden]
        masks: [sentences x heads, longest, longest] a group, what its weights are multiplied with
        returns: [sub-words, hidden], then two tensors a group
    """
    size = projected.shape[1] // (3 * heads)
    found, kept = [], []
    for group, mask in zip(groups.groups, masks, strict=True):
        every = _by_head(group, 3, heads, projected)
        query, key, value = every
        query.mul_(size**-0.5)
        asked = (query, key.transpose(1, 2))
        scores = torch.bmm(*asked) if group.real is None else torch.baddbmm(_unseen(group.real, heads, every.dtype), *asked)
        weights = scores.softmax(-1)
        found.append(_by_word(group, 1, heads, torch.bmm(dropped(weights, mask), value)))
        kept += [every, weights]
    return _in_order(groups, found), kept


def attend_back(groups: Groups, heads: int, gradient: Tensor, kept: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor:
    """The gradient of `projected` from that of `attend`'s first result, and what else `attend` returned."""
    size = gradient.shape[1] // heads
    found = []
    for group, mask, every, weights in zip(groups.groups, masks, kept[::2], kept[1::2], strict=True):
        query, key, value = every
        (given,) = _by_head(group, 1, heads, gradient)
        if group.real is not None:
            given.view(group.sentences, heads, group.longest, size).mul_(group.real[:, None, :, None])
        of_weights = dropped(torch.bmm(given, value.transpose(1, 2)), mask)
        of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
        of_every = torch.empty_like(every)
        torch.bmm(of_scores, key, out=of_every[0]).mul_(size**-0.5)
        torch.bmm(of_scores.transpose(1, 2), query, out=of_every[1])
        torch.bmm(dropped(weights, mask).transpose(1, 2), given, out=of_every[2])
        found.append(_by_word(group, 3, heads, of_every))
    return _in_order(groups, found)


def dropped(x: Tensor, mask: Tensor | None) -> Tensor:
    """What dropout leaves."""
    return x if mask is None else x * mask


def _by_head(group: Group, parts: int, heads: int, x: Tensor) -> Tensor:
    """[sub-words, parts x hidden] -> [parts, sentences x heads, longest, size], a copy."""
    split = x.index_select(0, group.rows).view(group.sentences, group.longest, parts, heads, -1)
    return split.permute(2, 0, 3, 1, 4).reshape(parts, group.sentences * heads, group.longest, -1)


def _by_word(group: Group, parts: int, heads: int, x: Tensor) -> Tensor:
    """The way back: [sentences x longest, parts x hidden]."""
    split = x.view(parts, group.sentences, heads, group.longest, -1)
    return split.permute(1, 3, 0, 2, 4).reshape(group.sentences * group.longest, -1)


def _in_order(groups: Groups, found: list[Tensor]) -> Tensor:
    return (found[0] if len(found) == 1 else torch.cat(found)).index_select(0, groups.back)


def _unseen(real: Tensor, heads: int, dtype: torch.dtype) -> Tensor:
    """What is added to scores: -inf where the key is padding; [sentences x heads, 1, longest]."""
    unseen = torch.zeros(real.shape, dtype=dtype).masked_fill_(~real, -torch.inf)
    return unseen[:, None].expand(-1, heads, -1).reshape(-1, 1, real.shape[1])
