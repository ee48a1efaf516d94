"""Variance components against known ones."""

from __future__ import annotations

import numpy as np
import pytest

from reports.variance import crossed


def test_the_split_finds_the_components_that_were_put_in() -> None:
    random = np.random.default_rng(3)
    draw, seed, residual = 4.0, 1.0, 2.0
    found = np.array(
        [
            crossed(
                random.normal(0, np.sqrt(draw), (8, 1))
                + random.normal(0, np.sqrt(seed), (1, 6))
                + random.normal(50, np.sqrt(residual), (8, 6))
            )
            for _ in range(4000)
        ]
    ).mean(axis=0)
    np.testing.assert_allclose(found, [draw, seed, residual], rtol=0.08)


def test_mean_squares_are_those_of_a_two_way_table() -> None:
    values = np.random.default_rng(4).normal(0, 1, (5, 3))
    values[:, 0] += 5  # a seed that is better on all draws
    squares = {"draw": 0.0, "seed": 0.0, "residual": 0.0}
    for d, s in np.ndindex(5, 3):
        squares["draw"] += (values[d].mean() - values.mean()) ** 2 / 4
        squares["seed"] += (values[:, s].mean() - values.mean()) ** 2 / 2
        squares["residual"] += (values[d, s] - values[d].mean() - values[:, s].mean() + values.mean()) ** 2 / 8
    draw, seed, residual = crossed(values)
    assert residual == pytest.approx(squares["residual"])
    assert seed == pytest.approx((squares["seed"] - squares["residual"]) / 5)
    assert draw == pytest.approx(max((squares["draw"] - squares["residual"]) / 3, 0))


def test_a_component_is_never_negative() -> None:
    draw, seed, residual = crossed(np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert (draw, seed) == (0, 0)
    assert residual == pytest.approx(1)
