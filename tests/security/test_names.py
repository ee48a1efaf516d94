"""No name that a file or an option gives leaves its folder: one error when it is read, before anything is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from benchmark.config import load_params
from splits.errors import ConfigError, CorpusError
from splits.names import LONGEST, fault
from splits.present import read_present
from tests.benchmark.conftest import Profile

LEAVING = ["../x", "..", ".", "a/../../x", "/etc/x", "a\\b", "C:\\x", "a/b"]
HIDDEN = ["a\0b", "a\nb", "\x1b[31mred", "\u202egnp", " x", "x ", "", " "]
ODD = ["-rf", ".hidden", "=1+1", "+1", "@x", "é" * 51, "x" * 101, "nul", "COM1.txt"]
BAD = [*LEAVING, *HIDDEN, *ODD]


@given(st.text(max_size=12) | st.sampled_from(BAD))
def test_a_name_without_fault_stays_in_its_folder(name: str) -> None:
    if fault(name) is not None:
        return
    place = (Path("/somewhere/data") / name).resolve()
    assert place.parent == Path("/somewhere/data")
    assert place.name == name
    assert name.isprintable()
    assert len(place.name.encode()) <= LONGEST


def test_ordinary_names_have_no_fault() -> None:
    for name in ("weibo", "demo_zh", "knowfree_fusion.pos", "cnn_ner.fastnlp", "klp-2", "微博", "W2NER", "<i>own", "x" * LONGEST):
        assert fault(name, corpus=True) is None


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("key", ["corpora", "variants", "methods"])
def test_params_with_a_bad_name_are_refused_when_they_are_read(key: str, name: str, profile: Profile) -> None:
    values = profile.values
    changes: dict[str, Any] = {"methods": values["methods"] | {name: values["methods"]["lookup"]}}
    if key == "corpora":
        changes = {"corpora": [name], "encoders": {name: {"name": "scratch"}}}
    if key == "variants":
        changes |= {"variants": [name]}
    profile.write(**changes)
    with pytest.raises(ConfigError, match=r"the name .* (is|holds|begins|has)") as caught:
        load_params(profile.root / "params.yaml")
    assert all(line.isprintable() for line in str(caught.value).splitlines())


def test_a_run_with_a_bad_name_writes_nothing(profile: Profile) -> None:
    profile.write(variants=["../x"], methods={"../x": profile.values["methods"]["lookup"]})
    before = everything(profile.root.parent)
    done = profile.command("run", "--record")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 2
    assert everything(profile.root.parent) == before


def everything(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@pytest.mark.parametrize("name", ["draws", "Fused", "replies"])
def test_no_corpus_takes_the_place_of_a_folder_of_data(name: str, tmp_path: Path) -> None:
    path = tmp_path / "present.json"
    path.write_text(json.dumps({name: dict.fromkeys(["train", "dev", "test", "labels"], "x.jsonl")}))
    with pytest.raises(CorpusError, match="is a folder of data/"):
        read_present(path)


@pytest.mark.parametrize("name", BAD)
def test_present_json_refuses_bad_names(name: str, tmp_path: Path) -> None:
    path = tmp_path / "present.json"
    path.write_text(json.dumps({name: dict.fromkeys(["train", "dev", "test", "labels"], "x.jsonl")}))
    with pytest.raises(CorpusError, match=r"its name (must be|is|has)"):
        read_present(path)


def test_present_json_reads_where_it_is_told_and_no_special_path(tmp_path: Path) -> None:
    """A user's data may lie anywhere; what is made of them lies in data/."""
    path = tmp_path / "present.json"
    path.write_text(json.dumps({"mine": dict.fromkeys(["train", "dev", "test", "labels"], "/somewhere/else.jsonl")}))
    assert read_present(path)["mine"].train == Path("/somewhere/else.jsonl")
    path.write_text(json.dumps({"mine": dict.fromkeys(["train", "dev", "test", "labels"], "x\0.jsonl")}))
    with pytest.raises(CorpusError, match="`train` must be a path"):
        read_present(path)


@pytest.mark.parametrize("size", ["../k5", "k5/..", "k²", "k5\n", "k", "k-1", "k0", 0, -3, 1.5, "5", "k" + "9" * 5000])
def test_sizes_that_are_none_are_refused(size: Any, profile: Profile) -> None:
    profile.write(sizes=[size])
    with pytest.raises(ConfigError, match="sizes"):
        load_params(profile.root / "params.yaml")


@pytest.mark.parametrize(
    "arguments",
    [
        ["draw", "../outside"],
        ["corpora", "prepare", "../outside"],
        ["corpora", "fetch", "../outside"],
        ["fingerprint", "../outside"],
        ["fuse", "../outside"],
        ["score", "p.jsonl", "--as", "../outside", "--corpus", "demo_zh", "--size", "10", "--draw", "0", "--seed", "0"],
        ["score", "p.jsonl", "--as", "x", "--corpus", "../outside", "--size", "10", "--draw", "0", "--seed", "0"],
        ["run", "--corpus", "../outside"],
        ["new-method", "../outside"],
    ],
)
def test_no_command_writes_outside_for_a_name(arguments: list[str], tmp_path: Path, profile: Profile) -> None:
    outside = profile.root / "data" / ".." / "outside"  # as good as a prepared corpus to whoever joins names
    (profile.root / "data" / "demo_zh").rename(profile.root / "outside")
    (profile.root / "p.jsonl").write_text("{}\n")
    before = everything(profile.root)
    done = profile.command(*arguments)
    assert done.returncode in (1, 2), done.stdout
    assert "Traceback" not in done.stderr
    assert everything(profile.root) == before
    assert outside.is_dir()


def test_a_hash_of_anothers_run_is_no_option_of_git(tmp_path: Path) -> None:
    """A run.json names a commit, which `cells diff` gives to git: `--remote=ext::...` there would run what it likes."""
    from benchmark.history import modules_at

    victim = tmp_path / "pwned"
    for commit in (f"--output={victim}", f"--remote=ext::sh -c touch% {victim}", "HEAD", "a" * 40 + " "):
        assert modules_at(commit, "bert_crf", "x") is None
    assert not victim.exists()


def test_yaml_dumps_of_the_tests_are_what_is_read(profile: Profile) -> None:
    """The cases above fail for their names alone."""
    profile.write(variants=["fine"], methods={"fine": profile.values["methods"]["lookup"]})
    assert load_params(profile.root / "params.yaml").rows == ["fine"]
    assert yaml.safe_load((profile.root / "params.yaml").read_text())["variants"] == ["fine"]
