"""Attention within a window in one pass over the cells, as machine code by numba (extra `compiled`).

Torch alone gathers the keys of each block of queries, multiplies, masks, and puts gradients back: a dozen passes over memory
around products that are small. Here a tile of cells stays in the cache, its channels one after the other, so that neighbouring
cells are neighbours in memory and a shift along the row is a shift of a pointer.

Numbers are float32 inside where they are bf16 outside, float64 where they are float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from benchmark.nn.compiled.bf16 import CACHED, INSIDE, narrowed, widened
from benchmark.nn.compiled.functions import exp
from knowfree.compiled.shifts import VECTOR, products, sums

TILE = 512  # cells whose buffers fit a core's second cache
NEVER = -1e30  # a score whose weight is 0
LOOSE = {"fastmath": {"contract", "nsz", "arcp"}}


@njit(**INSIDE, **LOOSE)
def _load(into: Any, rows: Any, bias: Any, channel: int, start: int) -> None:
    """Channels from `channel` on of cells from `start` on, with their bias; 0 where no cell is."""
    size, wide = into.shape
    first, end = max(0, -start), min(wide, rows.shape[1] - start)
    for d in range(size):
        own, more = into[d], bias[channel + d]
        own[:first] = 0
        own[max(end, 0) :] = 0
        inner, row = own[first:end], rows[channel + d, start + first : start + end]
        for e in range(end - first):
            inner[e] = widened(row[e]) + more


@njit(**INSIDE, **LOOSE)
def _store(into: Any, x: Any, channel: int, start: int, end: int) -> None:
    for d in range(len(x)):
        own, row = into[channel + d, start:end], x[d]
        for e in range(len(own)):
            own[e] = narrowed(row[e], own[e])


@njit(**INSIDE, **LOOSE)
def _see(into: Any, row: Any, start: int, before: int) -> None:
    """1 where a query of the tile sees the key at each offset, else 0. A cell of no row sees itself."""
    reach, wide = into.shape
    for o in range(reach):
        for e in range(wide):
            i, j = start + e, start + e + o - before
            inside = 0 <= i < len(row) and 0 <= j < len(row)
            into[o, e] = 1 if o == before or (inside and row[i] >= 0 and row[i] == row[j]) else 0


@njit(**INSIDE, **LOOSE)
def _softmax(scores: Any, seen: Any, scale: Any, low: Any, work: Any) -> None:
    """Over the offsets, in place."""
    reach, wide = scores.shape
    one = scale / scale
    work[:] = low
    for o in range(reach):
        s, ok = scores[o], seen[o]
        for e in range(wide):
            s[e] = s[e] * scale if ok[e] > 0 else low
            work[e] = max(work[e], s[e])
    for o in range(reach):
        s, ok = scores[o], seen[o]
        for e in range(wide):
            s[e] = exp(s[e] - work[e]) * ok[e]
    work[:] = 0
    for o in range(reach):
        s = scores[o]
        for e in range(wide):
            work[e] += s[e]
    for e in range(wide):
        work[e] = one / work[e]
    for o in range(reach):
        s = scores[o]
        for e in range(wide):
            s[e] *= work[e]


@njit(**INSIDE, **LOOSE)
def _softmax_back(gradient: Any, weights: Any, scale: Any, work: Any) -> None:
    """In place: from the gradient of the weights to that of the scores before scaling."""
    reach, wide = weights.shape
    work[:] = 0
    for o in range(reach):
        g, w = gradient[o], weights[o]
        for e in range(wide):
            work[e] += g[e] * w[e]
    for o in range(reach):
        g, w = gradient[o], weights[o]
        for e in range(wide):
            g[e] = (g[e] - work[e]) * w[e] * scale


@njit(**CACHED, **LOOSE)
def mix(projected: Any, bias: Any, row: Any, heads: int, before: int, after: int, mixed: Any) -> None:
    """Fill `mixed`: what every cell takes from those of its row from `before` to its left until `after` to its right.

    Shapes:
        projected: [3 x dim, N], queries, keys, values without their bias [3 x dim]
        row: [N] int, the row of a cell, -1: none
        mixed: [dim, N]
    """
    count, size, reach, kind = len(row), len(mixed) // heads, before + after + 1, bias.dtype
    dim = size * heads
    scale, low = kind.type(1 / math.sqrt(size)), kind.type(NEVER)
    more = TILE + reach
    query, key, value = np.empty((size, TILE), kind), np.empty((size, more), kind), np.empty((size, more), kind)
    weights, seen = np.empty((reach, TILE), kind), np.empty((reach, TILE), kind)
    work, out = np.empty(TILE, kind), np.empty((size, TILE), kind)
    of_query, of_key, of_value, every, filled = query.reshape(-1), key.reshape(-1), value.reshape(-1), weights.reshape(-1), out.reshape(-1)
    for start in range(0, count, TILE):
        end = min(count, start + TILE)
        _see(seen, row, start, before)
        for channel in range(0, dim, size):
            _load(query, projected, bias, channel, start)
            _load(key, projected, bias, dim + channel, start - before)
            _load(value, projected, bias, 2 * dim + channel, start - before)
            products(every, of_query, of_key, reach, size, TILE, more)
            _softmax(weights, seen, scale, low, work)
            sums(filled, every, 0, TILE, of_value, 0, 1, more, reach, size)
            _store(mixed, out, channel, start, end)


@njit(**CACHED, **LOOSE)
def mix_back(projected: Any, bias: Any, row: Any, heads: int, before: int, after: int, given: Any, found: Any) -> None:
    """Fill `found` with the gradient of `projected`, from that of `mixed`; weights are computed again.

    Shapes:
        given: [dim, N]; found: [3 x dim, N]
    """
    count, size, reach, kind = len(row), len(given) // heads, before + after + 1, bias.dtype
    dim = size * heads
    scale, low, none = kind.type(1 / math.sqrt(size)), kind.type(NEVER), np.zeros(dim, kind)
    last = reach - 1
    wide = TILE + -(-last // VECTOR) * VECTOR  # queries that see a key of the tile, and a few more: whole vectors of them
    more = wide + reach
    query, gradient = np.empty((size, wide), kind), np.empty((size, wide), kind)
    key, value = np.empty((size, more), kind), np.empty((size, more), kind)
    weights, of_scores, seen = np.empty((reach, wide), kind), np.empty((reach, wide), kind), np.empty((reach, wide), kind)
    work, out = np.empty(wide, kind), np.empty((size, TILE), kind)
    of_query, of_gradient, of_key, of_value = query.reshape(-1), gradient.reshape(-1), key.reshape(-1), value.reshape(-1)
    every, each, filled = weights.reshape(-1), of_scores.reshape(-1), out.reshape(-1)
    for start in range(0, count, TILE):
        end, first = min(count, start + TILE), start - after
        _see(seen, row, first, before)
        for channel in range(0, dim, size):
            _load(query, projected, bias, channel, first)
            _load(gradient, given, none, channel, first)
            _load(key, projected, bias, dim + channel, first - before)
            _load(value, projected, bias, 2 * dim + channel, first - before)
            products(every, of_query, of_key, reach, size, wide, more)
            _softmax(weights, seen, scale, low, work)
            products(each, of_gradient, of_value, reach, size, wide, more)
            _softmax_back(of_scores, weights, scale, work)
            # of the tile's queries, which begin `after` behind the first that has weights
            sums(filled, each, after, wide, of_key, after, 1, more, reach, size)
            _store(found, out, channel, start, end)
            # of the tile's keys: of the first, the first query is that which sees it last
            sums(filled, each, last, wide - 1, of_query, last, -1, wide, reach, size)
            _store(found, out, dim + channel, start, end)
            sums(filled, every, last, wide - 1, of_gradient, last, -1, wide, reach, size)
            _store(found, out, 2 * dim + channel, start, end)
