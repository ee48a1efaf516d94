"""present.json: corpora of one's own in the paper's form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splits.errors import ConfigError, CorpusError
from splits.labels import Inventory, Label, write_labels
from splits.present import Present, entry, read, read_present, write_present
from splits.schema import Entity, Sentence, write_jsonl

FILES = {"train": "t/train.jsonl", "dev": "t/dev.jsonl", "test": "t/test.jsonl", "labels": "t/labels.txt"}

paths = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=10).map(lambda name: Path("/nowhere") / name)
presents = st.builds(
    Present, train=paths, dev=paths, test=paths, labels=paths, language=st.sampled_from(["und", "zh", "en"]), nested=st.booleans()
)


def corpus(folder: Path, **split: Sentence) -> Path:
    """A present.json of one corpus, `mine`, with a sentence in each split."""
    for name in ("train", "dev", "test"):
        write_jsonl(folder / FILES[name], [split.get(name) or Sentence(f"{name}-0", ("a", "b"), (Entity(0, 1, "A"),))])
    write_labels(folder / FILES["labels"], Inventory.of_targets(["A", "B"]))
    (folder / "present.json").write_text(json.dumps({"mine": FILES}))
    return folder / "present.json"


@given(found=st.dictionaries(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,8}", fullmatch=True), presents, min_size=1, max_size=4))
def test_it_round_trips(found, tmp_path_factory):
    path = tmp_path_factory.mktemp("present") / "present.json"
    write_present(path, found)
    assert read_present(path) == found


def test_paths_are_relative_to_the_working_directory_if_they_exist_there_else_to_the_file(tmp_path, monkeypatch):
    path = corpus(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    assert read_present(path)["mine"].dev == tmp_path / "data" / "t" / "dev.jsonl"
    corpus(tmp_path)  # now t/dev.jsonl exists below the working directory too
    assert read_present(path)["mine"].dev == Path("t/dev.jsonl")


def test_a_corpus_is_read(tmp_path):
    path = corpus(tmp_path)
    found = read("mine", entry(path, "mine"))
    assert (found.name, list(found.splits), found.labels.names) == ("mine", ["train", "dev", "test"], ("A", "B"))
    info = entry(path, "mine").info("mine")
    assert (info.name, info.language, info.nested, info.redistributable) == ("mine", "und", False, False)
    with pytest.raises(ConfigError, match="no corpus 'other', it has: mine"):
        entry(path, "other")


@pytest.mark.parametrize(
    ("sentence", "what"),
    [
        (Sentence("dev-0", ("a",), (Entity(0, 1, "C"),)), "dev.jsonl:1: entity 0:1 has label 'C', which is not in"),
        (Sentence("dev-0", ("a", "b"), (Entity(0, 2, "A"), Entity(0, 1, "B"))), "dev.jsonl:1: two entities share a token"),
        (Sentence("train-0", ("a",)), "dev.jsonl:1: id 'train-0' already stands in train"),
    ],
)
def test_a_bad_sentence_is_named(tmp_path, sentence, what):
    with pytest.raises(CorpusError) as caught:
        read("mine", entry(corpus(tmp_path, dev=sentence), "mine"))
    assert what in caught.value.what
    assert caught.value.mend


def test_nested_entities_are_read_where_they_are_declared(tmp_path):
    path = corpus(tmp_path, dev=Sentence("dev-0", ("a", "b"), (Entity(0, 2, "A"), Entity(0, 1, "B"))))
    path.write_text(json.dumps({"mine": FILES | {"nested": True, "language": "ko"}}))
    assert len(read("mine", entry(path, "mine")).splits["dev"][0].entities) == 2
    assert entry(path, "mine").info("mine").nested


def test_extension_labels_of_a_labels_json_are_read(tmp_path):
    path = corpus(tmp_path)
    inventory = Inventory((Label("A"), Label("ext:CITY", False, 7)))
    write_labels(tmp_path / "labels.json", inventory)
    path.write_text(json.dumps({"mine": FILES | {"labels": "labels.json"}}))
    assert read("mine", entry(path, "mine")).labels == inventory


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{\n1}", "present.json:2: not JSON"),
        ("[]", "expected an object with a corpus or more"),
        ("{}", "expected an object with a corpus or more"),
        ('{"a": 1}', "corpus 'a': expected an object"),
        ('{"a": {}, "a": {}}', "key 'a' stands twice"),
        (json.dumps({"../a": FILES}), "corpus '../a': its name must be letters"),
        (json.dumps({"a": {"train": "x", "dev": "x", "test": "x"}}), "corpus 'a': `labels` must be a path"),
        (json.dumps({"a": FILES | {"dev": 3}}), "corpus 'a': `dev` must be a path"),
        (json.dumps({"a": FILES | {"nestd": True}}), "corpus 'a': unknown key 'nestd'"),
        (json.dumps({"a": FILES | {"nested": 1}}), "corpus 'a': `nested` must be true or false"),
        (json.dumps({"a": FILES | {"language": 1}}), "corpus 'a': `language` must be a code"),
    ],
)
def test_a_bad_present_is_named(tmp_path, text, what):
    (tmp_path / "present.json").write_text(text)
    with pytest.raises(CorpusError) as caught:
        read_present(tmp_path / "present.json")
    assert what in caught.value.what
    assert caught.value.mend
