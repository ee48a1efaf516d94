"""Multi-head attention along the rows of a span grid, within a window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from benchmark.nn.bits import array, has_compiled
from benchmark.nn.norm import norm_sum
from benchmark.nn.span_grid import STD, grid_mask
from benchmark.nn.strips import Reach, Strip
from benchmark.nn.transfer import sent

BLOCK = 16  # cells a block of queries: few enough to waste little, enough to keep the products large
CELLS = 4096  # of a grid that are fused together: their vectors fit a core's cache


class LocalAttention(nn.Module):
    """Multi-head attention in which a cell sees its neighbours of the same row (KnowFREE, section 3.3; released code for the window).

    Query (i, j) sees keys (i, j') with -radius <= j' - j <= radius; with `one_sided`, as the paper's figure draws it,
    0 <= j' - j <= radius. Rows are independent, so `rows` may be any slice of the grid. Queries go in blocks of cells,
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
        self.block = max(BLOCK, radius)
        self.in_proj = nn.Linear(dim, 3 * dim)
        self.out_proj = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj.weight)
        nn.init.zeros_(self.in_proj.bias)
        nn.init.normal_(self.out_proj.weight, std=STD)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, rows: Tensor, keep: Tensor | None = None) -> Tensor:
        batch, r, n, dim = rows.shape
        row = torch.arange(batch * r, device=rows.device).repeat_interleave(n)
        if keep is not None:
            row = row.masked_fill(~keep[:, None].expand(-1, r, -1).flatten(), -1)
        return self.flat(rows.reshape(-1, dim), row).view(batch, r, n, dim)

    def flat(self, cells: Tensor, row: Tensor) -> Tensor:
        """Rows of any lengths, one after the other: ragged grids without padding.

        Shapes:
            cells: [N, dim]; row: [N] int, the row that a cell belongs to, -1 for none
            returns: [N, dim]
        """
        if cells.dtype == torch.bfloat16 and has_compiled(cells):
            return self.in_one_pass(cells, row)
        count, dim = cells.shape
        block, size = self.block, dim // self.heads
        blocks = math.ceil(count / block)
        padded = F.pad(cells, (0, 0, 0, blocks * block - count)) if count % block else cells
        query, key, value = _Blocks.apply(self.in_proj(padded).view(blocks, block, 3, self.heads, size), self.radius)  # type: ignore[no-untyped-call]
        unseen = self._unseen(row, blocks).to(query.dtype)[:, None].expand(-1, self.heads, -1, -1).reshape(len(query), block, -1)
        scores = torch.baddbmm(unseen, query, key.transpose(1, 2), alpha=1 / math.sqrt(size))
        weights = scores.softmax(dim=-1, dtype=torch.promote_types(scores.dtype, torch.float32))
        mixed = torch.bmm(weights.to(value.dtype), value).view(blocks, self.heads, block, size).transpose(1, 2).reshape(-1, dim)
        out: Tensor = self.out_proj(mixed[:count])
        return out

    def in_one_pass(self, cells: Tensor, row: Tensor) -> Tensor:
        """`flat` with a channel of all cells after the other."""
        before = 0 if self.one_sided else self.radius
        projected = torch.mm(self.in_proj.weight, cells.t())
        bias = self.in_proj.bias.to(torch.promote_types(self.in_proj.bias.dtype, torch.float32))  # its type is what is computed in
        mixed: Tensor = _Mixed.apply(projected, bias, row, self.heads, before, self.radius)  # type: ignore[no-untyped-call]
        return F.linear(mixed.t(), self.out_proj.weight, self.out_proj.bias)

    def _unseen(self, row: Tensor, blocks: int) -> Tensor:
        """What is added to scores: 0 where a query sees a key, else -inf: [blocks, block, block + 2 radius].

        A cell of no row sees itself, so that its softmax is a number; nothing reads it.
        """
        w, block, count = self.radius, self.block, len(row)
        q = torch.arange(block, device=row.device)[:, None] + w
        k = torch.arange(block + 2 * w, device=row.device)[None, :]
        near = (k >= q) if self.one_sided else (k >= q - w)
        near = near & (k <= q + w)
        of_query = F.pad(row, (0, blocks * block - count), value=-1).view(blocks, block, 1)
        of_key = F.pad(row, (w, blocks * block - count + w), value=-1).unfold(0, block + 2 * w, block)[:, None]
        seen = (near & (of_query == of_key) & (of_query >= 0)) | (k == q)
        return torch.zeros(seen.shape, device=row.device).masked_fill_(~seen, -torch.inf)


