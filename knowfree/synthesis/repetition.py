"""Repetition: a sentence that loops, copies another text, or says what another one says."""

from __future__ import annotations

from collections.abc import Sequence

from knowfree.synthesis.guard import Units, folded, runs


def looped_share(tokens: Sequence[str], times: int) -> float:
    """The share of tokens in the longest stretch where the same 1, 2, 3... tokens follow one another at least so many times.

    `very very very very good` is a loop of 4 tokens in 5 (0.8) for `times` up to 4, and none for 5.
    Time is O(n^2 / times).
    """
    longest = 0
    for period in range(1, len(tokens) // times + 1):
        same = 0
        for i in range(period, len(tokens)):
            same = same + 1 if tokens[i] == tokens[i - period] else 0
            if same + period >= times * period:
                longest = max(longest, same + period)
    return longest / len(tokens) if tokens else 0.0


def different_share(tokens: Sequence[str]) -> float:
    """The share of tokens that are different from each other; 1 where there is none."""
    return len(set(tokens)) / len(tokens) if tokens else 1.0


def copied_share(found: Units, original: Units, run: int) -> float:
    """The share of units that lie in runs of at least so many units of the original; a shorter sentence is copied whole or not."""
    run = max(1, min(run, len(found)))
    known = set(runs(original, run))
    covered: set[int] = set()
    for i, piece in enumerate(runs(found, run)):
        if piece in known:
            covered.update(range(i, i + run))
    return len(covered) / len(found) if found else 0.0


def same_text(tokens: Sequence[str]) -> str:
    """What two sentences that are duplicates have in common: letters and digits, without case and compatibility forms."""
    return "".join(c for c in folded("".join(tokens)) if c.isalnum())
