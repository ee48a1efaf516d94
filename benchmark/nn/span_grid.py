"""The n x n x d grid of spans: a vector for every pair of a first and a last word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.nn.bits import has_compiled
from benchmark.nn.dropout import Dropout
from benchmark.nn.pairs import gathered
from benchmark.nn.primitives import WORDS, product_type, rounded
from benchmark.nn.strips import Strip

DISTANCES = 30  # rows of the distance table; a span's size is clamped to -15..14
STD = 0.02  # of the normal initialisation


class Factors(NamedTuple):
    """What the grids of a batch are computed from: little beside the grids.

    Shapes:
        head, tail: [batch, heads, n, part]; size = heads x part
        rows, columns: [batch, n, size], the affine projections of head and tail
        biaffine: [heads, part, part x part], of x -> (o, y)
        distance: [DISTANCES, distance]; of_distance: [distance, size]
        kept: [n, n, distance] or None, dropout of the distances
    """

    head: Tensor
    tail: Tensor
    rows: Tensor
    columns: Tensor
    biaffine: Tensor
    distance: Tensor
    of_distance: Tensor
    kept: Tensor | None

    def moving(self) -> tuple[Tensor, ...]:
        """Those that gradients flow through."""
        return self[:-1]

    def moved(self, tensors: Sequence[Tensor]) -> Factors:
        """The same with others in the place of `moving`."""
        head, tail, rows, columns, biaffine, distance, of_distance = tensors
        return Factors(head, tail, rows, columns, biaffine, distance, of_distance, self.kept)


class SpanGrid(nn.Module):
    """S = multi-head biaffine + affine of head, tail and distance, over the full square (KnowFREE, section 3; CNN-NER, 2.1).

    Row i is the first word, column j the last. The affine part is three projections added, never an
    n x n x (2 size + 2 + distance) tensor.

    Shapes:
        words: [batch, n, hidden]
        returns: [batch, n, n, size]
    """

    def __init__(self, hidden: int, *, size: int = 200, heads: int = 4, distance: int = 25, dropout: float = 0.4) -> None:
        super().__init__()
        if size % heads:
            raise ValueError(f"size {size} cannot be cut into {heads} heads")
        self.heads = heads
        self.head = nn.Linear(hidden, size)
        self.tail = nn.Linear(hidden, size)
        self.distance = nn.Embedding(DISTANCES, distance)
        self.affine = nn.Parameter(torch.empty(size, 2 * size + 2 + distance))
        self.biaffine = nn.Parameter(torch.empty(heads, size // heads, size // heads, size // heads))
        self.dropout = Dropout(dropout)
        for linear in (self.head, self.tail):
            nn.init.normal_(linear.weight, std=STD)
            nn.init.zeros_(linear.bias)
        nn.init.normal_(self.distance.weight, std=STD)
        nn.init.xavier_normal_(self.affine)
        nn.init.xavier_normal_(self.biaffine)

    def forward(self, words: Tensor) -> Tensor:
        """The whole grid, padding and all: the plain way, and the oracle of `over`."""
        n = words.shape[1]
        factors = self.factors(words)
        whole = (Strip(b, n, first=0, end=n, top=0, bottom=n, left=0) for b in range(len(words)))
        return torch.stack([self.over(factors, [strip])[: n * n].view(n, n, -1) for strip in whole])

    def factors(self, words: Tensor) -> Factors:
        """What the cells of a batch are computed from; dropout is drawn here, so that no cutting into strips can change it."""
        words = words.to(product_type(words))  # before dropout, not behind it: half as much to multiply
        head = F.leaky_relu(self.head(self.dropout(words)))
        tail = F.leaky_relu(self.tail(self.dropout(words)))
        size, n = head.shape[-1], head.shape[1]
        weight = self.affine.to(head.dtype)
        of_head, of_tail, of_distance = weight[:, : size + 1], weight[:, size + 1 : 2 * size + 2], weight[:, 2 * size + 2 :]
        return Factors(
            head=self._by_head(head),
            tail=self._by_head(tail),
            rows=self.dropout(_with_one(head)) @ of_head.T,
            columns=self.dropout(_with_one(tail)) @ of_tail.T,
            biaffine=self.biaffine.to(head.dtype).permute(0, 2, 1, 3).flatten(2),
            distance=self.distance.weight.to(head.dtype),
            of_distance=of_distance.T,
            kept=self._distance_mask(n, head.dtype) if self.training and self.dropout.p > 0 else None,
        )

    def over(self, factors: Factors, strips: Sequence[Strip]) -> Tensor:
        """Computed cells of strips, row-major, strip after strip: [at least all cells, size]; see `primitives.rounded`."""
        # what a first word asks of every last word, [heads, rows of all strips, part x part]: one product for all
        rows = torch.cat([_more_words(factors.head[s.sentence, :, s.top : s.bottom]) for s in strips], dim=1)
        split = torch.split(torch.bmm(rows, factors.biaffine), [rounded(s.bottom - s.top, rows.dtype, WORDS) for s in strips], dim=1)
        pairs = [self._pairs(factors, strip, asked) for strip, asked in zip(strips, split, strict=True)]
        index = torch.cat([_distances(strip, factors.head.device) for strip in strips])
        more = rounded(len(index), rows.dtype) - len(index)
        if factors.kept is None:
            apart = F.embedding(F.pad(index, (0, more)), factors.distance @ factors.of_distance)
        else:
            kept = torch.cat([factors.kept[s.top : s.bottom, s.left : s.n].flatten(0, 1) for s in strips])
            apart = F.pad(F.embedding(index, factors.distance) * kept, (0, 0, 0, more)) @ factors.of_distance
        if rows.dtype == torch.bfloat16 and has_compiled(rows):
            return gathered(apart, factors.rows, factors.columns, strips, pairs)
        parts = [_with_words(factors, strip, pair).flatten(0, 1) for strip, pair in zip(strips, pairs, strict=True)]
        scores = torch.cat([*parts, parts[0].new_zeros(more, parts[0].shape[1])]) if more or len(parts) > 1 else parts[0]
        scores += apart
        return scores

    def _pairs(self, factors: Factors, strip: Strip, asked: Tensor) -> Tensor:
        """What two words say of each other: [heads, at least columns, at least rows, part], the channels of a head together."""
        tail = _more_words(factors.tail[strip.sentence, :, strip.left : strip.n])
        heads, m, part = tail.shape
        return torch.bmm(tail, asked.reshape(heads, -1, part).transpose(1, 2)).view(heads, m, -1, part)

    def _by_head(self, x: Tensor) -> Tensor:
        batch, n, size = x.shape
        return x.view(batch, n, self.heads, size // self.heads).transpose(1, 2)

    def _distance_mask(self, n: int, dtype: torch.dtype) -> Tensor:
        """A mask a cell, shared by the batch: [n, n, distance], scaled as dropout scales."""
        kept: Tensor = self.dropout(torch.ones(n, n, self.distance.embedding_dim, dtype=dtype, device=self.affine.device))
        return kept


def _with_words(factors: Factors, strip: Strip, pairs: Tensor) -> Tensor:
    """What two words say of each other, and each alone: [rows, columns, size]."""
    b, r, m = strip.sentence, strip.bottom - strip.top, strip.width
    scores = pairs[:, :m, :r].permute(2, 1, 0, 3).reshape(r, m, -1)
    scores += factors.rows[b, strip.top : strip.bottom, None]
    scores += factors.columns[b, strip.left : strip.n]
    return scores


def _distances(strip: Strip, device: torch.device) -> Tensor:
    """Rows of the distance table for the strip's computed cells."""
    half = DISTANCES // 2
    rows, columns = torch.arange(strip.top, strip.bottom, device=device), torch.arange(strip.left, strip.n, device=device)
    return ((columns[None, :] - rows[:, None]).clamp(-half, half - 1) + half).flatten()


def _more_words(x: Tensor) -> Tensor:
    """Zeros behind [heads, words, part], see `primitives.rounded`."""
    more = rounded(x.shape[1], x.dtype, WORDS) - x.shape[1]
    return F.pad(x, (0, 0, 0, more)) if more else x


def _with_one(x: Tensor) -> Tensor:
    return torch.cat([x, torch.ones_like(x[..., :1])], dim=-1)


def grid_mask(keep: Tensor) -> Tensor:
    """Cells whose two words exist: [batch, n] -> [batch, n, n]."""
    return keep[:, :, None] & keep[:, None, :]
