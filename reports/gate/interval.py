"""The interval of a difference of F1 that a gate decides by; with few draws, over test sentences alone."""

from __future__ import annotations

import numpy as np

from reports.bootstrap import LEVEL, REPLICATES, Counts, Interval, difference_interval, f1, resampled_f1

ENOUGH = 5  # draws, for an interval over draws


def difference(now: Counts, before: Counts, *, replicates: int = REPLICATES) -> Interval | None:
    """The interval of F1, now - before, of paired runs; None where none can be had.

    With ENOUGH draws it is that of a report: for new draws and new sentences. With fewer it says how sure the difference is for these very
    runs on other sentences: what another draw or another seed would change is not in it. Two draws that lose 30 and 40 points would pass
    otherwise: t with one degree of freedom makes of them 35 ± 64.

    Args:
        now, before: [draws, seeds, sentences, 3], tp, pred and gold, of the same draws, seeds and sentences.
    """
    if now.shape != before.shape or 0 in now.shape:
        return None
    interval = difference_interval if now.shape[0] >= ENOUGH else sentence_interval
    return interval(now, before, replicates=replicates)


def sentence_interval(now: Counts, before: Counts, *, seed: int = 0, replicates: int = REPLICATES, level: float = LEVEL) -> Interval:
    """Percentile bootstrap (Efron & Tibshirani 1993, chapter 13) over test sentences, given the runs.

    A resample takes the same sentences of all runs, now and before, so what both get wrong cancels.

    Args:
        now, before: as `difference`.
    """
    runs = (0, 1)
    estimate = (f1(now.sum(axis=2)) - f1(before.sum(axis=2))).mean(axis=runs)
    again = [resampled_f1(counts, seed=seed, replicates=replicates).reshape(replicates, -1).mean(axis=1) for counts in (now, before)]
    low, high = np.quantile(again[0] - again[1], [0.5 - level / 2, 0.5 + level / 2])
    return Interval(float(estimate), float(low), float(high), level)
