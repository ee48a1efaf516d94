"""Hashes change with what matters and with nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.hashing import Encoders, cell_hash
from benchmark.method import EncoderSpec
from splits.errors import ConfigError
from tests.benchmark.conftest import DICTIONARY, Profile


def encoder(directory: Path, weights: bytes = b"weights") -> EncoderSpec:
    directory.mkdir()
    (directory / "config.json").write_text("{}")
    (directory / "model.safetensors").write_bytes(weights)
    (directory / "README.md").write_text("who made it")
    return EncoderSpec(str(directory))


def test_the_content_of_an_encoder_counts_and_its_name_does_not(tmp_path: Path) -> None:
    encoders = Encoders(tmp_path / "memory.json")
    one = encoders.identity(encoder(tmp_path / "one"))
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    (tmp_path / "other" / "README.md").write_text("somebody else")
    assert encoders.identity(EncoderSpec(str(tmp_path / "other"))) == one
    assert encoders.identity(encoder(tmp_path / "third", b"others!")) != one
    assert encoders.identity(EncoderSpec(str(tmp_path / "one"), max_length=64)) != one


def test_a_remembered_file_is_not_read_again_and_a_changed_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = encoder(tmp_path / "one")
    first = Encoders(tmp_path / "memory.json").identity(spec)
    read: list[Path] = []
    monkeypatch.setattr("benchmark.hashing.sha256", lambda path: read.append(path) or "0" * 64)
    assert Encoders(tmp_path / "memory.json").identity(spec) == first
    assert read == []
    os.utime(tmp_path / "one" / "model.safetensors", (1, 1))
    Encoders(tmp_path / "memory.json").identity(spec)
    assert [path.name for path in read] == ["model.safetensors"]


def test_a_damaged_memory_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "memory.json").write_text("{")
    assert Encoders(tmp_path / "memory.json").identity(encoder(tmp_path / "one"))["content"]


def test_an_encoder_that_may_change_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="without a revision"):
        Encoders().identity(EncoderSpec("some/hub-id"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"no config\.json"):
        Encoders().identity(EncoderSpec(str(tmp_path / "empty")))
    assert Encoders().identity(EncoderSpec("some/hub-id", revision="abc"))["revision"] == "abc"


def test_shape_counts_for_a_scratch_encoder_alone() -> None:
    scratch, hub = EncoderSpec("scratch"), EncoderSpec("some/hub-id", revision="abc")
    identity = Encoders().identity
    assert identity(replace(scratch, hidden=32)) != identity(scratch)
    assert identity(replace(hub, hidden=32)) == identity(hub)


def test_the_layers_that_are_kept_count_for_every_encoder() -> None:
    scratch, hub = EncoderSpec("scratch"), EncoderSpec("some/hub-id", revision="abc")
    identity = Encoders().identity
    assert identity(replace(hub, layers=6)) != identity(hub)
    assert identity(replace(scratch, layers=3)) != identity(scratch)
    assert identity(replace(scratch, layers=2)) == identity(scratch), "the default, spelt out"


def test_the_order_of_keys_does_not_count() -> None:
    assert cell_hash({"a": 1, "b": {"c": 2, "d": 3}}) == cell_hash({"b": {"d": 3, "c": 2}, "a": 1})


def test_what_json_cannot_say_is_no_configuration() -> None:
    with pytest.raises(TypeError):
        cell_hash({"a": object()})


def hash_of(profile: Profile) -> str:
    found = profile.plan().cells[0].hash
    assert found
    return found


CHANGES: dict[str, Callable[[Profile], Any]] = {
    "a method's parameter": lambda p: p.write(methods={"lookup": {"method": DICTIONARY, "params": {"seconds": 0.5}}}),
    "epochs": lambda p: p.write(training={"epochs": 7}),
    "the variant's own training": lambda p: p.write(methods={"lookup": {"method": DICTIONARY, "training": {"epochs": 7}}}),
    "precision": lambda p: p.write(training={"precision": "bf16"}),
    "threads": lambda p: p.write(training={"threads": 2}),
    "dev_size": lambda p: p.write(protocol={"dev_size": 31}),
    "the encoder": lambda p: p.write(encoders={"demo_zh": {"name": "scratch", "hidden": 32}}),
    "seeds": lambda p: p.write(seeds=[5]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_a_result_changes_the_hash(change: str, profile: Profile) -> None:
    before = hash_of(profile)
    CHANGES[change](profile)
    assert hash_of(profile) != before


def test_what_changes_no_result_keeps_the_hash(profile: Profile) -> None:
    before = hash_of(profile)
    assert hash_of(profile) == before
    profile.write(protocol={"dev_size": 30, "select": "last"}, sizes=[10], draws=1, checkpoints=True, code="elsewhere")
    assert hash_of(profile) == before
    default = {"lookup": {"method": DICTIONARY, "params": {**profile.values["methods"]["lookup"]["params"], "seconds": 0.0}}}
    profile.write(methods=default)
    assert hash_of(profile) == before, "a default that is spelt out is the same configuration"
