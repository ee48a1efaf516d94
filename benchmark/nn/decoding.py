"""From probabilities of cells to entities."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from benchmark.method import Predicted

Clashes = Literal["flat", "nested", "keep"]


def decode_grid(probabilities: Tensor, names: tuple[str, ...], *, clashes: Clashes, threshold: float = 0.5) -> list[Predicted]:
    """Entities of one sentence: cells with start <= end above the threshold, the best label of each (KnowFREE, released code).

    Args:
        probabilities: [n, n, T] of the target labels `names`; row = first word, column = last word.
        clashes: `flat` takes the best-scored spans that share no word; `nested` lets one stand inside another, but not
            cross it; `keep` takes all. Equal scores go in row-major order.
    """
    best, label = probabilities.max(dim=-1)
    chosen = torch.triu(best > threshold).nonzero()
    if not len(chosen):
        return []
    i, j = chosen.unbind(1)
    scores = best[i, j]
    order = torch.argsort(scores, descending=True, stable=True).tolist()
    rows = list(zip(i.tolist(), j.tolist(), label[i, j].tolist(), scores.tolist(), strict=True))
    taken: list[tuple[int, int]] = []
    words = 0  # a bit a word that is taken: a flat sentence's clashes in one step, however many candidates there are
    found = []
    for start, last, channel, score in (rows[k] for k in order):
        own = (1 << (last + 1)) - (1 << start)
        if clashes == "flat" and words & own:
            continue
        if clashes == "nested" and any(_cross(start, last, *other) for other in taken):
            continue
        words |= own
        taken.append((start, last))
        found.append(Predicted(start, last + 1, names[channel], score))
    return sorted(found, key=lambda p: (p.start, p.end))


def _cross(a: int, b: int, c: int, d: int) -> bool:
    """Whether closed intervals a..b and c..d share words, and neither holds the other."""
    return c < a <= d < b or a < c <= b < d
