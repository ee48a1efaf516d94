"""Multi-head attention along the rows of a span grid, within a window."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.nn.span_grid import STD, grid_mask

BLOCK = 16  # columns a block of queries: few enough to waste little, enough to keep the products large


class LocalAttention(nn.Module):
    """Multi-head attention in which a cell sees its neighbours of the same row (KnowFREE, section 3.3; released code for the window).

    Query (i, j) sees keys (i, j') with -radius <= j' - j <= radius; with `one_sided`, as the paper's figure draws it,
    0 <= j' - j <= radius. Rows are independent, so `rows` may be any slice of the grid. Queries go in blocks of columns,
    each with the keys it can reach: cost and memory grow with n, not with n^2, a row.

    Shapes:
        rows: [batch, r, n, dim], cells outside the sentence already zero.
        keep: [batch, n] bool, True where column j is a word; None lets every column be a key.
        returns: [batch, r, n, dim]; columns that are no words mean nothing.
    """

    def __init__(self, dim: int = 200, *, heads: int = 10, radius: int = 3, one_sided: bool = False) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"dim {dim} cannot be cut into {heads} heads")
        self.heads = heads
        self.radius = radius
        self.one_sided = one_sided
        self.in_proj = nn.Linear(dim, 3 * dim)
        self.out_proj = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj.weight)
        nn.init.zeros_(self.in_proj.bias)
        nn.init.normal_(self.out_proj.weight, std=STD)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, rows: Tensor, keep: Tensor | None = None) -> Tensor:
        batch, r, n, dim = rows.shape
        blocks = math.ceil(n / BLOCK)
        query, key, value = self.in_proj(rows).chunk(3, dim=-1)
        query = F.pad(query, (0, 0, 0, blocks * BLOCK - n)).view(batch, r, blocks, BLOCK, self.heads, -1).transpose(3, 4)
        key, value = self._reach(key, blocks), self._reach(value, blocks)
        scores = query @ key.transpose(-1, -2) / math.sqrt(dim // self.heads)
        weights = scores.masked_fill(~self._seen(keep, n, blocks, rows.device), -torch.inf).softmax(dim=-1)
        mixed = (weights @ value).transpose(3, 4).reshape(batch, r, blocks * BLOCK, dim)[:, :, :n]
        out: Tensor = self.out_proj(mixed)
        return out

    def _reach(self, x: Tensor, blocks: int) -> Tensor:
        """Columns that each block of queries can see: [batch, r, blocks, heads, BLOCK + 2 radius, dim / heads]."""
        batch, r, n, _ = x.shape
        w = self.radius
        x = F.pad(x, (0, 0, w, blocks * BLOCK - n + w)).unfold(2, BLOCK + 2 * w, BLOCK)
        return x.reshape(batch, r, blocks, self.heads, -1, BLOCK + 2 * w).transpose(-1, -2)

    def _seen(self, keep: Tensor | None, n: int, blocks: int, device: torch.device) -> Tensor:
        """Which keys each query sees: [batch or 1, 1, blocks, 1, BLOCK, BLOCK + 2 radius].

        A query beyond the sentence sees itself, so that its softmax is a number; nothing reads it.
        """
        w = self.radius
        q = torch.arange(BLOCK, device=device)[:, None] + w
        k = torch.arange(BLOCK + 2 * w, device=device)[None, :]
        near = (k >= q) if self.one_sided else (k >= q - w)
        near = near & (k <= q + w)
        exists = torch.ones(1, n, dtype=torch.bool, device=device) if keep is None else keep
        exists = F.pad(exists, (w, blocks * BLOCK - n + w)).unfold(1, BLOCK + 2 * w, BLOCK)
        return ((near & exists[:, :, None, :]) | (k == q))[:, None, :, None]


class LocalFusion(nn.Module):
    """LayerNorm(LocalAttention(mask0(S))): what KnowFREE adds to the grid.

    Args:
        mask_keys: cells of padding are no keys, so that a sentence scores the same in any batch; the released code lets
            them be keys, their states zero (quirk `padding_keys`).

    Shapes:
        scores: [batch, n, n, dim]; keep: [batch, n]; returns: as scores.
    """

    def __init__(self, dim: int = 200, *, heads: int = 10, radius: int = 3, one_sided: bool = False, mask_keys: bool = True) -> None:
        super().__init__()
        self.attention = LocalAttention(dim, heads=heads, radius=radius, one_sided=one_sided)
        self.norm = nn.LayerNorm(dim, eps=1e-5)
        self.mask_keys = mask_keys

    def forward(self, scores: Tensor, keep: Tensor) -> Tensor:
        rows = scores.masked_fill(~grid_mask(keep)[..., None], 0.0)
        fused: Tensor = self.norm(self.attention(rows, keep if self.mask_keys else None))
        return fused
