"""Hostile text in the files that users give: a clear error with its line, or the very same text everywhere after."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from benchmark.config import load_params
from splits import plain_json, plain_yaml
from splits.errors import ConfigError, CorpusError
from splits.files import LONGEST_LINE
from splits.labels import Inventory, read_labels
from splits.schema import read_jsonl, write_jsonl

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=5)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_json_that_is_fine_is_read_as_it_was_written(value: object) -> None:
    assert plain_json.loads(json.dumps(value)) == value
    assert plain_json.loads(json.dumps(value, ensure_ascii=False)) == value


LINES = {
    "nan": ('{"text": ["a"], "entities": [], "x": NaN}', "NaN is no number"),
    "infinity": ('{"text": ["a"], "entities": [], "x": -Infinity}', "-Infinity is no number"),
    "overflow": ('{"text": ["a"], "entities": [], "x": 1e999}', "1e999 is no number"),
    "digits": ('{"text": ["a"], "entities": [], "x": ' + "9" * 5000 + "}", "4300 digits"),
    "deep": ('{"text": ["a"], "entities": ' + "[" * 200_000 + "}", "nests too deeply"),
    "surrogate": ('{"text": ["a\\ud800"], "entities": []}', "half of a surrogate pair"),
    "surrogate label": ('{"text": ["a"], "entities": [{"start": 0, "end": 1, "entity": "\\uDFFF"}]}', "half of a surrogate pair"),
    "twice": ('{"text": ["a"], "text": ["b"], "entities": []}', "key 'text' stands twice"),
    "twice inside": ('{"text": ["a"], "entities": [{"start": 0, "start": 0, "end": 1, "entity": "X"}]}', "key 'start' stands twice"),
    "long": ('{"text": ["' + "a" * LONGEST_LINE + '"], "entities": []}', "a line of 1,000,0"),
    "label": ('{"text": ["a"], "entities": [{"start": 0, "end": 1, "entity": "\\u001b[31mX"}]}', "holds a control character"),
    "nul label": ('{"text": ["a"], "entities": [{"start": 0, "end": 1, "entity": "X\\u0000"}]}', "holds a control character"),
    "kind": ('["text"]', "expected a JSON object"),
    "huge span": ('{"text": ["a"], "entities": [{"start": 0, "end": 99999999999999999999, "entity": "X"}]}', "does not lie"),
}


@pytest.mark.parametrize("kind", LINES)
def test_a_hostile_line_is_refused_with_its_number(kind: str, tmp_path: Path) -> None:
    line, what = LINES[kind]
    path = tmp_path / "train.jsonl"
    path.write_text('{"text": ["fine"], "entities": []}\n' + line + "\n")
    with pytest.raises(CorpusError) as caught:
        read_jsonl(path)
    assert caught.value.line == 2
    assert what in caught.value.what
    assert len(str(caught.value)) < 600
    assert all(part.isprintable() for part in str(caught.value).splitlines())


CONTROLS = ["\0", "\x1b[31m", "\u202eabc", "\u2066x\u2069", "\u2028", "\u200b", "\ufeff"]
FAITHFUL = [*CONTROLS, "👩\u200d👩\u200d👧", "\U0010ffff", "e\u0301" * 50, "a" * 400_000, "</script>"]


@pytest.mark.parametrize("token", FAITHFUL, ids=range(len(FAITHFUL)))
def test_odd_text_stays_as_it_is(token: str, tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps({"text": [token, "b"], "entities": [{"start": 0, "end": 1, "entity": "X"}]}) + "\n")
    once = read_jsonl(path)
    assert once[0].text == (token, "b")
    write_jsonl(tmp_path / "again.jsonl", once)
    assert read_jsonl(tmp_path / "again.jsonl", split="train") == once


@pytest.mark.parametrize("name", ["X\x1b[2J", "X\x00", "X\x85"])
def test_labels_with_control_characters_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="control character"):
        Inventory.of_targets([name])
    (tmp_path / "labels.json").write_text(
        json.dumps({label: {"idx": i, "count": -1, "is_target": True} for i, label in enumerate(["O", name])})
    )
    with pytest.raises(CorpusError, match="control character"):
        read_labels(tmp_path / "labels.json")


# --- YAML ---

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
YAMLS = {
    "laughs": (LAUGHS, "aliases written out"),
    "itself": ("a: &a [*a]\n", "an alias holds itself"),
    "object": ("a: !!python/object/apply:os.system ['true']\n", "could not determine a constructor"),
    "tag": ("a: !!python/name:os.system\n", "could not determine a constructor"),
    "deep": ("a: " + "[" * 5000 + "]" * 5000 + "\n", "nests too deeply"),
    "digits": ("a: " + "9" * 5000 + "\n", "4300 digits"),
    "date": ("a: 2026-99-99\n", "month must be in"),
    "large": ("a: " + "x" * 1_000_001 + "\n", "larger than 1,000,000 bytes"),
    "bytes": ("a: \x01\n", "special characters are not allowed"),
}


@pytest.mark.parametrize("kind", YAMLS)
def test_hostile_params_are_one_clear_error(kind: str, tmp_path: Path) -> None:
    text, what = YAMLS[kind]
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_params(tmp_path / "params.yaml")
    assert what in caught.value.what
    assert "params.yaml" in caught.value.what
    assert len(caught.value.what) < 400


def test_a_few_aliases_are_fine() -> None:
    assert plain_yaml.parse("base: &b {x: 1}\none: *b\ntwo: {<<: *b, y: 2}\n")["two"] == {"x": 1, "y": 2}


@given(json_values.filter(lambda value: isinstance(value, dict)))
def test_yaml_that_is_fine_is_read_as_yaml_reads_it(value: object) -> None:
    text = yaml.safe_dump(value)
    assert plain_yaml.parse(text) == yaml.safe_load(text)


# --- archives ---


def test_an_archive_that_unpacks_to_more_than_a_corpus_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GENIA comes as a tar.gz: nothing of it is written anywhere, one member is read, and no more of it than a corpus can have."""
    import io
    import tarfile

    from splits.corpora import genia

    monkeypatch.setattr(genia, "LARGEST", 100_000)
    path = tmp_path / "bomb.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(genia.MEMBER)
        member.size = 1_000_000
        archive.addfile(member, io.BytesIO(b"<set>" + b" " * 999_995))
    with pytest.raises(CorpusError, match="unpacks to 1,000,000 bytes"):
        list(genia._lines(path))


@pytest.mark.parametrize("kind", ["SYMTYPE", "LNKTYPE", "DIRTYPE", "CHRTYPE", "FIFOTYPE"])
def test_a_member_that_is_no_file_is_not_followed(kind: str, tmp_path: Path) -> None:
    import tarfile

    from splits.corpora import genia

    path = tmp_path / "link.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(genia.MEMBER)
        member.type, member.linkname = getattr(tarfile, kind), "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(CorpusError, match="the archive has no"):
        list(genia._lines(path))
