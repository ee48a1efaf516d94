"""Counts against brute force and against seqeval strict."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2

from benchmark.result import Score
from benchmark.scoring import micro_f1, score, totals
from splits.corpora import read, source
from splits.schema import Entity, Sentence, Span, surfaces

LABELS = ("PER", "LOC", "ORG")
words = st.sampled_from("abc")
spans = st.builds(lambda a, b, label: (min(a, b), max(a, b) + 1, label), st.integers(0, 6), st.integers(0, 6), st.sampled_from(LABELS))


@st.composite
def overlapping(draw: st.DrawFn) -> tuple[list[Sentence], list[frozenset[Span]]]:
    """Sentences with any spans, gold and predicted; entities may stand twice."""
    gold, predicted = [], []
    for i in range(draw(st.integers(0, 4))):
        text = tuple(draw(st.lists(words, min_size=7, max_size=7)))
        gold.append(Sentence(str(i), text, tuple(Entity(*s) for s in draw(st.lists(spans, max_size=4)))))
        predicted.append(frozenset(draw(st.lists(spans, max_size=4))))
    return gold, predicted


def flat(draw: st.DrawFn, length: int) -> list[Span]:
    """Spans of which no two touch the same token."""
    found, at = [], 0
    while at < length:
        end = min(length, at + draw(st.integers(1, 3)))
        if draw(st.booleans()):
            found.append((at, end, draw(st.sampled_from(LABELS))))
        at = end
    return found


@st.composite
def flat_pairs(draw: st.DrawFn) -> tuple[list[Sentence], list[frozenset[Span]]]:
    gold, predicted = [], []
    for i in range(draw(st.integers(1, 4))):
        text = tuple(draw(st.lists(words, min_size=1, max_size=8)))
        gold.append(Sentence(str(i), text, tuple(Entity(*s) for s in flat(draw, len(text)))))
        predicted.append(frozenset(flat(draw, len(text))))
    return gold, predicted


def tags(length: int, found: frozenset[Span]) -> list[str]:
    row = ["O"] * length
    for start, end, label in found:
        row[start:end] = [f"B-{label}"] + [f"I-{label}"] * (end - start - 1)
    return row


def seqeval(gold: list[Sentence], predicted: list[frozenset[Span]]) -> dict[str, dict[str, float]]:
    y_true = [tags(len(s.text), s.spans) for s in gold]
    y_pred = [tags(len(s.text), p) for s, p in zip(gold, predicted, strict=True)]
    found: dict[str, dict[str, float]] = classification_report(
        y_true, y_pred, output_dict=True, mode="strict", scheme=IOB2, zero_division=0
    )
    return found


def assert_agree(ours: Score, theirs: dict[str, dict[str, float]]) -> None:
    types = {name for name in theirs if not name.endswith(" avg")}
    assert {t for t, c in ours.types.items() if c.pred or c.gold} == types
    for name, counts in [("micro avg", ours.micro), *((t, ours.types[t]) for t in types)]:
        expected = theirs[name]
        assert counts.precision == pytest.approx(expected["precision"])
        assert counts.recall == pytest.approx(expected["recall"])
        assert counts.f1 == pytest.approx(expected["f1-score"])
        assert counts.gold == expected["support"]


@given(overlapping(), st.sets(st.lists(words, min_size=1, max_size=3).map(tuple)), st.integers(0, 4))
def test_every_count_is_what_a_search_through_all_pairs_counts(
    case: tuple[list[Sentence], list[frozenset[Span]]], known: set[tuple[str, ...]], first: int
) -> None:
    gold, predicted = case
    trained = {s.text for s in gold[:first]}
    found = score(gold, predicted, labels=LABELS, known=known, trained=trained)
    entities = [{(i, *e.span) for e in s.entities} for i, s in enumerate(gold)]
    claims = [{(i, *span) for span in row} for i, row in enumerate(predicted)]
    everything = [(i, a, b, t) for i in range(len(gold)) for a in range(8) for b in range(8) for t in LABELS]

    def count(keep: object = None) -> tuple[int, int, int]:
        chosen = [e for e in everything if keep is None or keep(e)]  # type: ignore[operator]
        right = sum(e in entities[e[0]] and e in claims[e[0]] for e in chosen)
        return right, sum(e in claims[e[0]] for e in chosen), sum(e in entities[e[0]] for e in chosen)

    def of(counts: object) -> tuple[int, int, int]:
        return counts.tp, counts.pred, counts.gold  # type: ignore[attr-defined]

    assert of(found.micro) == count()
    for label in LABELS:
        assert of(found.types[label]) == count(lambda e, label=label: e[3] == label)
    assert of(found.unseen) == count(lambda e: gold[e[0]].text[e[1] : e[2]] not in known)
    assert of(found.no_overlap) == count(lambda e: gold[e[0]].text not in trained)
    for i in range(len(gold)):
        assert found.sentences[i] == count(lambda e, i=i: e[0] == i)
    places = [{e[:3] for e in row} for row in entities]
    claimed = [{e[:3] for e in row} for row in claims]
    assert of(found.boundary) == (
        sum(len(p & c) for p, c in zip(places, claimed, strict=True)),
        sum(map(len, claimed)),
        sum(map(len, places)),
    )


@given(flat_pairs())
@settings(deadline=None)
def test_flat_data_scores_as_seqeval_strict(case: tuple[list[Sentence], list[frozenset[Span]]]) -> None:
    gold, predicted = case
    if any(s.entities for s in gold) or any(predicted):
        assert_agree(score(gold, predicted), seqeval(gold, predicted))


@given(overlapping(), st.data())
def test_totals_of_a_subset_are_the_score_of_its_sentences(case: tuple[list[Sentence], list[frozenset[Span]]], data: st.DataObject) -> None:
    gold, predicted = case
    chosen = data.draw(st.lists(st.integers(0, len(gold) - 1), max_size=6)) if gold else []
    rows = score(gold, predicted).sentences
    part = score([gold[i] for i in chosen], [predicted[i] for i in chosen])
    assert totals(rows[i] for i in chosen) == part.micro
    assert micro_f1(gold, predicted) == totals(rows).f1


def test_a_row_too_few_is_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        score([Sentence("a", ("x",))], [])


def perturbed(sentence: Sentence) -> frozenset[Span]:
    """Predictions with every kind of mistake, flat as the gold, chosen by the sentence's id."""
    byte = hashlib.sha256(sentence.id.encode()).digest()
    labels = sorted({e.label for e in sentence.entities}) or ["X"]
    found: set[Span] = set()
    taken = {t for s, e, _ in sentence.spans for t in range(s, e)}
    for i, (start, end, label) in enumerate(sorted(sentence.spans)):
        kind = byte[i % 32] % 6
        if kind == 0:
            continue  # missed
        if kind == 1 and end - start > 1:
            end -= 1  # cut
        if kind == 2:
            label = labels[(labels.index(label) + 1) % len(labels)]  # another type
        found.add((start, end, label))
    free = [t for t in range(len(sentence.text)) if t not in taken]
    if free and byte[-1] % 3 == 0:
        found.add((free[0], free[0] + 1, labels[0]))  # invented
    return frozenset(found)


@pytest.mark.real
@pytest.mark.parametrize("corpus", ["weibo", "mit_movie", "stockmark_ja", "klp_ko"])
def test_real_corpora_score_as_seqeval_strict(corpus: str, mirror: Path) -> None:
    files = {key: mirror / corpus / pinned.name for key, pinned in source(corpus).files.items()}
    whole = read(corpus, files)
    gold = whole.splits["test"]
    predicted = [perturbed(sentence) for sentence in gold]
    found = score(gold, predicted, known=set(surfaces(whole.splits["train"])))
    assert_agree(found, seqeval(gold, predicted))
    assert 0.5 < found.micro.f1 < 0.95  # the copy is worse, and not useless
    assert 0 < found.unseen.gold < found.micro.gold