class _Blocks(torch.autograd.Function):
    """Queries of each block, and the keys and values that they can see.

    Written with its gradient, since a sum of slices of slices costs autograd more than the attention itself.

    Shapes:
        projected: [blocks, block, 3, heads, size]
        returns: queries [blocks x heads, block, size]; keys, values [blocks x heads, block + 2 radius, size]
    """

    @staticmethod
    def forward(ctx: Any, projected: Tensor, radius: int) -> tuple[Tensor, Tensor, Tensor]:
        ctx.shape, ctx.radius = projected.shape, radius
        block = projected.shape[1]
        seen = projected[:, :, 1:]
        edge = seen.new_zeros(1, radius, *seen.shape[2:])
        reach = torch.cat([torch.cat([edge, seen[:-1, block - radius :]]), seen, torch.cat([seen[1:, :radius], edge])], dim=1)
        query, key, value = projected[:, :, 0], reach[:, :, 0], reach[:, :, 1]
        return tuple(x.transpose(1, 2).flatten(0, 1) for x in (query, key, value))  # type: ignore[return-value]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *given: Tensor) -> Any:
        blocks, block, _, heads, size = ctx.shape
        w: int = ctx.radius
        query, key, value = (g.reshape(blocks, heads, -1, size).transpose(1, 2) for g in given)
        found = query.new_empty(ctx.shape)
        found[:, :, 0] = query
        for channel, g in ((1, key), (2, value)):
            own = found[:, :, channel]
            own.copy_(g[:, w : w + block])
            own[:-1, block - w :] += g[1:, :w]
            own[1:, :w] += g[:-1, w + block :]
        return found, None


class _Mixed(torch.autograd.Function):
    """What cells take from their neighbours, by `knowfree.compiled.window`.

    Shapes:
        projected: [3 x dim, N], without bias [3 x dim]; row: [N]; returns: [dim, N]
    """

    @staticmethod
    def forward(ctx: Any, projected: Tensor, bias: Tensor, row: Tensor, heads: int, before: int, after: int) -> Tensor:
        from knowfree.compiled.window import mix

        ctx.save_for_backward(projected, bias, row)
        ctx.manner = heads, before, after
        mixed = projected.new_empty(len(projected) // 3, len(row))
        mix(*map(array, (projected, bias, row)), heads, before, after, array(mixed))
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *given: Tensor) -> Any:
        from knowfree.compiled.window import mix_back

        projected, bias, row = ctx.saved_tensors
        found = torch.empty_like(projected)
        mix_back(*map(array, (projected, bias, row)), *ctx.manner, array(given[0].contiguous()), array(found))
        return found, found.sum(1).to(bias.dtype), None, None, None, None


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
        self.cells = CELLS

    @property
    def reach(self) -> Reach:
        """Rows are independent."""
        return Reach(columns=self.attention.radius)

    def forward(self, scores: Tensor, keep: Tensor) -> Tensor:
        rows = scores.masked_fill(~grid_mask(keep)[..., None], 0.0)
        fused: Tensor = self.norm(self.attention(rows, keep if self.mask_keys else None))
        return fused

    def over(self, scores: Tensor, strips: Sequence[Strip]) -> Tensor:
        """S + fusion of strips, ragged: as `scores`, [at least all cells, dim], strip after strip, row-major."""
        widths = torch.tensor([s.width for s in strips for _ in range(s.end - s.first)])
        row = torch.arange(len(widths)).repeat_interleave(widths)
        row = sent(F.pad(row, (0, len(scores) - len(row)), value=-1), scores.device)
        return norm_sum(self.norm, self.attention.flat(scores, row), scores)
