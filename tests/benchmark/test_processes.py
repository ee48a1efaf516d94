"""Cells side by side: the same bytes as one after the other, and nothing lost when a process ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from benchmark.processes import Processes
from benchmark.status import states
from benchmark.worker import Worker
from tests.benchmark.conftest import Fits, Profile, Silent, make_profile
from tests.benchmark.test_engine import contents, slow, start, until
from tests.system import children, command, left_over

SIDE_BY_SIDE = {"KFBENCH_ENGINE": "processes", "KFBENCH_WORKERS": "2"}


def workers(pid: int) -> list[int]:
    """Processes that a process has started, those that only watch semaphores left out."""
    return [child for child in children(pid) if "resource_tracker" not in command(child)]


def test_side_by_side_gives_the_bytes_of_one_after_the_other(
    profile: Profile, prepared: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, fits: Fits
) -> None:
    serial = make_profile(tmp_path_factory.mktemp("serial"), prepared, monkeypatch)
    serial.run()
    expected = contents(serial)
    profile.write(methods=serial.values["methods"])  # log and trap are parameters: the hashes are to be the same
    process = start(profile, **SIDE_BY_SIDE)
    text = process.communicate(timeout=120)[0]
    assert process.returncode == 0, text
    assert "8 run, 0 done before, 0 failed" in text
    assert contents(profile) == expected
    report = Processes(0).run(profile.plan().cells, Worker(profile.params, profile.workspace, profile.store), Silent())
    assert report.count("kept") == 8, "no pool of no workers was begun: it would be an error"


def test_failing_cells_stop_no_other(profile: Profile) -> None:
    (profile.root / "trap").touch()
    process = start(profile, **SIDE_BY_SIDE)
    text = process.communicate(timeout=120)[0]
    assert process.returncode == 1
    assert "4 run, 0 done before, 4 failed" in text
    assert "RuntimeError: the trap is set" in text


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for children in /proc")
@pytest.mark.parametrize("ends", ["Ctrl-C", "a dead child"])
def test_what_is_done_is_kept_and_no_child_is_left(ends: str, profile: Profile) -> None:
    slow(profile, 0.5)
    process = start(profile, **SIDE_BY_SIDE)
    until(lambda: profile.store.cells())
    started = workers(process.pid)
    assert len(started) == 2
    if ends == "Ctrl-C":
        process.send_signal(signal.SIGINT)
    else:
        os.kill(started[0], signal.SIGKILL)
    text = process.communicate(timeout=60)[0]
    assert process.returncode == (130 if ends == "Ctrl-C" else 1)
    assert ("what is done is kept" if ends == "Ctrl-C" else "a worker process died") in text
    assert "Traceback" not in text
    assert not left_over(started)
    found = states(profile.plan(), profile.store)
    assert 0 < found.count("done") < 8
    assert set(found) == {"done", "missing"}
    assert start(profile, **SIDE_BY_SIDE).communicate(timeout=120)
    assert set(states(profile.plan(), profile.store)) == {"done"}


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for children in /proc")
def test_children_of_a_killed_parent_end_with_the_cell_at_hand(profile: Profile) -> None:
    slow(profile, 0.5)
    process = start(profile, **SIDE_BY_SIDE)
    until(lambda: profile.store.cells())
    started = workers(process.pid)
    assert len(started) == 2
    process.kill()
    process.communicate(timeout=60)
    assert not left_over(started)
    found = states(profile.plan(), profile.store)
    assert set(found) == {"done", "missing"}, "a whole cell or none, and no lock is held"
    assert start(profile, **SIDE_BY_SIDE).communicate(timeout=120)
    assert set(states(profile.plan(), profile.store)) == {"done"}
