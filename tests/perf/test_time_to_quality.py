"""Where a learning curve reaches a share of its best."""

from __future__ import annotations

from perf.time_to_quality import pace, reached


def curve(*f1s: float) -> list[dict[str, float]]:
    return [{"epoch": k + 1, "dev_f1": f1} for k, f1 in enumerate(f1s)]


def test_it_is_the_first_point_with_nine_tenths_of_the_best():
    assert reached(curve(0.0, 0.44, 0.46, 0.5, 0.45))["epoch"] == 3
    assert reached(curve(0.5, 0.1))["epoch"] == 1


def test_a_curve_that_never_rises_reaches_nothing():
    assert reached(curve(0.0, 0.0)) is None
    assert reached([]) is None


def test_a_busy_minute_does_not_move_the_pace():
    assert pace([{"seconds": at} for at in (3.0, 5.0, 65.0, 67.0, 69.0)]) == 2.0


def test_a_single_evaluation_is_its_own_pace():
    assert pace([{"seconds": 3.0}]) == 3.0
    assert pace([]) == 0.0
