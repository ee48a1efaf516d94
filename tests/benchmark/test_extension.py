"""Artefacts as training data: checked against the sample, cut to parts and ratio."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmark.extension import on_fusion, with_synthetic
from benchmark.method import Predicted
from splits.errors import CorpusError, KfbenchError
from splits.labels import Inventory, write_labels
from splits.schema import Sentence, write_jsonl
from tests.benchmark.artefacts import EXTENSIONS, FUSED, MERGED, SAMPLE
from tests.neural import TARGETS


class Fixed:
    """A tagger that calls the first word a person, and remembers what it saw."""

    def __init__(self) -> None:
        self.seen: list[Sentence] = []

    def predict(self, sentences):
        self.seen = list(sentences)
        return [[Predicted(0, 1, "PER", 0.9)] for _ in sentences]

    def save(self, directory): ...


def test_fusion_replaces_sample_and_labels_and_leaves_dev(given):
    found = on_fusion(given)
    assert found.labels == FUSED
    assert [s.spans for s in found.sample] == [s.spans | {(0, 1, e) for e in EXTENSIONS} for s in SAMPLE]
    assert found.dev is given.dev


@pytest.mark.parametrize("parts", [("ext",), ("pos", "seg"), ()])
def test_parts_keep_their_labels_and_spans_alone(given, parts):
    found = on_fusion(given, parts)
    kept = [name for name in EXTENSIONS if name.split(":")[0] in parts]
    assert list(found.labels.names) == [*TARGETS.names, *kept]
    assert [s.spans for s in found.sample] == [s.spans | {(0, 1, e) for e in kept} for s in SAMPLE]


def test_an_unknown_part_is_an_error(given):
    with pytest.raises(KfbenchError, match="no part 'words'"):
        on_fusion(given, ("words",))


@pytest.mark.parametrize("change", ["order", "target", "text"])
def test_an_artefact_of_another_sample_is_refused(given, change):
    path = given.artefacts["fusion"]
    first = SAMPLE[0]
    other = {
        "order": [SAMPLE[1], first, *SAMPLE[2:]],
        "target": [replace(first, entities=()), *SAMPLE[1:]],
        "text": [replace(first, text=(*first.text[:-1], "other")), *SAMPLE[1:]],
    }[change]
    assert change != "target" or first.entities
    write_jsonl(path, other)
    with pytest.raises(CorpusError, match="not those of the sample"):
        on_fusion(given)


def test_labels_of_another_corpus_are_refused(given):
    write_labels(given.artefacts["fusion"].with_name("labels.json"), Inventory.of_targets(["LOC", "PER"]))
    with pytest.raises(CorpusError, match="not the labels of the corpus"):
        on_fusion(given)


def test_synthetic_sentences_get_the_taggers_targets_and_it_sees_no_labels(given):
    tagger = Fixed()
    found = with_synthetic(given, tagger, ratio=9)
    added = found.sample[len(SAMPLE) :]
    assert found.labels == MERGED
    assert len(added) == 10
    assert all(s.spans == {(0, 1, "PER"), (0, 1, "pos:VERB"), (0, 1, "seg:WORD")} for s in added)
    assert all(not s.entities for s in tagger.seen)


def test_the_ratio_bounds_synthetic_sentences_and_smaller_choices_are_prefixes(given):
    sizes = {ratio: [s.id for s in with_synthetic(given, None, ratio=ratio).sample[len(SAMPLE) :]] for ratio in (0, 0.5, 1.2, 5)}
    assert [len(ids) for ids in sizes.values()] == [0, 2, 6, 10]
    assert sizes[1.2][:2] == sizes[0.5]
    assert sizes[5][:6] == sizes[1.2]


def test_no_synthetic_sentence_at_all_is_allowed(given):
    given.artefacts["synthetic"].write_text("")
    assert len(with_synthetic(given, Fixed(), ratio=3).sample) == len(SAMPLE)
