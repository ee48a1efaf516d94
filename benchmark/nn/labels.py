"""Channels of a span grid: gold cells, weights, and the bias to start from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from benchmark.nn.encoder import Window
from splits.labels import Inventory
from splits.schema import Sentence, Span

FLOOR = 1e-5  # smallest prior of a label: one that the sample lacks must stay learnable
RARE = 10  # mentions below which an extension label keeps its full weight (released KnowFREE code)


def loss_weights(labels: Inventory) -> Tensor:
    """Weight of each channel: 1 for targets, min(10 / count, T / (T + E)) for extensions, unless the file says otherwise.

    T targets and E extensions, `O` not counted (KnowFREE, released code).
    """
    targets = len(labels.targets)
    share = targets / len(labels)
    weights = []
    for label in labels.labels:
        if label.weight is not None:
            weights.append(label.weight)
        elif label.is_target:
            weights.append(1.0)
        else:
            weights.append(min(RARE / max(label.count, 1), share))
    return torch.tensor(weights)


def spans_in(window: Window, sentence: Sentence) -> frozenset[Span]:
    """Entities that lie whole in a window, in its own word numbers; the others cannot be found there."""
    return frozenset(
        (start - window.start, end - window.start, label)
        for start, end, label in sentence.spans
        if window.start <= start and end <= window.end
    )


def gold_cells(windows: Sequence[Window], sentences: Sequence[Sentence], labels: Inventory, *, symmetric: bool, one_label: bool) -> Tensor:
    """Positive cells of a batch: [m, 4] rows (batch, start, last, channel), each once, in row-major order.

    Args:
        symmetric: also (last, start), as CNN-NER trains the lower triangle.
        one_label: of several types on one span keep the first channel (quirk of the released KnowFREE code).
    """
    cells: set[tuple[int, int, int, int]] = set()
    for b, window in enumerate(windows):
        found = sorted((start, end, labels.index[label]) for start, end, label in spans_in(window, sentences[window.sentence]))
        taken: set[tuple[int, int]] = set()
        for start, end, channel in found:
            if one_label and (start, end) in taken:
                continue
            taken.add((start, end))
            cells.add((b, start, end - 1, channel))
            if symmetric:
                cells.add((b, end - 1, start, channel))
    return torch.tensor(sorted(cells), dtype=torch.long).reshape(-1, 4)


def prior_bias(
    windows: Sequence[Window], sentences: Sequence[Sentence], labels: Inventory, *, symmetric: bool, upper: bool = False
) -> Tensor:
    """log(p / (1 - p)) of each channel, p its share of the sample's cells, at least FLOOR, at most 1 - FLOOR.

    A zero bias says one half for every one of n x n x K cells, and hundreds of steps go by until that is unlearnt
    (design, section 6).

    Args:
        upper: only cells whose last word is not before the first are trained.
    """
    counts: Counter[int] = Counter()
    cells = sum(len(w) * (len(w) + 1) // 2 if upper else len(w) ** 2 for w in windows)
    for window in windows:
        rows = gold_cells([window], sentences, labels, symmetric=symmetric, one_label=False)
        counts.update(rows[:, 3].tolist())
    priors = [min(max(counts[k] / max(cells, 1), FLOOR), 1 - FLOOR) for k in range(len(labels))]
    return torch.tensor([math.log(p / (1 - p)) for p in priors])
