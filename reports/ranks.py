"""Which variant is better how often, on which rank it stands, and which ranks are ties."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def improvement(a: Sequence[Floats], b: Sequence[Floats]) -> float:
    """The chance that a run of `a` beats a run of `b` on the same draw; ties count half.

    Agarwal et al. 2021, over all pairs of runs; within a draw, since draws are paired (Bouthillier et al. 2021).

    Args:
        a, b: for each draw that both have, the F1 of its seeds.
    """
    return float(np.mean([np.mean((np.sign(x[:, None] - y[None, :]) + 1) / 2) for x, y in zip(a, b, strict=True)]))


def interquartile_mean(values: Floats) -> float:
    """The mean of the middle half: a quarter of the values, rounded down, is cut at each end (Agarwal et al. 2021)."""
    cut = len(values) // 4
    return float(np.sort(values)[cut : len(values) - cut].mean())


def ranks(values: Mapping[str, float]) -> dict[str, float]:
    """1 is the best; equal values share the mean of their ranks."""
    found = list(values.values())
    return {name: 1 + sum(v > value for v in found) + (sum(v == value for v in found) - 1) / 2 for name, value in values.items()}


def mean_ranks(draws: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean over draws of each one's `ranks`, for the names that all draws have."""
    ranked = [ranks(values) for values in draws]
    return {name: float(np.mean([r[name] for r in ranked])) for name in ranked[0]} if ranked else {}


def tie_groups(ordered: Sequence[str], separable: Callable[[str, str], bool]) -> tuple[tuple[str, ...], ...]:
    """Names, best first, cut only where every one above is separable from every one below.

    "Not separable" is not transitive: the second may differ from the third while the first, less certain, does not. Cut like
    this, no two names are in different groups without evidence; two in one group may still be separable.

    Args:
        separable: whether there is evidence that the first, which stands higher, is better than the second.
    """
    groups: list[tuple[str, ...]] = []
    start = 0
    for cut in range(1, len(ordered) + 1):
        if all(separable(above, below) for above in ordered[start:cut] for below in ordered[cut:]):
            groups.append(tuple(ordered[start:cut]))
            start = cut
    return tuple(groups)
