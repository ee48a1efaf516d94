"""Names of types become a closed inventory; a human has the last word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowfree.synthesis.ontology import (
    LONGEST_NAME,
    OTHER,
    Named,
    inventory_of,
    labels,
    name_types,
    part_of_speech,
    plain,
    read_overrides,
    table,
    write_ontology,
)
from splits.errors import ConfigError, CorpusError

# universaldependencies.org
UPOS = {
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"),
    *("PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"),
}


def named(counts: dict[str, int], distance: float = 0.5, rare: int = 2, keep_rare: bool = False, **more: object) -> dict[str, Named]:
    return name_types(counts, distance=distance, rare=rare, keep_rare=keep_rare, **more)  # type: ignore[arg-type]


def test_parts_of_speech_are_upos_and_phrases() -> None:
    assert set(labels("parts")) == UPOS | {"NP", "VP", "ADJP", "ADVP"}


@pytest.mark.parametrize("kind", ["entities", "parts"])
def test_no_name_stands_under_two_labels(kind: str) -> None:
    known = table(kind)  # type: ignore[arg-type]
    assert set(known.values()) == set(labels(kind))  # type: ignore[arg-type]
    assert all(known[plain(label)] == label for label in labels(kind))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "label"),
    [("Person", "PERSON"), ("人名", "PERSON"), ("地名", "LOCATION"), ("인물", "PERSON"), ("Work_Of-Art", "WORK"), ("workOfArt", "WORK")],
)
def test_names_of_four_languages_mean_one_label(name: str, label: str) -> None:
    assert named({name: 1})[plain(name)].label == label


@pytest.mark.parametrize(
    ("name", "label"),
    [("Noun", "NOUN"), ("动词", "VERB"), ("形容詞", "ADJ"), ("명사", "NOUN"), ("NNP", "PROPN"), ("vbz", "VERB"), ("gizmo", None)],
)
def test_parts_of_speech_by_any_name(name: str, label: str | None) -> None:
    assert part_of_speech(name) == label


def test_unknown_names_join_what_is_spelt_like_them() -> None:
    found = named({"superhero": 3, "super-heroes": 2, "superheroes": 1, "organizations": 1, "xq": 1})
    assert {found[n].label for n in ("superhero", "super heroes", "superheroes")} == {"SUPERHERO"}
    assert found["organizations"] == Named("ORGANIZATION", "cluster", 1)
    assert found["xq"] == Named(None, "rare", 1)
    assert named({"xq": 1}, keep_rare=True)["xq"].label == OTHER


def test_the_threshold_decides_what_joins() -> None:
    apart = named({"superhero": 3, "superheroes": 3}, distance=0.01)
    assert {n.label for n in apart.values()} == {"SUPERHERO", "SUPERHEROES"}


@settings(max_examples=15)
@given(st.dictionaries(st.text(st.characters(exclude_categories=[]), max_size=70), st.integers(1, 9), max_size=8))
def test_every_name_gets_one_answer_whatever_the_order(counts: dict[str, int]) -> None:
    found = named(counts)
    assert found == named(dict(reversed(counts.items())))
    assert set(found) == {plain(n) for n in counts if 0 < len(plain(n)) <= LONGEST_NAME}
    for name, entry in found.items():
        assert name.encode()  # a file can hold it
        assert entry.label is None or not any(c.isspace() for c in entry.label)


def test_what_is_written_can_be_changed_and_given_back(tmp_path: Path) -> None:
    path = tmp_path / "types.json"
    first = named({"person": 2, "superhero": 3, "xq": 1})
    write_ontology(path, first)
    assert {name: row["label"] for name, row in json.loads(path.read_text()).items()} == {n: e.label for n, e in first.items()}
    path.write_text(path.read_text().replace('"SUPERHERO"', '"PERSON"'))
    again = named({"person": 2, "Super-Hero": 1, "superhero": 3, "xq": 9}, overrides=read_overrides(path))
    assert again["superhero"] == Named("PERSON", "override", 3)
    assert again["xq"] == Named(None, "override", 9)
    assert inventory_of(again) == sorted({n.label for n in again.values() if n.label})


def test_overrides_may_be_plain_yaml(tmp_path: Path) -> None:
    path = tmp_path / "overrides.yaml"
    path.write_text("Person: HUMAN\nfilm title: null\n")
    found = named({"person": 1, "Film Title": 1}, overrides=read_overrides(path))
    assert (found["person"].label, found["film title"].label) == ("HUMAN", None)


@pytest.mark.parametrize(
    "text", ["- a\n", "a: [\n", "1: X\n", "a: 'two words'\n", "a: {how: exact}\n", "a: 3\n", "a: ''\n", "[" * 1500 + "\n"]
)
def test_a_wrong_file_of_overrides_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "overrides.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"overrides\.yaml"):
        read_overrides(path)
    with pytest.raises(CorpusError, match=r"missing\.yaml"):
        read_overrides(tmp_path / "missing.yaml")
