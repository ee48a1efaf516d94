"""How small a loss a gate sees: entities are taken from a reference's predictions until the gate is red."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reports.bootstrap import Counts, f1
from reports.gate.interval import difference
from reports.gate.reference import Block, Reference

SHARE = 0.8  # of trials that must be red: the usual power
TRIALS = 50
REPLICATES = 400  # of an interval; a verdict takes more, but here an average over trials is read
STEPS = 8  # halvings of the loss


@dataclass(frozen=True, slots=True)
class Seen:
    """What a block's gate can see.

    Attributes:
        entities: gold entities of the test split.
        drop: the smallest loss of F1, in [0, 1], that is red in SHARE of the trials; None: not even the loss of everything.
    """

    block: Block
    entities: int
    f1: float
    drop: float | None


def sensitivity(reference: Reference, *, tolerance: float, watch: Callable[[Sequence[Block]], Iterable[Block]] = iter) -> Iterator[Seen]:
    """Of each block of a reference, the smallest drop that its gate sees at a tolerance in points of F1."""
    for block in watch(list(reference.blocks)):
        counts = reference.runs(block)
        entities = int(counts[0, 0, :, 2].sum())
        yield Seen(block, entities, float(f1(counts.sum(axis=2)).mean()), smallest_drop(counts, tolerance / 100))


def smallest_drop(counts: Counts, tolerance: float, *, seed: int = 0) -> float | None:
    """Bisection over the share of correct entities that are missed, each alike and independently of the others.

    Args:
        counts: [draws, seeds, sentences, 3], tp, pred and gold.
        tolerance: in [0, 1].
    """
    low, high = 0.0, 1.0
    if _red(counts, high, tolerance, seed)[0] < SHARE:
        return None
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if _red(counts, middle, tolerance, seed)[0] >= SHARE else (middle, high)
    return _red(counts, high, tolerance, seed)[1]


def _red(counts: Counts, missed: float, tolerance: float, seed: int) -> tuple[float, float]:
    """The share of trials that are red when so many entities are missed, and the mean drop of F1."""
    red, drops = 0, []
    for trial in range(TRIALS):
        lost = np.random.default_rng([seed, trial]).binomial(counts[..., 0], missed)
        found = difference(counts - np.stack([lost, lost, np.zeros_like(lost)], axis=-1), counts, replicates=REPLICATES)
        if found is not None:
            red += found.high < -tolerance
            drops.append(-found.estimate)
    return red / TRIALS, float(np.mean(drops)) if drops else 0.0
