"""What methods say of themselves: as the built method says it, asked once, and again when the code changes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

import benchmark.declared
from benchmark.declared import Methods
from benchmark.hashing import canonical
from benchmark.method import build
from splits.errors import ConfigError
from splits.source import CorpusInfo
from tests.benchmark.conftest import Profile

METHOD = """
from dataclasses import dataclass
from typing import ClassVar

@dataclass(frozen=True)
class Mine:
    name: ClassVar[str] = "mine"
    artefacts: ClassVar[tuple[str, ...]] = ("fusion",)
    requires: ClassVar[str | None] = None
    rate: float = 0.1
    parts: tuple[str, ...] = ("ext", "pos")

    def supports(self, corpus):
        return "entities nest" if corpus.nested else None

    def fit(self, given):
        raise AssertionError
"""
FLAT, NESTED = (CorpusInfo("a", "en", nested=nested, redistributable=True) for nested in (False, True))


@pytest.fixture
def mine(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(METHOD, encoding="utf-8")
    return f"{tmp_path / 'mine.py'}:Mine"


def no_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, to build a method is an error."""

    def refuse(method: str, params: object) -> None:
        raise AssertionError(f"{method} is built")

    monkeypatch.setattr(benchmark.declared, "build", refuse)


@pytest.mark.parametrize("method", ["bert_crf", "cnn_ner", "knowfree"])
def test_it_is_what_the_built_method_says(method: str) -> None:
    built = build(method, {"encoder_lr": 0.5})
    found = Methods().declared(method, {"encoder_lr": 0.5})
    assert (found.name, tuple(found.artefacts), found.requires) == (built.name, built.artefacts, built.requires)
    assert canonical(found.params) == canonical(asdict(built))
    for corpus in (FLAT, NESTED):
        assert Methods().reason(method, {}, corpus) == built.supports(corpus)


def test_what_was_said_is_remembered_with_parameters_and_corpora_apart(mine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tmp_path / "methods.json"
    first = Methods(memory)
    said = [first.declared(mine, params) for params in ({}, {"rate": 0.2})]
    reasons = [first.reason(mine, {}, corpus) for corpus in (FLAT, NESTED)]
    assert [one.params["rate"] for one in said] == [0.1, 0.2]
    assert reasons == [None, "entities nest"]
    no_build(monkeypatch)
    again = Methods(memory)
    assert [again.declared(mine, params).params for params in ({}, {"rate": 0.2})] == [one.params for one in said]
    assert [again.reason(mine, {}, corpus) for corpus in (FLAT, NESTED)] == reasons


def test_other_code_is_asked_again_and_takes_the_place_of_the_old(mine: str, tmp_path: Path) -> None:
    memory = tmp_path / "methods.json"
    Methods(memory).reason(mine, {}, NESTED)
    (tmp_path / "mine.py").write_text(METHOD.replace("0.1", "0.25").replace('"entities nest"', '"no"'), encoding="utf-8")
    assert Methods(memory).declared(mine, {}).params["rate"] == 0.25
    assert Methods(memory).reason(mine, {}, NESTED) == "no"
    assert len(json.loads(memory.read_text(encoding="utf-8"))) == 1


@pytest.mark.parametrize("damage", ["", "[]", '{"x": 1}', '{"x": {}}'])
def test_a_damaged_memory_is_forgotten(damage: str, mine: str, tmp_path: Path) -> None:
    memory = tmp_path / "methods.json"
    memory.write_text(damage, encoding="utf-8")
    assert Methods(memory).declared(mine, {}).params["rate"] == 0.1
    assert Methods(memory).declared(mine, {}).name == "mine"


def test_what_is_wrong_is_not_remembered(mine: str, tmp_path: Path) -> None:
    for params, what in (({"x": 1}, "no parameter 'x'"), ({}, "no such file")):
        with pytest.raises(ConfigError, match=what):
            Methods(tmp_path / "methods.json").declared(mine if params else "nowhere.py:Mine", params)
    assert not (tmp_path / "methods.json").exists()


def test_a_plan_from_memory_has_the_hashes_of_one_without(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    first = profile.plan()
    no_build(monkeypatch)
    assert [(c.id, c.hash, c.config) for c in profile.plan().cells] == [(c.id, c.hash, c.config) for c in first.cells]
