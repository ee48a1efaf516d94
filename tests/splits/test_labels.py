"""Label inventories as labels.txt, labels.json and labels.jsonl."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splits.errors import CorpusError
from splits.labels import Inventory, Label, read_labels, write_labels
from tests.splits.strategies import names

weights = st.none() | st.floats(0, 10)


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    found = draw(st.lists(names, min_size=1, max_size=8, unique=True))
    cut = draw(st.integers(1, len(found)))
    targets = [Label(name, weight=draw(weights)) for name in found[:cut]]
    return Inventory((*targets, *(Label(name, False, draw(st.integers(0, 9999)), draw(weights)) for name in found[cut:])))


@given(inventory=inventories())
def test_labels_json_keeps_order_and_all_fields(inventory, tmp_path_factory):
    path = tmp_path_factory.mktemp("labels") / "labels.json"
    write_labels(path, inventory)
    assert read_labels(path) == inventory
    lines = [json.dumps({name: row}) for name, row in json.loads(path.read_text("utf-8")).items()]
    path.with_suffix(".jsonl").write_text("\n".join(lines), "utf-8")
    assert read_labels(path.with_suffix(".jsonl")) == inventory


@given(found=st.lists(names, min_size=1, unique=True))
def test_labels_txt_keeps_order(found, tmp_path_factory):
    path = tmp_path_factory.mktemp("labels") / "labels.txt"
    write_labels(path, Inventory.of_targets(found))
    assert read_labels(path) == Inventory.of_targets(found)
    assert path.read_text("utf-8").startswith("O\n")


def test_labels_txt_does_not_take_extension_labels(tmp_path):
    with pytest.raises(ValueError, match=r"write labels\.json"):
        write_labels(tmp_path / "labels.txt", Inventory((Label("A"), Label("pos:NOUN", False, 3))))
    assert not list(tmp_path.iterdir())


def test_channels_do_not_count_o():
    inventory = Inventory((Label("A"), Label("B"), Label("ext:C", False, 3)))
    assert inventory.index == {"A": 0, "B": 1, "ext:C": 2}
    assert (inventory.targets, len(inventory)) == (("A", "B"), 3)


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        ((Label("A"), Label("A")), "'A' stands twice"),
        ((Label("O"),), "`O`"),
        ((Label(""),), "empty name"),
        ((), "no label besides O"),
        ((Label("e", False, 1), Label("A")), "targets must come before"),
    ],
)
def test_what_is_no_inventory(labels, what):
    with pytest.raises(ValueError, match=what):
        Inventory(labels)


GOOD = '"O": {"idx": 0, "count": -1, "is_target": true}'


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("labels.txt", "A\nB\n", "labels.txt:1: the first label is 'A', expected O"),
        ("labels.txt", "O\n\nB\n", "labels.txt:2: expected one label, found ''"),
        ("labels.txt", "O\n A\n", "labels.txt:2: expected one label, found ' A'"),
        ("labels.txt", "O\nA\nA\n", "labels.txt: label 'A' stands twice"),
        ("labels.txt", "O\n", "labels.txt: there is no label besides O"),
        ("labels.json", "{\n1}", "labels.json:2: not JSON"),
        ("labels.json", "[]", "labels.json:1: expected an object of labels"),
        ("labels.json", "{}", "labels.json:1: the first label is not O"),
        ("labels.json", f"{{{GOOD}, {GOOD}}}", "labels.json: key 'O' stands twice"),
        ("labels.json", f'{{{GOOD}, "A": {{"idx": 2, "count": -1, "is_target": true}}}}', "label 'A' has idx 2 but stands at place 1"),
        ("labels.json", f'{{{GOOD}, "A": {{"idx": 1, "count": -1}}}}', "label 'A' needs `idx`, `count`"),
        ("labels.json", f'{{{GOOD}, "A": {{"idx": 1, "count": 1, "is_target": true, "weight": -1}}}}', "label 'A' has weight -1"),
        ("labels.jsonl", f"{{{GOOD}}}\n[1]\n", "labels.jsonl:2: expected an object of labels"),
    ],
)
def test_a_bad_labels_file_is_named(tmp_path, name, text, what):
    (tmp_path / name).write_text(text)
    with pytest.raises(CorpusError) as caught:
        read_labels(tmp_path / name)
    assert what in caught.value.what
