"""Replies become annotations: every refusal is counted, nothing else is lost."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from knowfree.synthesis.annotate import WORD, Rules, annotate_morph, entity_types, parse, read, requests
from knowfree.synthesis.annotations import Annotation, read_annotations, write_annotations
from knowfree.synthesis.chat import Reply, Request
from knowfree.synthesis.ontology import plain, table
from knowfree.synthesis.prompts import prompt
from splits.errors import ConfigError, CorpusError
from splits.schema import Sentence
from tests.knowfree.synthesis.analysers import needs


class Said:
    """Replies by task and sentence."""

    def __init__(self, replies: Mapping[tuple[str, str], Any]) -> None:
        self.replies = {key: r if isinstance(r, Reply) else Reply(r if isinstance(r, str) else json.dumps(r)) for key, r in replies.items()}

    def __contains__(self, request: Request) -> bool:
        return (request.about["task"], request.about["sentence"]) in self.replies

    def __getitem__(self, request: Request) -> Reply:
        return self.replies[request.about["task"], request.about["sentence"]]


SHE = Sentence("a", tuple("王小明在北京北京大学"))
FILM = Sentence("b", ("Ann", "Poe", "made", "her", "first", "film", "in", "Rome"))


def entities(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"entity": text, "type": kind} for text, kind in pairs]


def words(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"word": text, "pos": kind} for text, kind in pairs]


def test_a_request_a_task_and_sentence_with_the_instruction_first() -> None:
    asked = requests([FILM, Sentence("c", ("Yes",))], "en")
    assert [(r.about["task"], r.about["sentence"], r.user) for r in asked] == [
        (task, name, text) for task in ("entities", "pos") for name, text in (("b", "Ann Poe made her first film in Rome"), ("c", "Yes"))
    ]
    assert len({r.system for r in asked}) == 2
    assert [r.about["task"] for r in requests([FILM], "en", Rules(parts=("seg",)))] == ["pos"]
    assert requests([SHE], "zh")[0].user == "王小明在北京北京大学"


@pytest.mark.parametrize("language", ["en", "ja", "ko", "zh"])
@pytest.mark.parametrize("task", ["entities", "pos"])
def test_the_examples_of_an_instruction_are_read_without_a_fault_and_lie_in_their_sentences(task: Any, language: str) -> None:
    """The sentence of an example stands in the line above its answer."""
    lines = [re.split("[:：] ?", line, maxsplit=1)[-1] for line in prompt(task, language).text.splitlines()]
    examples = [(above, line) for above, line in pairwise(lines) if line.startswith("[") and line.endswith("]")]
    assert examples
    for sentence, answer in examples:
        found = parse(answer, task, most=50)
        assert not found.faults
        for text, kind in found.pairs:
            assert text in sentence
            assert (table("parts") if task == "pos" else table("entities")).get(plain(kind)), kind


def test_mentions_are_laid_on_every_place_and_words_are_parts_and_segments() -> None:
    said = Said(
        {("entities", "a"): entities(("北京", "城市"), ("王小明", "人名")), ("pos", "a"): words(("北京大学", "专有名词"), ("在", "介词"))}
    )
    (found,) = read([SHE], said, "zh")
    assert found.spans == (
        (0, 3, "ext:PERSON"),
        (4, 6, "ext:LOCATION"),
        (6, 8, "ext:LOCATION"),
        (6, 10, "pos:PROPN"),
        (6, 10, WORD),
    )
    assert dict(found.rejected) == {"pos.one_token": 1}


def test_every_refusal_is_counted_by_its_reason() -> None:
    said = Said(
        {
            ("entities", "a"): [
                *entities(("北京大学堂", "机构"), ("北京", "qxz"), ("北京", ""), ("小明", "人名")),
                {"entity": "北京"},
                {"entity": ["北京"], "type": "城市"},
                "北京",
            ],
            ("pos", "a"): Reply('[{"word": "北京", "pos": "wobble"}, {"word": "王小明", "po', finish="length"),
            ("entities", "b"): "I cannot do that.",
        }
    )
    first, second = read([SHE, FILM], said, "zh", Rules(rare=2))
    assert first.spans == ((1, 3, "ext:PERSON"), (4, 6, WORD), (6, 8, WORD))
    assert dict(first.rejected) == {
        "entities.not_in_sentence": 1,
        "entities.unknown_type": 1,
        "entities.empty": 1,
        "entities.wrong_fields": 2,
        "entities.not_an_object": 1,
        "pos.truncated": 1,
        "pos.cut_by_max_tokens": 1,
        "pos.unknown_type": 1,
    }
    assert dict(second.rejected) == {"entities.not_json": 1, "pos.no_reply": 1}


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ("drop", {(0, 2, "ext:PERSON"), (3, 6, "pos:NOUN"), (3, 6, WORD)}),
        ("entities", {(0, 2, "ext:PERSON"), (7, 8, "ext:LOCATION"), (3, 6, "pos:NOUN"), (3, 6, WORD)}),
        ("keep", {(0, 2, "ext:PERSON"), (7, 8, "ext:LOCATION"), (3, 6, "pos:NOUN"), (3, 6, WORD), (2, 3, "pos:VERB")}),
        (None, {(0, 2, "ext:PERSON"), (7, 8, "ext:LOCATION"), (3, 6, "pos:NOUN"), (3, 6, WORD)}),
    ],
)
def test_the_rule_for_spans_of_one_token(rule: Any, kept: set[Any]) -> None:
    said = Said(
        {
            ("entities", "b"): entities(("ann poe", "person"), ("Rome", "city")),
            ("pos", "b"): words(("made", "VERB"), ("her first film", "noun phrase")),
        }
    )
    (found,) = read([FILM], said, "en", Rules(one_token=rule))
    assert set(found.spans) == kept


def test_rules_bound_what_is_read() -> None:
    said = Said({("entities", "a"): entities(("王小明", "人名"), ("北京大学", "学校"), ("北京", "城市")), ("pos", "a"): []})
    (found,) = read([SHE], said, "zh", Rules(longest=3, most=2))
    assert found.spans == ((0, 3, "ext:PERSON"),)
    assert dict(found.rejected) == {"entities.too_many_tokens": 1, "entities.too_many": 1}
    with pytest.raises(ValidationError):
        Rules.model_validate({"one_tokens": "drop"})


def test_a_given_ontology_decides_over_the_replies_own() -> None:
    said = Said({("entities", "a"): entities(("王小明", "人名"), ("北京", "城市"))})
    rules = Rules(parts=("entities",))
    types = entity_types([SHE], said, "zh", rules, {"城市": "TOWN", "人名": None})
    (found,) = read([SHE], said, "zh", rules, types)
    assert {label for _, _, label in found.spans} == {"ext:TOWN"}
    assert found.rejected["entities.unknown_type"] == 1


def test_morph_annotates_without_a_model_and_by_the_same_rules() -> None:
    needs("rjieba")
    (found,) = annotate_morph([SHE], "zh")
    assert (6, 10, WORD) in found.spans
    assert (6, 10, "ext:ORGANIZATION") in found.spans
    assert all(end - start > 1 for start, end, _ in found.spans)
    (segments,) = annotate_morph([SHE], "zh", Rules(parts=("seg",)))
    assert {label for _, _, label in segments.spans} == {WORD}
    with pytest.raises(ConfigError, match="'fr'"):
        annotate_morph([SHE], "fr")


def test_files_hold_ids_and_spans_and_no_text(tmp_path: Path) -> None:
    path = tmp_path / "annotations.jsonl"
    made = [Annotation("a", ((0, 2, "ext:PERSON"),), {"x": 1}), Annotation("b", ())]
    write_annotations(path, made)
    assert read_annotations(path) == made
    assert path.read_text() == '{"id": "a", "spans": [[0, 2, "ext:PERSON"]]}\n{"id": "b", "spans": []}\n'


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"id": 1, "spans": []}',
        '{"id": "b", "spans": {}}',
        '{"id": "b", "spans": [[0, 1]]}',
        '{"id": "b", "spans": [[1, 1, "ext:X"]]}',
        '{"id": "b", "spans": [[true, 2, "ext:X"]]}',
        '{"id": "b", "spans": [[0, 1, "PER"]]}',
        '{"id": "a", "spans": []}',
        "[" * 5000,
    ],
)
def test_a_wrong_line_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "annotations.jsonl"
    path.write_text('{"id": "a", "spans": []}\n' + line + "\n")
    with pytest.raises(CorpusError, match=r"annotations\.jsonl:2"):
        read_annotations(path)


SCRIPT = """
import json, sys
from knowfree.synthesis.annotate import Rules, entity_types, read
from knowfree.synthesis.annotations import write_annotations
from knowfree.synthesis.ontology import write_ontology
from tests.knowfree.synthesis.test_annotate import SHE, Said, entities, words
kinds = ["superhero", "superheroes", "super-hero", "dreamland", "dream land", "人名", "地点名", "qq", "organizations"]
named = entities(*(("北京", k) for k in kinds), ("王小明", "x1"))
said = Said({("entities", "a"): named, ("pos", "a"): words(("北京", "名词"), ("大学", "z"))})
types = entity_types([SHE], said, "zh", Rules(rare=1))
write_ontology(sys.argv[1] + ".types", types)
write_annotations(sys.argv[1], read([SHE], said, "zh", Rules(rare=1), types))
"""


def test_the_same_replies_give_the_same_bytes_whatever_the_hash_seed(tmp_path: Path) -> None:
    made = []
    for seed in ("1", "77"):
        path = tmp_path / seed
        root = Path(__file__).parents[3]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        subprocess.run([sys.executable, "-c", SCRIPT, str(path)], check=True, env=environment, cwd=root)
        made.append((path.read_bytes(), Path(f"{path}.types").read_bytes()))
    assert made[0] == made[1]
    assert b"ext:" in made[0][0]
