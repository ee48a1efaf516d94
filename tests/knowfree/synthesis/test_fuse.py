"""Fusion: extension spans laid on a sample, synthetic sentences of its own alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowfree.synthesis.fuse import fuse, statistics, write
from splits.errors import KfbenchError
from splits.labels import read_labels
from splits.schema import Entity, Sentence, read_jsonl
from tests.neural import TARGETS, sentence, toy

LABELS = ("ext:PERSON", "pos:NOUN", "pos:VERB", "seg:WORD")


def explained(source: str, n: int, text: str) -> Sentence:
    return Sentence(f"{source}#{n}", tuple(text.split()), extra={"synthetic": True, "source": source})


@st.composite
def cases(draw: st.DrawFn):
    """A corpus, what was explained of it, spans for all, and a sample."""
    corpus = toy(8, seed=draw(st.integers(0, 5)))
    texts = [explained(s.id, n, f"word {k} of {n}") for k, s in enumerate(corpus) for n in range(draw(st.integers(0, 2)))]
    spans = {}
    for s in [*corpus, *texts]:
        cuts = st.tuples(st.integers(0, len(s.text) - 1), st.integers(1, len(s.text)), st.sampled_from(LABELS))
        spans[s.id] = draw(st.lists(cuts.filter(lambda span: span[0] < span[1]), max_size=4))
    return corpus[: draw(st.integers(1, 8))], texts, spans


@given(cases())
def test_targets_stay_and_every_extension_span_is_the_annotations(case):
    sample, texts, spans = case
    fused = fuse(sample, texts, spans, TARGETS)
    for before, after in zip(sample, fused.fusion, strict=True):
        assert (before.id, before.text) == (after.id, after.text)
        assert after.spans == before.spans | set(spans[before.id])
        assert after.entities[: len(before.entities)] == before.entities


@given(cases())
def test_synthetic_sentences_come_from_the_sample_alone(case):
    sample, texts, spans = case
    fused = fuse(sample, texts, spans, TARGETS)
    ids = {s.id for s in sample}
    assert all(s.id.split("#")[0] in ids and s.spans == set(spans[s.id]) for s in fused.synthetic)
    given_by_sample = {s.text for s in texts if s.extra["source"] in ids}
    assert {s.text for s in fused.synthetic} == given_by_sample
    smaller = fuse(sample[:1], texts, spans, TARGETS)
    assert smaller.synthetic == fused.synthetic[: len(smaller.synthetic)], "sizes of a draw are prefixes"


@given(cases())
def test_counts_are_those_of_the_sample_and_targets_come_first(case):
    sample, texts, spans = case
    fused = fuse(sample, texts, spans, TARGETS)
    for labels, sentences in ((fused.labels, fused.fusion), (fused.merged, [*fused.fusion, *fused.synthetic])):
        counted = Counter(label for s in sentences for _, _, label in set(s.spans) if label in LABELS)
        assert {label.name: label.count for label in labels.labels if not label.is_target} == counted
        assert labels.names[:2] == TARGETS.names
        assert [label.count for label in labels.labels[:2]] == [-1, -1]


def test_what_is_written_is_what_is_read(tmp_path: Path):
    sample = toy(3)
    texts = [explained(sample[0].id, 0, "a new sentence")]
    spans = {s.id: [(0, 1, "pos:NOUN")] for s in [*sample, *texts]}
    fused = fuse(sample, texts, spans, TARGETS)
    write(fused, tmp_path / "a" / "b")
    assert read_jsonl(tmp_path / "a/b/train.fusion.jsonl") == fused.fusion
    assert read_jsonl(tmp_path / "a/b/train.synthetic.jsonl") == fused.synthetic
    assert read_labels(tmp_path / "a/b/labels.json") == fused.labels
    assert read_labels(tmp_path / "a/b/labels.synthetic.json") == fused.merged
    stats = statistics(fused)
    assert stats["fusion"]["spans_per_sentence"]["pos"] == 1.0
    assert stats["synthetic"]["sentences"] == 1
    assert stats["synthetic_per_real"] == pytest.approx(1 / 3, abs=1e-4)


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ({}, "'s' was not annotated"),
        ({"s": [(0, 3, "pos:NOUN")]}, "pos:NOUN 0:3 is outside sentence 's'"),
        ({"s": [(0, 1, "PER")]}, "'PER' is no extension label"),
    ],
)
def test_annotations_that_do_not_fit_are_refused(spans, message):
    with pytest.raises(KfbenchError, match=message):
        fuse([sentence("Anna sees")], [], spans, TARGETS)


def test_an_entity_that_is_also_an_extension_is_both():
    one = Sentence("s", ("New", "York"), (Entity(0, 2, "LOC"),))
    fused = fuse([one], [], {"s": [(0, 2, "ext:PLACE")]}, TARGETS)
    assert fused.fusion[0].spans == {(0, 2, "LOC"), (0, 2, "ext:PLACE")}
