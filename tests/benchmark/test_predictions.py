"""Predictions of other systems: the same entities score the same in every format, and what does not fit is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.predictions import FORMATS, Predictions, read_gold, read_predictions
from benchmark.tagged import SCHEMES
from splits.errors import ConfigError, CorpusError
from splits.schema import Entity, Sentence
from tests.benchmark.test_tagged import encode

GOLD = [
    Sentence("a", tuple("我在北京大学"), (Entity(2, 6, "ORG"),)),
    Sentence("b", ("New", "York", "!"), (Entity(0, 2, "LOC"),)),
    Sentence("c", ("x",)),
]
SPANS = [[(0, 1, "PER"), (2, 5, "LOC"), (5, 6, "LOC")], [(0, 2, "LOC")], []]


def spans(found: Predictions) -> list[list[tuple[int, int, str]]]:
    return [[(p.start, p.end, p.label) for p in row] for row in found.rows]


def write_tags(path: Path, scheme: str) -> Path:
    rows = [encode(len(s.text), row, scheme) for s, row in zip(GOLD, SPANS, strict=True)]
    lines = ["".join(f"{token}\t{tag}\n" for token, tag in zip(s.text, row, strict=True)) for s, row in zip(GOLD, rows, strict=True)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_gives_the_same_entities_guessed_or_named(scheme: str, tmp_path: Path) -> None:
    path = write_tags(tmp_path / "theirs", scheme)
    for format in (None, scheme):
        found = read_predictions(path, GOLD, format=format)
        assert (spans(found), found.format, found.repaired) == (SPANS, scheme, 0)


def test_jsonl_keeps_scores_and_checks_the_texts_that_it_gives(tmp_path: Path) -> None:
    path = tmp_path / "theirs.txt"
    rows = [
        {"id": "c", "entities": []},
        {"id": "a", "text": "我在北京大学", "entities": [{"start": 2, "end": 6, "entity": "ORG", "text": "北京大学", "score": 0.5}]},
        {"id": "b", "entities": [{"start": 0, "end": 2, "entity": "LOC", "text": ["New", "York"]}]},
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    found = read_predictions(path, GOLD)
    assert spans(found) == [[(2, 6, "ORG")], [(0, 2, "LOC")], []]
    assert [p.score for row in found.rows for p in row] == [0.5, None]


def test_ill_formed_entities_are_taken_counted_and_left_out_on_demand(tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    path.write_text("New\tI-LOC\nYork\tI-LOC\n!\tB-X\n", encoding="utf-8")
    lenient, strict = (read_predictions(path, GOLD[1:2], strict=strict) for strict in (False, True))
    assert (spans(lenient), lenient.repaired, lenient.dropped) == ([[(0, 2, "LOC"), (2, 3, "X")]], 1, False)
    assert (spans(strict), strict.repaired, strict.dropped) == ([[(2, 3, "X")]], 1, True)


def test_gold_may_be_tags_too(tmp_path: Path) -> None:
    assert [s.spans for s in read_gold(write_tags(tmp_path / "gold.txt", "bioes"))] == [frozenset(row) for row in SPANS]


TAGS = "我\tO\n在\tO\n北\tB-X\n京\tI-X\n大\tI-X\n学\tI-X\n\nNew\tO\nYork\tO\n!\tO\n\nx\tO\n"


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("北\t", "南\t", 3, "the token is '南', gold's sentence 'a' has '北' here"),
        ("!\tO\n", "", 9, "the sentence ends after 2 tokens, gold's 'b' has 3"),
        ("!\tO\n", "!\tO\n!\tO\n", 11, "gold's sentence 'b' has its end here"),
        ("\nx\tO\n", "", None, "1 sentences of gold are missing, the first is 'c'"),
        ("\nx\tO\n", "\nx\tO\n\ny\tO\n", 14, "gold has 3 sentences only"),
        ("学\tI-X\n", "学\tI\n", 6, "'I' is no tag"),
    ],
)
def test_tags_that_do_not_fit_gold_are_refused_with_their_line(old: str, new: str, line: int | None, what: str, tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    path.write_text(TAGS.replace(old, new), encoding="utf-8")
    with pytest.raises(CorpusError) as caught:
        read_predictions(path, GOLD)
    assert (caught.value.file, caught.value.line) == (str(path), line)
    assert what in caught.value.what


@pytest.mark.parametrize(
    ("entity", "what"),
    [
        ({"start": 0, "end": 2, "entity": "LOC", "text": "York"}, "says 'York'"),
        ({"start": 0, "end": 2, "entity": "LOC", "text": ["York"]}, "says"),
        ({"start": 0, "end": 2, "entity": "LOC", "text": 7}, "says 7"),
        ({"start": 0, "end": 2, "entity": "LOC", "score": "high"}, "has the score 'high'"),
        ({"start": 0, "end": 2, "entity": "LOC", "score": float("nan")}, "NaN is no number"),
        ({"start": 0, "end": 2, "entity": ""}, "does not lie"),
    ],
)
def test_an_entity_that_contradicts_gold_is_refused_with_its_line(entity: dict[str, object], what: str, tmp_path: Path) -> None:
    path = tmp_path / "theirs.jsonl"
    path.write_text(json.dumps({"id": "b", "entities": [entity]}) + "\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=what) as caught:
        read_predictions(path, GOLD[1:2])
    assert caught.value.line == 1


def test_an_unknown_format_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_predictions(tmp_path / "x", GOLD, format="xml")
    assert all(name in caught.value.mend for name in FORMATS)
