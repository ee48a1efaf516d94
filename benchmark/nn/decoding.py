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
    found = []
    for start, last, channel, score in (rows[k] for k in order):
        if clashes != "keep" and any(_clash(start, last, *other, nested=clashes == "nested") for other in taken):
            continue
        taken.append((start, last))
        found.append(Predicted(start, last + 1, names[channel], score))
    return sorted(found, key=lambda p: (p.start, p.end))


def _clash(a: int, b: int, c: int, d: int, *, nested: bool) -> bool:
    """Whether closed intervals a..b and c..d may not stand together."""
    if b < c or d < a:
        return False
    contained = (c <= a and b <= d) or (a <= c and d <= b)
    return not (nested and contained)
