"""Windows into batches: shuffled by a named seed, of like length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from benchmark.nn.encoder import Window

POOL = 8  # batches from which lengths are sorted: enough to cut padding, too few to fix the order


def epoch_batches(windows: Sequence[Window], batch_size: int, *, seed: int, epoch: int) -> Iterator[list[Window]]:
    """One pass over the windows: shuffled, sorted by length within pools of batches, batches shuffled again."""
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(windows))
    batches: list[list[Window]] = []
    for at in range(0, len(order), POOL * batch_size):
        pool = sorted((windows[i] for i in order[at : at + POOL * batch_size]), key=len)
        batches += [pool[i : i + batch_size] for i in range(0, len(pool), batch_size)]
    for i in random.permutation(len(batches)):
        yield batches[i]


def prediction_batches(windows: Sequence[Window], *, cells: int) -> Iterator[list[Window]]:
    """Every window once, longest last, as many a batch as keep its padded grid within `cells`."""
    batch: list[Window] = []
    for window in sorted(windows, key=len):
        if batch and (len(batch) + 1) * len(window) ** 2 > cells:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch
