"""Prepared corpora: what is in the folder, that it is whole, and that a changed one is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from splits import corpora, files, prepare
from splits.errors import CorpusError, KfbenchError
from splits.labels import Inventory, Label, write_labels
from splits.prepare import info, load
from splits.schema import Entity, Sentence, write_jsonl

CONTENT = {"train.jsonl", "dev.jsonl", "test.jsonl", "labels.txt", "corpus.json", "audit.json", "audit.md"}


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_prepared_corpus_loads_as_it_was_read(tmp_path):
    out = tmp_path / "data" / "demo_en"
    made = prepare.prepare("demo_en", out)
    assert set(bytes_of(out)) == CONTENT
    assert load(out) == made == corpora.read("demo_en", {})
    assert info(out) == corpora.info("demo_en")
    facts = json.loads((out / "corpus.json").read_text("utf-8"))
    assert facts["counts"]["train"] == {"sentences": 400, "entities": sum(len(s.entities) for s in made.splits["train"]), "repaired": 0}
    assert json.loads((out / "audit.json").read_text("utf-8"))["corpus"] == "demo_en"


def test_preparing_again_gives_the_same_bytes_and_replaces_what_was_there(tmp_path):
    out = tmp_path / "demo_zh"
    prepare.prepare("demo_zh", out)
    before = bytes_of(out)
    (out / "left over").write_text("")
    (out / "train.jsonl").write_text("damaged")
    prepare.prepare("demo_zh", out)
    assert bytes_of(out) == before
    assert {path.name for path in tmp_path.iterdir()} == {"demo_zh", ".demo_zh.lock"}


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("dear")
    with pytest.raises(KfbenchError, match="holds something that is no prepared corpus"):
        prepare.prepare("demo_zh", tmp_path / "thesis")
    assert list((tmp_path / "thesis").iterdir()) == [tmp_path / "thesis" / "chapter.tex"]
    (tmp_path / "empty").mkdir()
    prepare.prepare("demo_zh", tmp_path / "empty")


@pytest.mark.parametrize(("module", "step"), [(prepare, "audit"), (prepare, "write_labels"), (files, "put_folder")])
def test_a_failure_leaves_the_old_corpus(tmp_path, monkeypatch, module, step):
    out = tmp_path / "demo_ja"
    prepare.prepare("demo_ja", out)
    (out / "audit.md").write_text("of an older version\n")  # the same files would not be put in their own place
    before = bytes_of(out)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, step, fail)
    for place in (out, tmp_path / "new"):
        with pytest.raises(KfbenchError, match="cannot be written: No space left"):
            prepare.prepare("demo_ja", place)
    assert bytes_of(out) == before
    assert {path.name for path in tmp_path.iterdir() if path.suffix != ".lock"} == {"demo_ja"}


KILLED = """
import sys, time
from pathlib import Path
from splits import prepare
real = prepare.write_text
def slow(path, text):  # stop before the file that is written last
    if path.name == prepare.FACTS:
        print("here", flush=True)
        time.sleep(60)
    real(path, text)
prepare.write_text = slow
prepare.prepare("demo_ko", Path(sys.argv[1]))
"""


def test_a_kill_leaves_no_folder_that_looks_complete_and_does_not_stand_in_the_way(tmp_path):
    out = tmp_path / "demo_ko"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(out)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not out.exists()
    began = time.monotonic()
    prepare.prepare("demo_ko", out)
    assert time.monotonic() - began < 30  # the lock of a dead process holds nobody
    assert {path.name for path in tmp_path.iterdir()} == {"demo_ko", ".demo_ko.lock"}


def changed(out: Path, name: str, old: str, new: str) -> None:
    path = out / name
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def test_what_was_changed_by_hand_is_refused(tmp_path):
    out = tmp_path / "demo_en"
    prepare.prepare("demo_en", out)
    (first, *_) = load(out).splits["dev"]
    changed(out, "dev.jsonl", json.dumps(first.id), '"another id"')
    with pytest.raises(CorpusError, match=r"dev\.jsonl: content hash is [0-9a-f]{64}, corpus\.json says [0-9a-f]{64}"):
        load(out)
    prepare.prepare("demo_en", out)
    with (out / "labels.txt").open("a") as file:
        file.write("NEW\n")
    with pytest.raises(CorpusError, match=r"the labels are .*NEW"):
        load(out)
    prepare.prepare("demo_en", out)
    changed(out, "corpus.json", '"format": 1', '"format": 99')
    with pytest.raises(CorpusError, match="not the facts of a prepared corpus in format 1"):
        load(out)
    (out / "corpus.json").write_text("{")
    with pytest.raises(CorpusError, match=r"corpus\.json:1: not JSON"):
        info(out)
    (out / "corpus.json").unlink()
    with pytest.raises(CorpusError, match=r"corpus\.json: no such file"):
        load(out)


@pytest.mark.parametrize("extension", [False, True])
def test_a_corpus_of_a_present_is_prepared_and_goes_before_one_of_the_suite(tmp_path, extension):
    labels = Inventory((Label("A"), Label("ext:B", False, 4))) if extension else Inventory.of_targets(["A"])
    files = {split: str(tmp_path / f"{split}.jsonl") for split in ("train", "dev", "test")}
    for split, path in files.items():
        write_jsonl(path, [Sentence(f"{split}-0", ("a", "b"), (Entity(0, 1, "A"),))])
    write_labels(tmp_path / "labels.json", labels)
    (tmp_path / "present.json").write_text(json.dumps({"weibo": files | {"labels": str(tmp_path / "labels.json"), "language": "zh"}}))
    made = prepare.prepare("weibo", tmp_path / "out", listed=tmp_path / "present.json")
    assert load(tmp_path / "out") == made
    assert made.labels == labels
    assert info(tmp_path / "out").redistributable is False
    assert (tmp_path / "out" / ("labels.json" if extension else "labels.txt")).is_file()
    assert prepare.prepare("demo_en", tmp_path / "demo_en", listed=tmp_path / "present.json").name == "demo_en"


@pytest.mark.real
def test_a_real_corpus_is_prepared(tmp_path, mirror):
    made = prepare.prepare("weibo", tmp_path / "weibo", mirror=mirror)
    assert load(tmp_path / "weibo") == made
    facts = json.loads((tmp_path / "weibo" / "corpus.json").read_text("utf-8"))
    assert facts["redistributable"] is False
    assert facts["counts"]["train"] == {"sentences": 1350, "entities": 1895, "repaired": 10}
    assert facts["files"] == {file.path: file.sha256 for file in corpora.source("weibo").files.values()}
