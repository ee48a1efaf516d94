"""Where cells run: a file that git ignores, and the environment, which wins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmark.engine import Serial, engine, side_by_side
from benchmark.local import FILE, Local, local
from benchmark.processes import Processes
from splits.errors import ConfigError
from tests.environment import OURS


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OURS:
        monkeypatch.delenv(name, raising=False)


def write(root: Path, text: str) -> Path:
    (root / FILE).parent.mkdir(exist_ok=True)
    (root / FILE).write_text(text, encoding="utf-8")
    return root


def test_without_a_word_cells_run_one_after_the_other(tmp_path: Path) -> None:
    assert local(tmp_path) == Local()
    assert local(tmp_path).cores == len(os.sched_getaffinity(0))
    assert isinstance(engine(tmp_path), Serial)


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "engine: processes\nworkers: 3\naddress: 10.0.0.1:6379\ngpu_share: 0.25\n")
    assert engine(tmp_path) == Processes(3)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.2:6379")
    monkeypatch.setenv("KFBENCH_WORKERS", "5")
    found = local(tmp_path)
    assert (found.engine, found.workers, found.address, found.gpu_share) == ("processes", 5, "10.0.0.2:6379", 0.25)
    monkeypatch.setenv("KFBENCH_RAY_ADDRESS", "10.0.0.3:6379")
    assert local(tmp_path).address == "10.0.0.3:6379"
    monkeypatch.setenv("KFBENCH_ENGINE", "serial")
    assert isinstance(engine(tmp_path), Serial)


@pytest.mark.parametrize("wrong", ["0", "two", "-1"])
def test_a_wrong_variable_is_named(wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFBENCH_WORKERS", wrong)
    with pytest.raises(ConfigError, match=f"KFBENCH_WORKERS={wrong}: workers"):
        local(tmp_path)


@pytest.mark.parametrize("text", ["engin: ray", "gpu_share: 2", "- engine", "engine: [", "workers: many"])
def test_a_wrong_file_is_named(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"local\.yaml"):
        local(write(tmp_path, text))


def test_an_engine_that_there_is_not_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="abacus"):
        engine(write(tmp_path, "engine: abacus"))


def test_how_many_run_at_a_time_is_known_but_of_a_cluster() -> None:
    assert side_by_side(Local(), 1) == 1
    assert side_by_side(Local(engine="processes", workers=4), 2) == 4
    assert side_by_side(Local(engine="ray", workers=4), 2) == 2
    assert side_by_side(Local(engine="ray", workers=2), 8) == 1
    assert side_by_side(Local(engine="ray", address="10.0.0.1:6379"), 1) is None
    assert side_by_side(Local(engine="ray", address="10.0.0.1:6379", workers=64), 4) == 16
