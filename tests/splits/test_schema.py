"""Sentences as the paper's JSONL, their hash, and tags against seqeval."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from splits.errors import CorpusError
from splits.schema import Entity, Sentence, by_id, content_hash, from_tags, is_nested, read_jsonl, surfaces, to_json, write_jsonl
from tests.splits.strategies import sentences

# Lines in the form of the paper's README, in words of our own: with and without `label`, both orders of an entity's keys.
PAPER = [
    {"text": ["雨", "停", "了"], "label": ["O", "O", "O"], "entities": []},
    {
        "text": ["见", "到", "王", "小", "二", "和", "海", "口"],
        "label": ["O", "O", "B-PER.NAM", "I-PER.NAM", "E-PER.NAM", "O", "B-GPE.NAM", "E-GPE.NAM"],
        "entities": [
            {"start": 2, "entity": "PER.NAM", "end": 5, "text": ["王", "小", "二"]},
            {"start": 6, "entity": "GPE.NAM", "end": 8, "text": ["海", "口"]},
        ],
    },
    {"text": ["any", "western", "from", "1956"], "entities": [{"start": 1, "end": 2, "entity": "GENRE", "text": ["western"]}]},
    {"text": ["어제", "서울", "에", "오", "았", "다"], "entities": [{"start": 0, "end": 1, "entity": "DT", "text": ["어제"]}]},
]


@pytest.fixture
def file(tmp_path):
    def write(*lines: str):
        path = tmp_path / "dev.jsonl"
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        return path

    return write


def test_lines_of_the_papers_form_load_and_come_back(file, tmp_path):
    found = read_jsonl(file(*(json.dumps(row, ensure_ascii=False) for row in PAPER)))
    assert [s.id for s in found] == ["dev-0", "dev-1", "dev-2", "dev-3"]
    assert found[1].spans == {(2, 5, "PER.NAM"), (6, 8, "GPE.NAM")}
    assert [s.tags is None for s in found] == [False, False, True, True]
    for sentence, row in zip(found, PAPER, strict=True):
        assert to_json(sentence) == {"id": sentence.id} | row
    write_jsonl(tmp_path / "again.jsonl", found)
    assert read_jsonl(tmp_path / "again.jsonl") == found


@given(rows=st.lists(sentences(), min_size=1, max_size=5, unique_by=lambda s: s.id))
def test_sentences_survive_a_file_with_all_their_keys(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("jsonl") / "x.jsonl"
    write_jsonl(path, rows)
    found = read_jsonl(path)
    assert found == rows
    assert [s.extra for s in found] == [s.extra for s in rows]  # `extra` does not count in ==
    assert [[e.extra for e in s.entities] for s in found] == [[e.extra for e in s.entities] for s in rows]
    assert content_hash(found) == content_hash(rows)


@given(rows=st.lists(sentences(), min_size=1, max_size=4))
def test_the_hash_sees_what_trains_a_model_and_nothing_else(rows):
    plain = [dataclasses.replace(s, tags=None, repaired=0, extra={}, entities=tuple(reversed(s.entities))) for s in rows]
    assert content_hash(plain) == content_hash(rows)
    first = rows[0]
    changed = [
        dataclasses.replace(first, id=first.id + "x"),
        dataclasses.replace(first, text=(*first.text, "x")),
        dataclasses.replace(first, entities=(*first.entities, Entity(0, 1, "new label"))),
    ]
    assert content_hash(rows) not in {content_hash([one, *rows[1:]]) for one in changed}
    assert content_hash(rows) != content_hash([*rows, *rows])


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"text": ["a"]', "not JSON"),
        ("", "empty line"),
        ("[]", "expected a JSON object, found list"),
        ('{"entities": []}', "`text` must be a list of strings"),
        ('{"text": "a", "entities": []}', "`text` must be a list of strings"),
        ('{"text": ["a", 1], "entities": []}', "`text` must be a list of strings"),
        ('{"text": [], "entities": []}', "`text` is empty"),
        ('{"text": ["a"]}', "`entities` must be a list"),
        ('{"text": ["a"], "entities": {}}', "`entities` must be a list"),
        ('{"text": ["a"], "label": ["O", "O"], "entities": []}', "`label` must be a list of strings as long as `text`"),
        ('{"text": ["a"], "entities": [1]}', "an entity must be an object"),
        ('{"text": ["a"], "entities": [{"start": 0, "end": true, "entity": "X"}]}', "integers `start` and `end`"),
        ('{"text": ["a"], "entities": [{"start": 0, "end": 2, "entity": "X"}]}', "entity 0:2 does not lie in a sentence of 1 tokens"),
        ('{"text": ["a"], "entities": [{"start": 0, "end": 0, "entity": "X"}]}', "entity 0:0 does not lie"),
        ('{"text": ["a"], "entities": [{"start": -1, "end": 1, "entity": "X"}]}', "entity -1:1 does not lie"),
        ('{"text": ["a"], "entities": [{"start": 0, "end": 1, "entity": "O"}]}', "a label other than O"),
        ('{"text": ["a"], "entities": [{"start": 0, "end": 1}]}', "a label other than O"),
        ('{"text": ["a"], "entities": [{"start": 0, "end": 1, "entity": "X", "text": ["b"]}]}', "says ['b'], the sentence there ['a']"),
        ('{"id": "one", "text": ["a"], "entities": []}', "id 'one' already stands in line 1"),
    ],
)
def test_a_bad_line_is_named(file, line, what):
    path = file('{"id": "one", "text": ["a"], "entities": []}', line, '{"text": ["a"], "entities": []}')
    with pytest.raises(CorpusError) as caught:
        read_jsonl(path)
    assert caught.value.what.startswith(f"{path}:2: ")
    assert what in caught.value.what
    assert caught.value.mend


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.jsonl"
    write_jsonl(path, [Sentence("old", ("a",))])
    with pytest.raises(UnicodeEncodeError):
        write_jsonl(path, [Sentence("new", ("\ud800",))])
    assert [s.id for s in read_jsonl(path)] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


tags = st.lists(st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"]), max_size=25)


@given(tags)
def test_spans_of_tags_are_those_of_seqeval(given_tags):
    spans, repaired = from_tags(given_tags)
    assert [(start, end - 1, label) for start, end, label in spans] == [
        (start, end, label) for label, start, end in get_entities(given_tags)
    ]
    padded = ["O", *given_tags]
    assert repaired == sum(tag[0] == "I" and before[1:] != tag[1:] for before, tag in zip(padded, given_tags, strict=False))


@given(tags)
def test_tags_give_no_nested_entities(given_tags):
    spans, _ = from_tags(given_tags)
    assert not is_nested([Sentence("x", tuple("x" * len(given_tags)), tuple(Entity(*span) for span in spans))])


@pytest.mark.parametrize(
    ("spans", "nested"),
    [([], False), ([(0, 2), (2, 3)], False), ([(0, 2), (1, 3)], True), ([(0, 3), (1, 2)], True), ([(0, 1), (0, 1)], True)],
)
def test_nested_is_to_share_a_token(spans, nested):
    entities = tuple(Entity(start, end, f"L{i}") for i, (start, end) in enumerate(spans))
    assert is_nested([Sentence("x", ("a", "b", "c"), entities)]) is nested


def test_small_views():
    sentence = Sentence("x", ("a", "b", "c"), (Entity(1, 3, "L"),))
    assert by_id([sentence]) == {"x": sentence}
    assert list(surfaces([sentence])) == [("b", "c")]
    assert sentence.surface((0, 1, "L")) == ("a",)
