"""The n x n x d grid of spans: a vector for every pair of a first and a last word."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DISTANCES = 30  # rows of the distance table; a span's size is clamped to -15..14
STD = 0.02  # of the normal initialisation


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
        self.dropout = nn.Dropout(dropout)
        for linear in (self.head, self.tail):
            nn.init.normal_(linear.weight, std=STD)
            nn.init.zeros_(linear.bias)
        nn.init.normal_(self.distance.weight, std=STD)
        nn.init.xavier_normal_(self.affine)
        nn.init.xavier_normal_(self.biaffine)

    def forward(self, words: Tensor) -> Tensor:
        head = F.leaky_relu(self.head(self.dropout(words)))
        tail = F.leaky_relu(self.tail(self.dropout(words)))
        return self._biaffine(head, tail) + self._affine(head, tail)

    def _biaffine(self, head: Tensor, tail: Tensor) -> Tensor:
        batch, n, size = head.shape
        part = size // self.heads
        h = head.view(batch, n, self.heads, part)
        t = tail.view(batch, n, self.heads, part).permute(0, 2, 3, 1)  # [b, heads, y, j]
        left = torch.einsum("bihx,hoxy->bhioy", h, self.biaffine.to(h.dtype)).reshape(batch, self.heads, n * part, part)
        return (left @ t).view(batch, self.heads, n, part, n).permute(0, 2, 4, 1, 3).reshape(batch, n, n, size)

    def _affine(self, head: Tensor, tail: Tensor) -> Tensor:
        size = head.shape[-1]
        weight = self.affine.to(head.dtype)
        of_head, of_tail, of_distance = weight[:, : size + 1], weight[:, size + 1 : 2 * size + 2], weight[:, 2 * size + 2 :]
        rows: Tensor = self.dropout(_with_one(head)) @ of_head.T
        columns: Tensor = self.dropout(_with_one(tail)) @ of_tail.T
        return rows[:, :, None] + columns[:, None, :] + self._distances(head.shape[1], of_distance)

    def _distances(self, n: int, weight: Tensor) -> Tensor:
        position = torch.arange(n, device=weight.device)
        half = DISTANCES // 2
        index = (position[None, :] - position[:, None]).clamp(-half, half - 1) + half
        if self.training and self.dropout.p > 0:  # a mask a cell, shared by the batch
            cells: Tensor = self.dropout(self.distance(index))
            return cells.to(weight.dtype) @ weight.T
        return (self.distance.weight.to(weight.dtype) @ weight.T)[index]


def _with_one(x: Tensor) -> Tensor:
    return torch.cat([x, torch.ones_like(x[..., :1])], dim=-1)


def grid_mask(keep: Tensor) -> Tensor:
    """Cells whose two words exist: [batch, n] -> [batch, n, n]."""
    return keep[:, :, None] & keep[:, None, :]


def grid_loss(logits: Tensor, cells: Tensor, gold: Tensor, weights: Tensor) -> Tensor:
    """Binary cross-entropy of every cell and channel, weighted by channel, summed over the batch.

    BCE(x, y) = softplus(x) - x y: a sum over all cells minus a sum over the few positive ones, so that no dense target
    is ever built.

    Shapes:
        logits: [batch, n, n, K], taken to float32
        cells: [batch, n, n] bool, False where padding is ignored
        gold: [m, 4] (batch, i, j, channel)
        weights: [K]
    """
    x = logits if logits.dtype == torch.float64 else logits.float()
    everywhere = (F.softplus(x) @ weights.to(x.dtype)).masked_fill(~cells, 0.0).sum()
    b, i, j, k = gold.unbind(1)
    return everywhere - (x[b, i, j, k] * weights.to(x.dtype)[k]).sum()
