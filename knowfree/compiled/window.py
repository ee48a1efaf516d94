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
def _store(into: Any, x: Any) -> None:
    for e in range(len(into)):
        into[e] = narrowed(x[e], into[e])


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
def _products(into: Any, of_query: Any, of_key: Any) -> None:
    """Sum over channels of a query's number and that of the key at each offset."""
    reach, wide = into.shape
    size = len(of_query)
    by_four = size - size % 4
    for o in range(reach):
        sums = into[o]
        sums[:] = 0
        for d in range(0, by_four, 4):  # sums are loaded and stored a quarter as often
            q0, q1, q2, q3 = of_query[d], of_query[d + 1], of_query[d + 2], of_query[d + 3]
            k0, k1, k2, k3 = of_key[d, o:], of_key[d + 1, o:], of_key[d + 2, o:], of_key[d + 3, o:]
            for e in range(wide):
                sums[e] += q0[e] * k0[e] + q1[e] * k1[e] + (q2[e] * k2[e] + q3[e] * k3[e])
        for d in range(by_four, size):
            q, k = of_query[d], of_key[d, o:]
            for e in range(wide):
                sums[e] += q[e] * k[e]


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


@njit(**INSIDE, **LOOSE)
def _to_queries(into: Any, weights: Any, of_key: Any, work: Any, skip: int) -> None:
    """Sum over offsets of a weight and the key's number there; the first query is `skip` behind the first that has weights."""
    work[:] = 0
    for o in range(len(weights)):
        w, x = weights[o, skip:], of_key[skip + o :]
        for e in range(len(work)):
            work[e] += w[e] * x[e]
    _store(into, work)


@njit(**INSIDE, **LOOSE)
def _to_keys(into: Any, weights: Any, of_query: Any, work: Any) -> None:
    """Sum over the queries that see a key of their weight and number; the first query is that which sees the first key last."""
    last = len(weights) - 1
    work[:] = 0
    for o in range(len(weights)):
        w, x = weights[o, last - o :], of_query[last - o :]
        for e in range(len(work)):
            work[e] += w[e] * x[e]
    _store(into, work)


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
    query = np.empty((size, TILE), kind)
    key, value = np.empty((size, TILE + reach), kind), np.empty((size, TILE + reach), kind)
    weights, seen, work = np.empty((reach, TILE), kind), np.empty((reach, TILE), kind), np.empty(TILE, kind)
    for start in range(0, count, TILE):
        end = min(count, start + TILE)
        _see(seen, row, start, before)
        for channel in range(0, dim, size):
            _load(query, projected, bias, channel, start)
            _load(key, projected, bias, dim + channel, start - before)
            _load(value, projected, bias, 2 * dim + channel, start - before)
            _products(weights, query, key)
            _softmax(weights, seen, scale, low, work)
            for d in range(size):
                _to_queries(mixed[channel + d, start:end], weights, value[d], work, 0)


@njit(**CACHED, **LOOSE)
def mix_back(projected: Any, bias: Any, row: Any, heads: int, before: int, after: int, given: Any, found: Any) -> None:
    """Fill `found` with the gradient of `projected`, from that of `mixed`; weights are computed again.

    Shapes:
        given: [dim, N]; found: [3 x dim, N]
    """
    count, size, reach, kind = len(row), len(given) // heads, before + after + 1, bias.dtype
    dim = size * heads
    scale, low, none = kind.type(1 / math.sqrt(size)), kind.type(NEVER), np.zeros(dim, kind)
    wide = TILE + -(-(reach - 1) // 16) * 16  # queries that see a key of the tile, and a few more: whole vectors of them
    query, gradient = np.empty((size, wide), kind), np.empty((size, wide), kind)
    key, value = np.empty((size, wide + reach), kind), np.empty((size, wide + reach), kind)
    weights, of_scores, seen = np.empty((reach, wide), kind), np.empty((reach, wide), kind), np.empty((reach, wide), kind)
    work, sums = np.empty(wide, kind), np.empty(TILE, kind)
    for start in range(0, count, TILE):
        end, first = min(count, start + TILE), start - after
        _see(seen, row, first, before)
        for channel in range(0, dim, size):
            _load(query, projected, bias, channel, first)
            _load(gradient, given, none, channel, first)
            _load(key, projected, bias, dim + channel, first - before)
            _load(value, projected, bias, 2 * dim + channel, first - before)
            _products(weights, query, key)
            _softmax(weights, seen, scale, low, work)
            _products(of_scores, gradient, value)
            _softmax_back(of_scores, weights, scale, work)
            for d in range(size):
                at = channel + d
                _to_queries(found[at, start:end], of_scores, key[d], sums, after)
                _to_keys(found[dim + at, start:end], of_scores, query[d], sums)
                _to_keys(found[2 * dim + at, start:end], weights, gradient[d], sums)
