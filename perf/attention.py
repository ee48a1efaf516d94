"""Ways to attend within a window of a row, side by side: what `LocalAttention` does, and what was slower.

Forward and backward of 4,096 cells, projections left out: `python -m perf.attention`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from functools import partial

import torch
from tabulate import tabulate
from torch import Tensor
from torch.nn import functional as F

from perf.measure import alternate, medians

CELLS, ROW, HEADS, DIM, RADIUS = 4096, 64, 10, 200, 3
SIZE = DIM // HEADS

Reach = Callable[[Tensor, int], Tensor]
Way = Callable[[Tensor, Tensor, int, Reach], Tensor]


def unseen(block: int, dtype: torch.dtype) -> Tensor:
    """0 where a query sees a key, else -inf: [blocks, block, block + 2 radius]."""
    blocks = math.ceil(CELLS / block)
    row = torch.arange(CELLS) // ROW
    of_query = F.pad(row, (0, blocks * block - CELLS), value=-1).view(blocks, block, 1)
    of_key = F.pad(row, (RADIUS, blocks * block - CELLS + RADIUS), value=-1).unfold(0, block + 2 * RADIUS, block)[:, None]
    near = (torch.arange(block + 2 * RADIUS)[None] - torch.arange(block)[:, None] - RADIUS).abs() <= RADIUS
    return torch.zeros(blocks, block, block + 2 * RADIUS, dtype=dtype).masked_fill(~(near & (of_query == of_key)), -math.inf)


def by_cat(x: Tensor, block: int) -> Tensor:
    """Keys of each block, its neighbours' edges beside its own: [blocks, block + 2 radius, heads, size]."""
    x = x.reshape(-1, block, HEADS, SIZE)
    edge = x.new_zeros(1, RADIUS, HEADS, SIZE)
    return torch.cat([torch.cat([edge, x[:-1, -RADIUS:]]), x, torch.cat([x[1:, :RADIUS], edge])], dim=1)


def by_unfold(x: Tensor, block: int) -> Tensor:
    """The same as overlapping windows."""
    windows = F.pad(x, (0, 0, RADIUS, RADIUS)).unfold(0, block + 2 * RADIUS, block)
    return windows.reshape(len(windows), HEADS, SIZE, -1).permute(0, 3, 1, 2)


def products(qkv: Tensor, mask: Tensor, block: int, reach: Reach) -> Tensor:
    """Batched matrix products, a block of queries and a head each."""
    q, k, v = qkv.chunk(3, dim=-1)
    query = q.reshape(-1, block, HEADS, SIZE).transpose(1, 2).flatten(0, 1)
    key, value = (reach(x, block).transpose(1, 2).flatten(0, 1) for x in (k, v))
    bias = mask[:, None].expand(-1, HEADS, -1, -1).flatten(0, 1)
    scores = torch.baddbmm(bias, query, key.transpose(1, 2), alpha=1 / math.sqrt(SIZE))
    weights = scores.softmax(dim=-1, dtype=torch.promote_types(scores.dtype, torch.float32)).to(value.dtype)
    return torch.bmm(weights, value).view(-1, HEADS, block, SIZE).transpose(1, 2).reshape(-1, DIM)


def fused(qkv: Tensor, mask: Tensor, block: int, reach: Reach) -> Tensor:
    """torch's scaled_dot_product_attention on the same blocks."""
    q, k, v = qkv.chunk(3, dim=-1)
    query = q.reshape(-1, block, HEADS, SIZE).transpose(1, 2)
    key, value = (reach(x, block).transpose(1, 2) for x in (k, v))
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None]).transpose(1, 2).reshape(-1, DIM)


def shifted(qkv: Tensor, mask: Tensor, block: int, reach: Reach) -> Tensor:
    """A loop over the places of the window: products of single cells, no blocks."""
    query, key, value = (x.reshape(-1, HEADS, SIZE) for x in qkv.chunk(3, dim=-1))
    row = F.pad(torch.arange(len(query)) // ROW, (RADIUS, RADIUS), value=-1)
    key, value = (F.pad(x, (0, 0, 0, 0, RADIUS, RADIUS)) for x in (key, value))
    places = range(2 * RADIUS + 1)
    count = len(query)
    scores = torch.stack([(query * key[p : p + count]).sum(-1) for p in places], dim=-1) / math.sqrt(SIZE)
    away = torch.stack([row[p : p + count] != row[RADIUS : RADIUS + count] for p in places], dim=-1)
    weights = scores.masked_fill(away[:, None], -math.inf).softmax(dim=-1)
    return torch.stack([weights[..., p : p + 1] * value[p : p + count] for p in places]).sum(0).reshape(-1, DIM)


WAYS: dict[str, tuple[Way, Reach]] = {
    "products, keys by cat": (products, by_cat),
    "products, keys by unfold": (products, by_unfold),
    "scaled_dot_product_attention": (fused, by_cat),
    "loop over the window": (shifted, by_cat),
}


def _both_ways(way: Way, reach: Reach, qkv: Tensor, direction: Tensor, mask: Tensor, block: int) -> None:
    torch.autograd.grad(way(qkv, mask, block, reach), qkv, direction)


def main() -> None:
    """Print milliseconds a way, block size and type."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=7)
    arguments.add_argument("--threads", type=int, default=1)
    asked = arguments.parse_args()
    torch.set_num_threads(asked.threads)
    rows = []
    for dtype in (torch.float32, torch.bfloat16):
        qkv = torch.randn(CELLS, 3 * DIM, dtype=dtype, requires_grad=True)
        direction = torch.randn(CELLS, DIM, dtype=dtype)
        for block in (8, 16, 32):
            mask = unseen(block, dtype)
            jobs = {name: partial(_both_ways, way, reach, qkv, direction, mask, block) for name, (way, reach) in WAYS.items()}
            found = medians(alternate(jobs, asked.repeats))
            rows.append([str(dtype).removeprefix("torch."), block, *(1000 * found[name] for name in WAYS)])
    print(tabulate(rows, ["type", "block", *WAYS], tablefmt="github", floatfmt=".1f"))


if __name__ == "__main__":
    main()
