"""The audit against brute force, and against what is known of Weibo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splits.audit import audit
from splits.corpus import Corpus
from splits.labels import Inventory
from splits.schema import Entity, Sentence

LABELS = ("A", "B", "C")


@st.composite
def corpora(draw) -> Corpus:
    """Short sentences over two words, so that copies, conflicts and overlap are common."""
    splits = {}
    for split in ("train", "dev", "test"):
        sentences = []
        for row in range(draw(st.integers(0, 8))):
            text = tuple(draw(st.lists(st.sampled_from("xy"), min_size=1, max_size=3)))
            entities = []
            for _ in range(draw(st.integers(0, 2))):
                start = draw(st.integers(0, len(text) - 1))
                entities.append(Entity(start, draw(st.integers(start + 1, len(text))), draw(st.sampled_from("AB"))))
            sentences.append(Sentence(f"{split}-{row}", text, tuple(entities), repaired=draw(st.integers(0, 2))))
        splits[split] = sentences
    return Corpus("toy", splits, Inventory.of_targets(LABELS))


@given(corpora())
@settings(max_examples=200)
def test_counts_are_those_of_brute_force(corpus):
    found = audit(corpus)
    for name, sentences in corpus.splits.items():
        one = found.splits[name]
        n = range(len(sentences))
        assert one.sentences == len(sentences)
        assert one.repeated == sum(any(sentences[i].text == sentences[j].text for j in range(i)) for i in n)
        texts = {s.text for s in sentences}
        assert one.repeated_texts == sum(sum(s.text == t for s in sentences) > 1 for t in texts)
        assert one.conflicting == sum(any(a.spans != b.spans for a in sentences for b in sentences if a.text == b.text == t) for t in texts)
        assert one.repaired_tags == sum(s.repaired for s in sentences)
        assert one.one_token == sum(len(s.text) == 1 for s in sentences)
        assert one.entities == sum(one.labels.values()) == sum(len(s.entities) for s in sentences)
        assert sum(one.lengths.values()) == len(sentences)
        assert set(one.missing_labels) == {x for x in LABELS if not any(e.label == x for s in sentences for e in s.entities)}
        nested = 0
        for s in sentences:
            for a in s.spans:
                nested += any(a != b and max(a[0], b[0]) < min(a[1], b[1]) for b in s.spans)
        assert one.nested == nested
    for o in found.overlaps:
        copies = [[t for t in corpus.splits[o.within] if t.text == s.text] for s in corpus.splits[o.split]]
        assert o.sentences == sum(bool(c) for c in copies)
        otherwise = [bool(c) and all(t.spans != s.spans for t in c) for s, c in zip(corpus.splits[o.split], copies, strict=True)]
        assert o.conflicting == sum(otherwise)
    assert [(o.split, o.within) for o in found.overlaps] == [("dev", "train"), ("test", "train"), ("test", "dev")]


@given(corpora())
@settings(max_examples=50)
def test_both_renderings_hold_every_count(corpus):
    found = audit(corpus)
    value = json.loads(json.dumps(found.to_json()))
    assert value["corpus"] == "toy"
    assert value["splits"]["train"]["sentences"] == len(corpus.splits["train"])
    page = found.to_markdown()
    assert f"| sentences | {' | '.join(str(len(s)) for s in corpus.splits.values())} |" in page
    assert all(len(row.split(" | ")) == 4 for row in page.split("## ")[0].splitlines() if row.startswith("| "))


def test_unseen_surfaces_labels_and_oddities():
    train = [Sentence("t-0", ("a", "b"), (Entity(0, 1, "A"), Entity(0, 2, "B")))]
    dev = [
        Sentence("d-0", ("a", "c"), (Entity(0, 1, "A"), Entity(1, 2, "A"), Entity(1, 2, "A"), Entity(1, 2, "Z"))),
        Sentence("d-1", (), ()),
    ]
    found = audit(Corpus("odd", {"train": train, "dev": dev, "test": []}, Inventory.of_targets(LABELS)))
    assert found.is_nested
    assert found.splits["train"].unseen_surfaces is None
    assert found.splits["dev"].unseen_surfaces == 0.75
    assert found.splits["dev"].unknown_labels == ("Z",)
    assert found.splits["dev"].missing_labels == ("B", "C")
    assert (found.splits["dev"].empty, found.splits["dev"].repeated_spans, found.splits["dev"].lengths["0"]) == (1, 1, 1)
    assert found.splits["test"].unseen_surfaces is None


@pytest.mark.parametrize(("length", "bin"), [(1, "1"), (2, "2-5"), (5, "2-5"), (6, "6-10"), (160, "81-160"), (161, "161+"), (999, "161+")])
def test_length_bins(length, bin):
    found = audit(Corpus("c", {"train": [Sentence("t", ("w",) * length)]}, Inventory.of_targets(LABELS)))
    assert {k for k, v in found.splits["train"].lengths.items() if v} == {bin}


def test_overlap_between_draws_stands_beside_what_chance_gives():
    train = [Sentence(f"t-{i}", (f"w{i}",), (Entity(0, 1, "A"),)) for i in range(200)]
    found = audit(Corpus("c", {"train": train, "dev": [], "test": []}, Inventory.of_targets("A")), [50, 150, "k5", 201], draws=6)
    assert [(d.size, d.expected, d.flagged) for d in found.draws] == [(50, 0.25, False), (150, 0.75, True), ("k5", None, False)]
    assert all(abs(d.observed - d.expected) < 0.08 for d in found.draws if d.expected)
    assert "| 150 | 6 | 75.0% |" in found.to_markdown()


@pytest.mark.real
def test_weibo_repeats_itself(mirror: Path):
    from splits import corpora

    found = audit(corpora.read("weibo", {key: mirror / "weibo" / file.name for key, file in corpora.source("weibo").files.items()}))
    assert {o.split + " in " + o.within: o.sentences for o in found.overlaps} == {"dev in train": 42, "test in train": 40, "test in dev": 8}
    assert (found.splits["train"].repeated, found.splits["train"].conflicting) == (101, 35)
    assert [one.repaired_tags for one in found.splits.values()] == [10, 0, 4]
