"""Words that claim no more than the numbers do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.config import Params
from reports.bootstrap import Interval
from reports.comparing.request import Request
from reports.comparing.verdict import ALPHA, unequal, words
from reports.permutation import smallest_p
from reports.significance import Comparison
from tests.reports.comparing.test_request import PROFILE, VALUES


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    draws = draw(st.integers(1, 12))
    mean = draw(st.floats(-0.9, 0.9))
    half = draw(st.floats(0.0, 0.5))
    p = max(smallest_p(draws), draw(st.floats(0.0, 1.0)))
    return Comparison(
        corpus="weibo",
        variant="mine",
        baseline="theirs",
        size=draw(st.sampled_from([250, "k5", None])),
        mean=mean,
        difference=Interval(mean, max(-1.0, mean - half), min(1.0, mean + half), 0.95) if draws > 1 else None,
        p=p if draws > 1 else 1.0,
        p_holm=p,
        smallest_p=smallest_p(draws),
        improvement=draw(st.floats(0.0, 1.0)),
        draws=draws,
    )


@given(comparisons())
def test_evidence_is_claimed_only_where_draws_and_sentences_both_give_it(found: Comparison) -> None:
    said = words(found)
    claimed = "evidence that" in said
    assert claimed == (found.draws > 1 and found.p <= ALPHA and found.difference is not None and found.difference.excludes_zero)
    if claimed:
        better, worse = ("mine", "theirs") if found.mean > 0 else ("theirs", "mine")
        assert f"evidence that {better} is better than {worse}" in said


@given(comparisons())
def test_too_few_draws_are_named_with_how_many_it_takes(found: Comparison) -> None:
    said = words(found)
    assert ("--draws 6" in said) == (found.draws < 6), "six is the first number of draws whose p can fall below 0.05"
    assert ("one draw: that proves nothing" in said) == (found.draws == 1)
    assert f"{100 * found.mean:+.1f} F1 on weibo" in said


def test_no_evidence_is_not_evidence_of_none() -> None:
    found = Comparison("weibo", "mine", "theirs", 250, 0.01, Interval(0.01, -0.02, 0.04, 0.95), 0.4, 0.4, smallest_p(8), 0.6, 8)
    assert "no evidence of a difference, nor that there is none" in words(found)
    assert "`kfbench power --sd 2.3` says" in words(found, 2.345)
    split = Comparison("weibo", "mine", "theirs", 250, 0.01, Interval(0.01, -0.02, 0.04, 0.95), 0.01, 0.01, smallest_p(8), 0.6, 8)
    assert "not settled" in words(split)


SETTINGS = {"mine": {"encoder_lr": 2e-5, "dropout": 0.1}, "knowfree": {"encoder_lr": 0.001, "dropout": 0.4}}
NONE: dict[str, list[str]] = {"mine": [], "knowfree": []}


def asked(**mine: object) -> Request:
    methods = VALUES["methods"] | {"mine": {"method": "mine.py:Mine", **mine}}
    params = Params(**(VALUES | {"methods": methods, "variants": ["knowfree", "mine"], "continued": []}))
    return Request(params, "mine", "knowfree", {}, ())


def test_unequal_budgets_and_data_are_told() -> None:
    notes = list(unequal(asked(training={"epochs": 50}), SETTINGS, NONE))
    assert any("unequal budgets: training.epochs is 50 for mine, 20 for knowfree" in note for note in notes)
    notes = list(unequal(asked(), SETTINGS, {"mine": ["fusion"], "knowfree": []}))
    assert any("mine is trained on more than the sample: fusion" in note for note in notes)


def test_a_default_that_the_profile_changes_for_the_other_is_told() -> None:
    notes = list(unequal(asked(), SETTINGS, NONE))
    assert len(notes) == 2
    assert "--param encoder_lr=0.001" in notes[0]
    assert list(unequal(asked(params={"encoder_lr": 2e-5, "dropout": 0.4}), SETTINGS, NONE)) == []


@pytest.mark.parametrize("same", [PROFILE])
def test_equal_ones_have_no_note(same: Params) -> None:
    two = Request(same, "knowfree", "bert_crf", {}, ())
    settings = {name: {"encoder_lr": 0.001, "head_lr": 0.001, "dropout": 0.2} for name in ("knowfree", "bert_crf")}
    assert list(unequal(two, settings, {"knowfree": [], "bert_crf": []})) == []
