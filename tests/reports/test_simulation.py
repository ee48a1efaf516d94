"""The made-up runs have the expectations and correlations that they claim."""

from __future__ import annotations

import numpy as np
import pytest

from reports.bootstrap import f1
from reports.simulation import World


def test_expected_f1_is_that_of_endless_test_splits_and_draws() -> None:
    world = World("large", sentences=4000, draw=0.6, own_draw=0.3, seed=0.3)
    runs = world.runs(np.random.default_rng(1), 400, 1)
    found = f1(runs.sum(axis=-2)).mean(axis=(1, 2))
    # Both methods and all draws share the 4000 sentences, so their common error is that of one test split.
    np.testing.assert_allclose(found, world.expected_f1(), atol=0.03)
    assert found[1] - found[0] == pytest.approx(np.diff(world.expected_f1())[0], abs=0.01)


def test_gold_is_one_test_split_and_no_run_finds_what_is_not_there() -> None:
    runs = World("w", sentences=50).runs(np.random.default_rng(2), 3, 2)
    assert runs.shape == (2, 3, 2, 50, 3)
    assert (runs[..., 2] == runs[0, 0, 0, :, 2]).all()
    assert (runs[..., 0] <= runs[..., 2]).all()
    assert (runs[..., 0] <= runs[..., 1]).all()


def test_seeds_of_a_draw_and_methods_on_a_sentence_are_correlated() -> None:
    world = World("w", sentences=2000, draw=0.8, own_draw=0.8, seed=0.1)
    found = f1(world.runs(np.random.default_rng(3), 200, 2).sum(axis=-2))
    assert np.corrcoef(found[0, :, 0], found[0, :, 1])[0, 1] > 0.8
    hits = world.runs(np.random.default_rng(4), 40, 1)[..., 0].mean(axis=(1, 2))
    assert np.corrcoef(hits)[0, 1] > 0.5
