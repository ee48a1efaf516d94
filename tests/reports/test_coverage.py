"""The simulated coverage: its committed figures are of this code, are repeated by it, and are what the docs say."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from reports import coverage
from reports.bootstrap import resampled_f1
from reports.coverage import DRAWS, METHODS, NULLS, USED, WORLDS, cover, intervals, measured, reject, simulated

DOCS = Path(__file__).parents[2] / "docs" / "statistics.md"


def test_what_is_committed_is_of_these_worlds_and_methods() -> None:
    found = measured()
    assert found["worlds"] == json.loads(json.dumps([asdict(world) for world in (*WORLDS, *NULLS)]))
    assert found["methods"] == METHODS
    assert (found["trials"], found["replicates"], found["seed"]) == (coverage.TRIALS, coverage.REPLICATES, coverage.SEED)
    expected = [(w.name, d, of, m) for w in WORLDS for d in DRAWS for of in ("f1", "difference") for m in METHODS]
    assert [(r["world"], r["draws"], r["of"], r["method"]) for r in found["coverage"]] == expected


def test_our_interval_holds_its_level_and_the_others_show_why_it_is_ours() -> None:
    found = measured()["coverage"]
    ours = [r["coverage"] for r in found if r["method"] == USED]
    assert min(ours) > 0.91
    assert np.mean(ours) > 0.945
    assert min(r["coverage"] for r in found if r["method"] == "draws t") < 0.75, "test sentences are no constants"
    assert min(r["coverage"] for r in found if r["method"] == "percentile") < 0.9


def test_the_tests_hold_their_level_and_runs_for_replicates_do_not() -> None:
    for record in measured()["rejections"]:
        slack = 3 * np.sqrt(0.05 * 0.95 / coverage.TRIALS)
        assert record["sign flips and interval"] <= 0.05 + slack
        assert record["sign flips of runs"] > 0.06
        if record["world"] == "alike":
            assert record["sign flips of draws"] <= 0.05 + slack


def test_a_fresh_simulation_agrees_with_what_is_committed() -> None:
    world, trials = WORLDS[1], 120
    fresh = {(r["of"], r["method"]): r for r in cover(world, 5, trials=trials, replicates=200, seed=1)}
    for record in measured()["coverage"]:
        if (record["world"], record["draws"]) == (world.name, 5):
            share, other = record["coverage"], fresh[record["of"], record["method"]]
            assert other["coverage"] == pytest.approx(share, abs=4 * np.sqrt(max(share * (1 - share), 0.005) / trials))
            assert other["width"] == pytest.approx(record["width"], rel=0.15)


def test_the_same_seed_gives_the_same_figures() -> None:
    small = replace(WORLDS[0], sentences=40)
    assert cover(small, 3, trials=5, replicates=50) == cover(small, 3, trials=5, replicates=50)
    assert reject(NULLS[0], 5, trials=5, replicates=50) == reject(NULLS[0], 5, trials=5, replicates=50)


def test_the_nearest_number_of_draws_speaks() -> None:
    assert [simulated(n)[0] for n in (2, 3, 4, 6, 7, 8, 10, 30)] == [3, 3, 3, 5, 5, 10, 10, 10]
    _, low, high = simulated(5, "difference")
    assert low == min(r["coverage"] for r in measured()["coverage"] if (r["of"], r["draws"], r["method"]) == ("difference", 5, USED))
    assert low <= high


def test_bca_is_that_of_scipy_where_only_sentences_vary() -> None:
    """Draws that are all alike leave the bootstrap of sentences, which scipy corrects in the same way."""
    random = np.random.default_rng(6)
    gold = random.integers(0, 3, 120)
    tp = random.binomial(gold, 0.9)
    made = np.stack([tp, tp + random.poisson(0.1, 120), gold], axis=-1)

    def value(tp: np.ndarray, pred: np.ndarray, gold: np.ndarray, axis: int = -1) -> np.ndarray:
        return 2 * tp.sum(axis=axis) / (pred.sum(axis=axis) + gold.sum(axis=axis))

    oracle = stats.bootstrap(tuple(made.T), value, paired=True, n_resamples=8000, rng=np.random.default_rng(0), method="BCa")
    estimate = float(value(*made.T))
    sizes = made[:, 1] + made[:, 2]
    influence = (2 * made[:, 0] - estimate * sizes) / sizes.mean()
    again = np.repeat(resampled_f1(made[None], replicates=8000), 4, axis=1)
    found = intervals(np.full(4, estimate), again, influence, 120, random)["bca"]
    np.testing.assert_allclose(found, oracle.confidence_interval, atol=0.004)


def test_the_docs_show_the_committed_figures() -> None:
    assert coverage.shown() in DOCS.read_text(encoding="utf-8")
