"""Runs that are killed, that meet, that fail: every cell is trained once and whole."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.engine import engine
from benchmark.result import METRICS, PREDICTIONS, load_run
from benchmark.status import states
from splits.errors import ConfigError
from tests.benchmark.conftest import DICTIONARY, Fits, Profile, environment, make_profile

Bytes = dict[str, bytes]


def contents(profile: Profile) -> Bytes:
    """What must be the same whenever a cell is run again."""
    cells = [(str(c.id), profile.store.path(c.hash or "")) for c in profile.plan().cells]
    return {f"{cell} {name}": (directory / name).read_bytes() for cell, directory in cells for name in (METRICS, PREDICTIONS)}


def slow(profile: Profile, seconds: float) -> Profile:
    methods = profile.values["methods"]
    methods["lookup"]["params"]["seconds"] = seconds
    return profile.write(methods=methods)


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def start(profile: Profile, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        profile.line("run", *arguments),
        cwd=profile.root,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=listen,
    )


def listen() -> None:
    """A shell starts its background jobs deaf to Ctrl-C, and children inherit that: tests run as such a job too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_killed_in_the_middle_and_run_again_gives_the_same_bytes(
    profile: Profile, prepared: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, fits: Fits
) -> None:
    slow(profile, 0.3)
    whole = slow(make_profile(tmp_path_factory.mktemp("whole"), prepared, monkeypatch), 0.3)
    whole.run()
    expected = contents(whole)
    profile.write(methods=whole.values["methods"])  # log and trap are parameters: the hashes are to be the same
    log = whole.root / "fits.log"
    before = len(log.read_text().splitlines())
    for kills in (1, 2):
        process = start(profile)
        until(lambda kills=kills: len(log.read_text().splitlines()) >= before + 2 * kills)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        found = states(profile.plan(), profile.store)
        assert 0 < found.count("done") < 8
        assert set(found) == {"done", "missing"}
    report = profile.run()
    assert report.count("kept") >= 2
    assert contents(profile) == expected
    assert not list(profile.store.root.glob(".tmp-*"))


def test_two_runs_at_once_train_each_cell_once(profile: Profile, fits: Fits) -> None:
    slow(profile, 0.4)
    one, other = start(profile), start(profile)
    texts = [process.communicate(timeout=120)[0] for process in (one, other)]
    assert (one.returncode, other.returncode) == (0, 0), texts
    assert len(fits(profile)) == len(set(fits(profile))) * 2 == 8  # sizes share the first sentence of a draw
    assert set(states(profile.plan(), profile.store)) == {"done"}
    ran = [int(text.rsplit(" run, ", 1)[0].rsplit("\n", 1)[-1]) for text in texts]
    assert sum(ran) == 8


def test_a_failing_cell_stops_no_other_and_is_tried_again(profile: Profile, fits: Fits) -> None:
    trap = profile.root / "trap"
    trap.touch()
    report = profile.run()
    assert [c.id.seed for c in report.failed] == [1] * 4
    assert report.count("ran") == 4
    found = states(profile.plan(), profile.store)
    assert (found.count("done"), found.count("failed")) == (4, 4)
    failure = profile.store.failure(report.failed[0].hash or "")
    assert failure
    assert failure.error == "RuntimeError: the trap is set"
    assert 'raise RuntimeError("the trap is set")' in failure.traceback
    trap.unlink()
    again = profile.run()
    assert (again.count("kept"), again.count("ran"), again.failed) == (4, 4, [])
    assert set(states(profile.plan(), profile.store)) == {"done"}


def test_a_failure_makes_the_command_fail_with_a_list(profile: Profile) -> None:
    (profile.root / "trap").touch()
    done = profile.command("run", "--record")
    assert done.returncode == 1
    assert "4 run, 0 done before, 4 failed" in done.stderr
    assert "demo_zh/lookup/10/0-1 failed" in done.stderr
    assert "RuntimeError: the trap is set" in done.stderr
    assert len(list((profile.root / "results").rglob(METRICS))) == 4


def test_ctrl_c_keeps_what_is_done(profile: Profile) -> None:
    slow(profile, 0.5)
    process = start(profile)
    until(lambda: profile.store.cells())
    process.send_signal(signal.SIGINT)
    text = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert "what is done is kept" in text
    assert "Traceback" not in text
    found = states(profile.plan(), profile.store)
    assert 0 < found.count("done") < 8
    assert set(found) == {"done", "missing"}


def test_the_same_cell_twice_is_the_same_and_a_rerun_trains_nothing(profile: Profile, fits: Fits) -> None:
    profile.run()
    before = contents(profile)
    assert profile.run().count("kept") == 8
    assert len(fits(profile)) == 8
    assert profile.run(force=True).count("ran") == 8
    assert len(fits(profile)) == 16
    assert contents(profile) == before


def test_a_checkpoint_is_kept_when_asked_and_trained_again_if_it_is_not_there(profile: Profile, fits: Fits) -> None:
    profile.write(sizes=[10], draws=1, seeds=[0])
    profile.run()
    hash = profile.plan().cells[0].hash or ""
    assert profile.store.checkpoint(hash) is None
    before = contents(profile)
    assert profile.run(checkpoints=True).count("ran") == 1
    assert profile.run(checkpoints=True).count("kept") == 1
    assert profile.run().count("kept") == 1
    assert contents(profile) == before
    directory = profile.store.checkpoint(hash)
    assert directory
    assert {path.name for path in directory.iterdir()} == {"known.json", "method.json"}


def test_run_json_says_where_a_number_came_from(profile: Profile) -> None:
    profile.write(sizes=[10], draws=1, seeds=[0]).run()
    cell = profile.plan().cells[0]
    run = load_run(profile.store.path(cell.hash or ""))
    assert run.hash == cell.hash
    assert len(run.curve) == 2
    assert set(run.seconds) == {"fit", "predict", "total"}
    assert run.peak_memory_mb > 10
    assert run.sentences_per_second > 0
    found = run.provenance
    assert found["config"] == cell.config
    assert found["packages"]["torch"]
    assert found["machine"]["cpu"]
    assert set(found["corpus"]) == {"train", "dev", "test"}
    assert set(found["git"]) == {"commit", "dirty"}
    assert found["draw"] == profile.workspace.sample_hash("demo_zh", 10, 0)


def test_the_engine_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFBENCH_ENGINE", "abacus")
    with pytest.raises(ConfigError, match="abacus"):
        engine()


def test_a_method_that_cannot_be_found_is_two_lines(profile: Profile) -> None:
    profile.write(methods={"lookup": {"method": DICTIONARY.replace("Dictionary", "Thesaurus")}})
    done = profile.command("run")
    assert done.returncode == 1
    assert done.stderr.startswith("kfbench: ")
    assert "Thesaurus" in done.stderr
    assert "Traceback" not in done.stderr
