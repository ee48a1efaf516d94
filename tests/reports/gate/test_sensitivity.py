"""What a gate is said to see, it sees: losses of that size, made anew, are red as often as promised."""

from __future__ import annotations

import numpy as np
import pytest

from reports.bootstrap import Counts
from reports.gate.interval import difference
from reports.gate.sensitivity import SHARE, smallest_drop
from tests.benchmark.conftest import Profile
from tests.reports.gate.conftest import gate


def counts(sentences: int, draws: int = 1) -> Counts:
    """Sentences of two entities of which three quarters are found."""
    rng = np.random.default_rng(7)
    tp = rng.binomial(2, 0.75, (draws, 1, sentences))
    return np.stack([tp, np.full_like(tp, 2), np.full_like(tp, 2)], axis=-1)


def red(before: Counts, drop: float, tolerance: float) -> float:
    """How often a loss of this expected size is red, with other random numbers."""
    rng = np.random.default_rng(99)
    f1 = 2 * before[..., 0].sum() / before[..., 1:].sum()
    # a missed entity is one of tp and of pred: 2 (1 - q) T / (P - q T + G) = f1 - drop, solved for q
    tp, pred, gold = (float(before[..., k].sum()) for k in range(3))
    missed = (2 * tp - (f1 - drop) * (pred + gold)) / (2 * tp - (f1 - drop) * tp)
    trials = 100
    found = 0
    for _ in range(trials):
        lost = rng.binomial(before[..., 0], missed)
        change = difference(before - np.stack([lost, lost, 0 * lost], axis=-1), before, replicates=1000)
        assert change is not None
        found += 100 * change.high < -tolerance
    return found / trials


@pytest.mark.parametrize("draws", [1, 5])
def test_a_drop_that_it_sees_is_red_as_often_as_said(draws: int) -> None:
    before = counts(400, draws)
    drop = smallest_drop(before, 0.01)
    assert drop is not None
    assert 0.01 < drop < 0.1
    assert red(before, drop, 1.0) >= SHARE - 0.15
    assert red(before, drop / 2, 1.0) < SHARE - 0.15


def test_more_sentences_see_smaller_drops_and_more_tolerance_larger_ones() -> None:
    found = [smallest_drop(counts(sentences), 0.01) for sentences in (50, 200, 800)]
    assert found == sorted(found, reverse=True)  # type: ignore[type-var]
    found = [smallest_drop(counts(200), tolerance) for tolerance in (0.0, 0.02, 0.1)]
    assert found == sorted(found)  # type: ignore[type-var]


def test_what_cannot_fall_that_far_sees_nothing() -> None:
    assert smallest_drop(counts(200), 0.9) is None


def test_the_command_says_it_for_every_block(profile: Profile) -> None:
    said = gate("--sensitivity", "--tolerance", "2")
    assert said.exit_code == 0
    assert said.stdout.count("lookup") == said.stdout.count("demo_zh") == 2
    assert gate("--sensitivity", "--tolerance", "nan").exit_code == 1
