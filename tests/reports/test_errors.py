"""Kinds of errors against the definition, against brute force, and against nervaluate."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from nervaluate import Evaluator

from reports.errors import KINDS, compare
from splits.schema import Span

SPANS = st.builds(lambda s, n, label: (s, s + n, label), st.integers(0, 7), st.integers(1, 4), st.sampled_from("AB"))
FEW = st.frozensets(SPANS, max_size=4)


def kinds(gold: set[Span], predicted: set[Span]) -> Counter[str]:
    return Counter(finding.kind for finding in compare(gold, predicted))


def kind_of(one: Span, other: Span) -> str | None:
    """The definition, said otherwise: sets of tokens."""
    tokens, others = set(range(*one[:2])), set(range(*other[:2]))
    if not tokens & others:
        return None
    if tokens == others:
        return "correct" if one[2] == other[2] else "type"
    return "boundary" if one[2] == other[2] else "both"


def test_a_sentence_with_one_of_each():
    gold = {(0, 2, "A"), (3, 5, "A"), (6, 9, "A"), (10, 12, "A"), (13, 14, "A")}
    predicted = {(0, 2, "A"), (3, 5, "B"), (6, 8, "A"), (10, 13, "B"), (15, 16, "B")}
    assert kinds(gold, predicted) == dict.fromkeys(KINDS, 1)


@given(FEW, FEW)
def test_every_span_is_in_one_finding_of_the_kind_that_the_definition_says(gold, predicted):
    findings = compare(gold, predicted)
    assert sorted(f.gold for f in findings if f.gold) == sorted(gold)
    assert sorted(f.predicted for f in findings if f.predicted) == sorted(predicted)
    for finding in findings:
        if finding.gold and finding.predicted:
            assert kind_of(finding.gold, finding.predicted) == finding.kind
        else:
            assert finding.kind == ("missed" if finding.gold else "spurious")
    assert sum(f.kind == "correct" for f in findings) == len(gold & predicted)
    missed = [f.gold for f in findings if f.kind == "missed"]
    spurious = [f.predicted for f in findings if f.kind == "spurious"]
    assert not any(kind_of(one, other) for one in missed for other in spurious), "what overlaps is a pair"


@given(FEW, FEW)
def test_no_other_pairing_has_more_correct_ones_or_then_more_with_right_boundaries(gold, predicted):
    found = kinds(gold, predicted)
    best = max(pairing(gold, predicted))
    assert (found["correct"], found["type"]) == best


def pairing(gold: frozenset[Span], predicted: frozenset[Span]) -> list[tuple[int, int]]:
    """(correct, type) of every way to pair the smaller set with the larger."""
    few, many = sorted((sorted(gold), sorted(predicted)), key=len)
    ways = ([kind_of(a, b) for a, b in zip(few, way, strict=False)] for way in permutations(many, len(few)))
    return [(way.count("correct"), way.count("type")) for way in ways]


FLAT = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.sampled_from("AB")), max_size=3)


def flat(gaps: list[tuple[int, int, str]]) -> set[Span]:
    """Spans that do not overlap, from gaps and lengths."""
    spans, at = set(), 0
    for gap, length, label in gaps:
        spans.add((at + gap, at + gap + length, label))
        at += gap + length
    return spans


@given(FLAT, FLAT)
def test_nervaluate_finds_the_same_correct_ones_and_no_spurious_one_that_we_do_not(one, other):
    gold, predicted = flat(one), flat(other)
    rows = [[{"label": label, "start": start, "end": end - 1} for start, end, label in sorted(spans)] for spans in (gold, predicted)]
    strict = Evaluator([rows[0]], [rows[1]], tags=["A", "B"], loader="dict").evaluate()["overall"]["strict"]
    found = kinds(gold, predicted)
    assert strict.correct == found["correct"]
    # It pairs many to one: a second prediction on an entity is an error of its boundary there, spurious here.
    assert strict.spurious <= found["spurious"]
    assert strict.missed <= found["missed"]


def test_of_two_candidates_the_one_that_shares_most_is_the_pair_and_the_first_breaks_ties():
    def of(gold: Span, *predicted: Span) -> Span | None:
        [pair] = [f.predicted for f in compare({gold}, set(predicted)) if f.gold and f.predicted]
        return pair

    assert of((2, 6, "A"), (0, 3, "A"), (3, 9, "A")) == (3, 9, "A")
    assert of((2, 6, "A"), (5, 7, "A"), (1, 3, "A")) == (1, 3, "A")
    assert of((2, 6, "A"), (1, 6, "B"), (5, 9, "A")) == (5, 9, "A"), "the right type goes before the larger overlap"
