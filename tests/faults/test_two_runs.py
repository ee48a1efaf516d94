"""Two `kfbench run` on one store: each cell is trained once, whatever the engines; a dead one holds nothing up."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from benchmark.status import states
from tests.benchmark.conftest import Profile, make_profile
from tests.benchmark.test_engine import contents, slow, start, until
from tests.environment import ROOT
from tests.faults.pipeline import HOOK, Event, events

ENGINES = {"serial": {"KFBENCH_ENGINE": "serial"}, "processes": {"KFBENCH_ENGINE": "processes", "KFBENCH_WORKERS": "2"}}


@pytest.fixture
def watch(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process whose cells are told of, and where."""
    return {"FAULTS_LOG": str(tmp_path_factory.mktemp("events")), "PYTHONPATH": f"{HOOK}{os.pathsep}{ROOT}"}


def told(watch: dict[str, str]) -> list[Event]:
    return events(Path(watch["FAULTS_LOG"]))


@pytest.mark.parametrize("other", ["serial", "processes"])
def test_two_runs_of_any_engine_train_each_cell_once(
    other: str, profile: Profile, prepared: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, watch
) -> None:
    alone = slow(make_profile(tmp_path_factory.mktemp("alone"), prepared, monkeypatch), 0.3)
    alone.run()
    profile.write(methods=alone.values["methods"])
    both = [start(profile, "--record", **ENGINES[engine], **watch) for engine in ("processes", other)]
    texts = [process.communicate(timeout=240)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], texts
    begun = Counter(event.hash for event in told(watch) if event.what == "begin")
    assert begun == Counter(profile.plan().hashes), "each cell once"
    assert len({event.pid for event in told(watch)}) >= 2, "both had a part in it"
    assert {event.what for event in told(watch)} == {"begin", "end"}
    assert contents(profile) == contents(alone)
    recorded = sorted(path.relative_to(profile.root) for path in (profile.root / "results").rglob("*") if path.is_file())
    assert len(recorded) == 16
    assert not [path for path in profile.root.rglob("*") if path.name.endswith((".tmp", ".making", ".leaving")) or ".tmp-" in path.name]


def test_the_lock_of_a_dead_run_holds_nobody_up(profile: Profile, watch: dict[str, str]) -> None:
    slow(profile, 2.0)
    dead = start(profile, **watch)
    until(lambda: [event for event in told(watch) if event.what == "begin"])
    held = told(watch)[-1].hash
    assert profile.store.running(held)
    os.kill(dead.pid, signal.SIGKILL)
    dead.communicate()
    assert not profile.store.running(held)
    slow(profile, 0.0)  # another configuration, other cells: the old one's lock is still there for the run after it
    assert profile.run().count("ran") == 8
    slow(profile, 2.0).write(sizes=[10], draws=1, seeds=[0])
    assert profile.plan().cells[0].hash == held
    text = start(profile, **watch).communicate(timeout=120)[0]
    assert "another process runs it" not in text, text
    assert "1 run, 0 done before, 0 failed" in text
    assert set(states(profile.plan(), profile.store)) == {"done"}
