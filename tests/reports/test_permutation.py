"""Sign flips against scipy, their level under a simulated null, and Holm against its definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports import permutation
from reports.bootstrap import f1
from reports.permutation import holm, sign_flip, smallest_p
from reports.simulation import World

numbers = st.floats(-1, 1).map(lambda x: round(x, 3))


@given(st.lists(numbers, min_size=2, max_size=9))
def test_few_draws_are_exact_as_in_scipy(differences: list[float]) -> None:
    oracle = stats.permutation_test(
        (np.array(differences),),
        lambda x, axis: np.abs(x.mean(axis=axis)),
        permutation_type="samples",
        n_resamples=np.inf,
        alternative="greater",
    )
    assert sign_flip(np.array(differences)) == pytest.approx(oracle.pvalue, abs=1e-12)


@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=7))
def test_all_sizes_of_a_draw_are_flipped_together(differences: list[tuple[float, float, float]]) -> None:
    table = np.array(differences)
    observed = abs(table.mean())
    count = [
        abs((np.array(signs)[:, None] * table).mean()) >= observed - 1e-9 for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    assert sign_flip(table) == pytest.approx(np.mean(count), abs=1e-12)


@pytest.mark.parametrize("draws", [1, 2, 5, 6, 10, 16])
def test_the_smallest_p_is_reached_when_all_draws_agree(draws: int) -> None:
    assert sign_flip(np.linspace(0.01, 0.02, draws)) == smallest_p(draws) == 2 / 2**draws


def test_the_floors_that_people_quote() -> None:
    assert [round(smallest_p(n), 4) for n in (5, 6, 10)] == [0.0625, 0.0312, 0.002]
    assert smallest_p(0) == smallest_p(1) == sign_flip(np.array([])) == sign_flip(np.array([0.3])) == 1


def test_many_draws_are_flipped_at_random_and_never_give_zero() -> None:
    differences = np.random.default_rng(2).normal(0.4, 1, 17)
    oracle = stats.permutation_test(
        (differences,),
        lambda x, axis: np.abs(x.mean(axis=axis)),
        permutation_type="samples",
        n_resamples=np.inf,
        alternative="greater",
        batch=50_000,
    )
    assert sign_flip(differences) == pytest.approx(oracle.pvalue, abs=0.005)
    assert sign_flip(differences) == sign_flip(differences)
    assert sign_flip(np.ones(40)) == smallest_p(40) == 1 / 100_000


def test_random_flips_are_drawn_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(2).normal(0.4, 1, 20)
    whole = sign_flip(differences, flips=999)
    monkeypatch.setattr(permutation, "CHUNK", 100)
    assert sign_flip(differences, flips=999) == pytest.approx(whole, abs=1e-12)


def test_no_difference_is_no_evidence() -> None:
    assert sign_flip(np.zeros(6)) == 1


def null(random: np.random.Generator, draws: int, seeds: int, sizes: int) -> np.ndarray:
    """Differences [draws, seeds, sizes] of two methods of equal F1 on these test sentences.

    What a draw favours is shared by its seeds and nested sizes: they are correlated, and no method is better.
    """
    draw, nested = random.normal(0, 1, (draws, 1, 1)), random.normal(0, 0.5, (draws, 1, sizes))
    return draw + nested + random.normal(0, 0.8, (draws, seeds, sizes))


@pytest.mark.parametrize(("draws", "sizes"), [(6, 1), (6, 3), (10, 3)])
def test_a_true_null_is_rejected_no_more_often_than_the_level_says(draws: int, sizes: int) -> None:
    random, trials = np.random.default_rng(17), 2000
    p = np.array([sign_flip(null(random, draws, 2, sizes).mean(axis=1)) for _ in range(trials)])
    for level in (0.05, 0.1):
        assert np.mean(p <= level) <= level + 3 * np.sqrt(level * (1 - level) / trials)
    floor = smallest_p(draws)
    assert np.mean(p <= 0.05) >= 0.05 - floor - 0.02  # and it is no test that never rejects


def test_runs_that_share_draws_seeds_and_test_sentences_keep_the_level() -> None:
    """Counts of equal methods on one test split a trial: nothing about the differences is assumed."""
    world = World("alike", sentences=60, ability=(0.8, 0.8), draw=0.3, own_draw=0.3, own_sentence=0.0)
    random, trials, p, runs = np.random.default_rng(19), 800, [], []
    for _ in range(trials):
        found = f1(world.runs(random, 7, 2).sum(axis=-2))
        p.append(sign_flip((found[0] - found[1]).mean(axis=1)))
        runs.append(sign_flip((found[0] - found[1]).ravel()))
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)
    assert np.mean(np.array(runs) <= 0.05) > 0.08, "14 runs are not 14 replicates"


def test_seeds_taken_for_replicates_reject_a_true_null_far_too_often() -> None:
    random, trials = np.random.default_rng(18), 2000
    p = np.array([sign_flip(null(random, 5, 2, 1).reshape(10)) for _ in range(trials)])
    assert 0.10 < np.mean(p <= 0.05) < 0.18


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_holm_is_the_step_down_of_bonferroni(p: list[float]) -> None:
    adjusted = holm(p)
    order = sorted(range(len(p)), key=lambda i: (p[i], i))
    for level in (0.01, 0.05, 0.2):
        rejected = set()
        for rank, i in enumerate(order):  # Holm's own words: go on while p <= level / (how many are left)
            if p[i] * (len(p) - rank) > level:
                break
            rejected.add(i)
        assert {i for i, a in enumerate(adjusted) if a <= level} == rejected
    assert all(a >= x for a, x in zip(adjusted, p, strict=True))
    assert holm([]) == []
