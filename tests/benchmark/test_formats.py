"""docs/formats.md: its examples are read by the code that reads such files, and have the keys of those that are written."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.external import FACTS, FOLDER, Declared
from benchmark.hashing import canonical, cell_hash
from benchmark.merge import MERGED
from benchmark.plan import Filter
from benchmark.predictions import FORMATS, read_predictions
from benchmark.result import METRICS, NOT_APPLICABLE, RUN, Metrics, Run
from benchmark.store import MANIFEST
from knowfree.synthesis import replies
from reports.aggregate import COLUMNS
from splits.draw import load_draws
from splits.labels import read_labels
from splits.present import read_present
from splits.schema import read_jsonl
from tests.benchmark.conftest import Profile
from tests.benchmark.test_cli import call
from tests.docs.blocks import ROOT, read

PAGE = ROOT / "docs" / "formats.md"


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """Every example of the page, as a file under its name."""
    folder = tmp_path / "examples"
    for block in read(PAGE).blocks:
        if block.mark.startswith("file "):
            path = folder / block.mark.removeprefix("file ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(block.lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def done(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """A profile with a recorded cell, an external row, and a copy whose cell was merged."""
    monkeypatch.chdir(profile.root)
    call("run", "--size", "20", "--draw", "0", "--seed", "0", "--record")
    shutil.copy("results/demo_zh/lookup/20/0-0/predictions.jsonl", "theirs.jsonl")
    call("score", "theirs.jsonl", "--as", "theirs", "--corpus", "demo_zh", "--size", "20", "--draw", "0", "--seed", "0")
    shutil.copytree(profile.root, profile.root / "copy", ignore=shutil.ignore_patterns(".kfbench"))
    call("merge", ".", "--into", "copy")
    return profile


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_what_goes_in_is_read(examples: Path) -> None:
    mine = read_jsonl(examples / "mine/train.jsonl")
    assert [s.id for s in mine] == ["a-1", "train-1"]
    assert read_labels(examples / "mine/labels.txt").targets == ("PER", "LOC")
    assert [(label.name, label.is_target, label.weight) for label in read_labels(examples / "labels.json").labels] == [
        ("PER", True, None),
        ("ext:FOOD", False, 0.5),
    ]
    present = read_present(examples / "mine/present.json")["mine"]
    assert (present.train, present.language) == (examples / "mine/train.jsonl", "en")
    gold = [replace(s, id=id) for s, id in zip(mine, ("a-3", "test-1"), strict=True)]  # as in the page's test split
    for name, format in (("theirs.jsonl", "jsonl"), ("theirs.bioes", "bioes")):
        found = read_predictions(examples / name, gold)
        assert ([frozenset((p.start, p.end, p.label) for p in row) for row in found.rows], found.format) == (
            [s.spans for s in gold],
            format,
        )


def test_the_draw_is_one_of_the_page_s_own_corpus(examples: Path) -> None:
    from splits.draw import take

    (drawn,) = load_draws(examples / "draws.json").drawn.values()
    (sentence,) = take(drawn.sample, read_jsonl(examples / "mine/train.jsonl"))
    assert sentence.id == "train-1"


def test_examples_have_every_key_and_no_other(examples: Path, done: Profile) -> None:
    (hash,) = done.store.hashes()
    cell, row = done.store.path(hash), done.root / FOLDER / "demo_zh/theirs/20/0-0"
    for name, there, model in ((METRICS, cell, Metrics), (FACTS, row, Declared), (RUN, cell, Run)):
        written, told = load(there / name), load(examples / name)
        assert model(**told).model_dump(mode="json").keys() == told.keys() == written.keys()
    for outer in ("seconds", "provenance"):
        assert load(examples / RUN)[outer].keys() == load(cell / RUN)[outer].keys()
    assert load(examples / RUN)["curve"][0].keys() == load(cell / RUN)["curve"][0].keys()
    assert load(examples / METRICS)["scores"]["dev"].keys() == load(cell / METRICS)["scores"]["dev"].keys()
    assert load(examples / FACTS)["data"].keys() == load(row / FACTS)["data"].keys()
    told, written = load(examples / MANIFEST), load(cell / MANIFEST)
    assert told.keys() == written.keys()
    assert told["files"].keys() == written["files"].keys()
    assert told["config"].keys() == written["config"].keys()
    (merged,) = (done.root / "copy" / ".kfbench" / "store" / hash).glob(MERGED)
    assert [hop.keys() for hop in load(examples / MERGED)] == [hop.keys() for hop in load(merged)]
    draws = done.root / "data/draws/demo_zh.json"
    assert load(examples / "draws.json")["draws"][0].keys() == load(draws)["draws"][0].keys()
    assert load(examples / "draws.json").keys() == load(draws).keys()


def test_the_hash_is_what_the_page_says_it_is(done: Profile) -> None:
    (hash,) = done.store.hashes()
    config = load(done.store.path(hash) / MANIFEST)["config"]
    assert canonical(config) == json.dumps(config, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert cell_hash(config) == hash


def test_every_score_that_the_metrics_example_gives_adds_up(examples: Path) -> None:
    score = Metrics(**load(examples / METRICS)).scores["dev"]
    assert [sum(column) for column in zip(*score.sentences, strict=True)] == [score.micro.tp, score.micro.pred, score.micro.gold]
    assert sum(counts.gold for counts in score.types.values()) == score.micro.gold


def test_the_rest_reads_too(examples: Path) -> None:
    assert load(examples / NOT_APPLICABLE).keys() == {"reason"}
    assert (examples / "cells.csv").read_text(encoding="utf-8").splitlines()[0].split(",") == list(COLUMNS)
    assert len(replies.sessions(examples / "replies.jsonl")) == len(replies.read(examples / "replies.jsonl")) == 1


def test_every_file_of_the_stores_picture_is_one_that_the_code_writes(done: Profile) -> None:
    text = PAGE.read_text(encoding="utf-8")
    picture = text[text.index("<hash>/  ") :].partition("```")[0]
    (hash,) = done.store.hashes()
    done.run(Filter(sizes=[20], draws=[0], seeds=[0]), checkpoints=True, force=True)
    call("plan")
    Path(done.values["methods"]["lookup"]["params"]["trap"]).touch()
    done.run(Filter(sizes=[10], draws=[0], seeds=[1]))
    (done.store.path(hash) / METRICS).write_text("x")
    done.run(Filter(sizes=[20], draws=[0], seeds=[0]), checkpoints=True)
    store = done.store.root
    there = {re.sub(r"[0-9a-f]{64}", "<hash>", path.name) for path in store.iterdir()} | {path.name for path in store.glob("*/*")}
    there |= {path.name for path in (done.root / "copy" / ".kfbench" / "store").glob(f"*/{MERGED}")}
    for name in re.findall(r"^ *(\S+)", picture, re.MULTILINE):
        assert name.rstrip("/") in there, name


def test_every_format_has_a_row(examples: Path) -> None:
    rows = "\n".join(line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `"))
    assert all(f"`{name}`" in rows for name in FORMATS)
