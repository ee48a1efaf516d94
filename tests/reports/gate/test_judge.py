"""The verdict against brute force: every resample of a few sentences, counted one by one."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reports.gate.interval import sentence_interval
from reports.gate.judge import Judgement, Row, judge
from reports.gate.update import make_reference
from splits.errors import KfbenchError
from tests.reports.gate.made_up import MACHINE, Rows, profile

BEFORE: Rows = [(2, 2, 2), (1, 2, 1), (0, 0, 2), (3, 3, 3), (1, 1, 1)] * 20
OTHER = {"arithmetic": {"processor": "another"}, "packages": {"torch": "1"}}


def judged(now: Rows, before: Rows, tolerance: float = 1.0, **options: object) -> Row:
    """The verdict on one run."""
    [row] = judge(profile({(0, 0): now}), make_reference(profile({(0, 0): before})), tolerance=tolerance, **options).rows  # type: ignore[arg-type]
    return row


def f1(rows: Sequence[tuple[int, int, int]]) -> Fraction:
    below = sum(p + g for _, p, g in rows)
    return Fraction(2 * sum(t for t, _, _ in rows), below) if below else Fraction(0)


def every_difference(now: Rows, before: Rows) -> list[float]:
    """F1 now - before of every resample with replacement, all equally likely."""
    picks = product(range(len(now)), repeat=len(now))
    return sorted(float(f1([now[i] for i in pick]) - f1([before[i] for i in pick])) for pick in picks)


def small_pairs() -> st.SearchStrategy[list[tuple[tuple[int, int, int], tuple[int, int, int]]]]:
    """Four sentences, with gold entities, found and predicted now and before."""

    def rows(gold: int) -> st.SearchStrategy[tuple[int, int, int]]:
        return st.integers(0, gold).flatmap(lambda tp: st.tuples(st.just(tp), st.integers(tp, tp + 2), st.just(gold)))

    return st.lists(st.integers(0, 3).flatmap(lambda gold: st.tuples(rows(gold), rows(gold))), min_size=4, max_size=4)


@given(small_pairs())
def test_the_interval_is_that_of_every_resample(pairs: list[tuple[tuple[int, int, int], tuple[int, int, int]]]) -> None:
    now, before = zip(*pairs, strict=True)
    found = sentence_interval(np.array([[now]]), np.array([[before]]))
    assert found.estimate == pytest.approx(float(f1(now) - f1(before)))
    values = np.array(every_difference(now, before))
    # A bound of 10,000 resamples may fall on a neighbour of the exact one: within half a point of the quantile's level.
    for bound, level in ((found.low, 0.025), (found.high, 0.975)):
        assert np.quantile(values, level - 0.007) - 1e-9 <= bound <= np.quantile(values, level + 0.007) + 1e-9


@given(small_pairs(), st.floats(0, 60))
def test_worse_is_an_interval_below_the_tolerance(pairs: list[tuple[tuple[int, int, int], tuple[int, int, int]]], tolerance: float) -> None:
    now, before = zip(*pairs, strict=True)
    assume(100 * f1(before) > tolerance)
    values = 100 * np.array(every_difference(now, before))
    surely, maybe = np.quantile(values, 0.982) < -tolerance, np.quantile(values, 0.968) < -tolerance
    verdict = judged(now, before, tolerance).verdict
    if surely:
        assert verdict == "worse"
    if not maybe:
        assert verdict != "worse"


def test_the_same_is_the_same() -> None:
    row = judged(BEFORE, BEFORE)
    assert row.verdict == "same"
    assert row.difference is not None
    assert (row.difference.low, row.difference.high) == (0, 0), "pairs are resampled together: what both get wrong cancels"
    assert row.before == row.after == pytest.approx(float(f1(BEFORE)))


def lose(rows: Rows, each: int) -> Rows:
    """One entity less in every n-th sentence."""
    return [(max(t - 1, 0), max(p - 1, 0), g) if i % each == 0 else (t, p, g) for i, (t, p, g) in enumerate(rows)]


def test_a_large_drop_is_worse_and_a_small_one_held() -> None:
    assert judged(lose(BEFORE, 2), BEFORE).verdict == "worse"
    assert judged(lose(BEFORE, 97), BEFORE).verdict == "held"
    assert judged(BEFORE, lose(BEFORE, 2)).verdict == "better"


def test_more_tolerance_never_makes_it_worse() -> None:
    found = [judged(lose(BEFORE, 2), BEFORE, tolerance).verdict for tolerance in (0, 5, 10, 20, 30, 60, 80)]
    assert found == sorted(found, key=lambda verdict: verdict != "worse")
    assert set(found) == {"worse", "held"}


@pytest.mark.parametrize("runs", [[(0, 0), (0, 1)], [(0, 0), (1, 0)], [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]], ids=len)
def test_all_runs_of_a_block_are_judged_together(runs: list[tuple[int, int]]) -> None:
    before = dict.fromkeys(runs, BEFORE)
    reference = make_reference(profile(before))
    [row] = judge(profile({run: lose(BEFORE, 2) for run in runs}), reference, tolerance=1).rows
    assert (row.verdict, row.runs) == ("worse", len(runs))
    [row] = judge(profile(before | {runs[0]: lose(BEFORE, 30)}), reference, tolerance=1).rows
    assert row.verdict == "held"
    assert row.difference is not None
    expected = float(f1(lose(BEFORE, 30)) - f1(BEFORE)) / len(runs)
    assert row.difference.estimate == pytest.approx(expected)


@pytest.mark.parametrize("draws", [1, 2, 3, 5, 8])
def test_a_large_drop_is_worse_however_few_the_draws_and_however_unlike(draws: int) -> None:
    before = {(draw, 0): BEFORE for draw in range(draws)}
    now = {(draw, 0): lose(lose(BEFORE, 1), 2 if draw % 2 else 1) for draw in range(draws)}
    [row] = judge(profile(now), make_reference(profile(before)), tolerance=1).rows
    assert row.verdict == "worse"


def test_draws_count_where_there_are_enough() -> None:
    """A loss in one draw of five is not sure to be one in the next draw."""
    before = {(draw, 0): BEFORE for draw in range(5)}
    now = before | {(0, 0): lose(lose(BEFORE, 1), 1)}
    [row] = judge(profile(now), make_reference(profile(before)), tolerance=1).rows
    assert row.difference is not None
    assert row.difference.estimate < -0.05
    assert row.verdict == "held"


@pytest.mark.parametrize(
    ("exact", "machines", "due"),
    [
        ("auto", (MACHINE, MACHINE), True),
        ("auto", (MACHINE, OTHER), False),
        ("auto", (MACHINE, None), False),
        ("auto", (None, MACHINE), False),
        ("auto", (None, None), False),
        ("always", (MACHINE, OTHER), True),
        ("always", (None, None), True),
        ("never", (MACHINE, MACHINE), False),
    ],
)
def test_when_the_same_bytes_are_due(exact: str, machines: tuple[object, object], due: bool) -> None:
    reference = make_reference(profile({(0, 0): BEFORE}, machine=machines[1]))  # type: ignore[arg-type]
    options = {"tolerance": 1.0, "exact": exact}

    def verdict(rows: Rows) -> Judgement:
        return judge(profile({(0, 0): rows}, machine=machines[0]), reference, **options)  # type: ignore[arg-type]

    assert verdict(BEFORE).rows[0].verdict == "same"
    found = verdict(lose(BEFORE, 97))
    assert found.rows[0].verdict == ("changed" if due else "held")
    assert found.passed is not due
    assert found.rows[0].exact == due
    if due:
        assert "1 of 100 sentences are counted otherwise" in found.rows[0].reasons[0]


def test_an_improvement_is_a_change_where_bytes_are_due_and_a_drop_is_named_first() -> None:
    reference = make_reference(profile({(0, 0): lose(BEFORE, 2)}, machine=MACHINE))
    [row] = judge(profile({(0, 0): BEFORE}, machine=MACHINE), reference, tolerance=1).rows
    assert row.verdict == "changed"
    reference = make_reference(profile({(0, 0): BEFORE}, machine=MACHINE))
    [row] = judge(profile({(0, 0): lose(BEFORE, 2)}, machine=MACHINE), reference, tolerance=1).rows
    assert row.verdict == "worse"


def test_other_code_is_no_reason_and_other_settings_are() -> None:
    reference = make_reference(profile({(0, 0): BEFORE}, code="one", machine=MACHINE))
    [row] = judge(profile({(0, 0): BEFORE}, code="another", machine=MACHINE), reference, tolerance=1).rows
    assert row.verdict == "same"
    [row] = judge(profile({(0, 0): BEFORE}, training={"epochs": 2}), reference, tolerance=1).rows
    assert (row.verdict, row.reasons) == ("unknown", ("not comparable: training.epochs is 2, was 1",))


def test_a_parameter_that_did_not_exist_is_a_note_and_fails_only_when_strict() -> None:
    reference = make_reference(profile({(0, 0): BEFORE}))
    now = profile({(0, 0): BEFORE}, training={"epochs": 1, "warm": True})
    for strict in (False, True):
        found = judge(now, reference, tolerance=1, strict=strict)
        assert found.rows[0].notes == ("training.warm is new: True",)
        assert found.passed is not strict


def test_gold_that_is_counted_otherwise_is_not_compared() -> None:
    [row] = judge(profile({(0, 0): [(t, p, g + 1) for t, p, g in BEFORE]}), make_reference(profile({(0, 0): BEFORE})), tolerance=1).rows
    assert row.verdict == "unknown"
    assert "gold" in row.reasons[0]


def test_a_test_split_without_an_entity_compares_nothing() -> None:
    found = judge(profile({(0, 0): [(0, 0, 0)] * 9}), make_reference(profile({(0, 0): [(0, 0, 0)] * 9})), tolerance=1)
    assert not found.passed
    assert found.rows[0].reasons == ("the test split holds no entity",)


def test_a_reference_that_cannot_fall_compares_nothing() -> None:
    """A method that had learnt nothing would pass whatever happens to it."""
    nothing = [(0, 1, g) for _, _, g in BEFORE]
    assert judged(nothing, nothing, 0).verdict == "unknown"
    few = [(1, 1, 2), *nothing[1:]]
    assert judged(nothing, few, 5).reasons == ("the reference's F1 is 0.71: it cannot fall by more than 5",)
    assert judged(nothing, few, 0).verdict == "held"


def test_a_reference_that_lies_about_a_result_is_an_error() -> None:
    reference = make_reference(profile({(0, 0): BEFORE}))
    name, cell = next(iter(reference.cells.items()))
    less = lose(BEFORE, 2)
    forged = cell.model_copy(update={"tp": tuple(t for t, _, _ in less), "pred": tuple(p for _, p, _ in less)})
    with pytest.raises(KfbenchError, match="other counts"):
        judge(profile({(0, 0): BEFORE}), reference.model_copy(update={"cells": {name: forged}}), tolerance=1)


def test_nothing_at_all_is_not_green() -> None:
    assert not Judgement((), 1.0).passed
    assert not Judgement((Row(("demo", "m", 10), "new", 1),), 1.0).passed
