"""A clock that is wrong, and files that lie about their age: nothing that is decided depends on either."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmark import fingerprint
from benchmark.collect import collect
from benchmark.hashing import Encoders
from benchmark.index import Index
from benchmark.result import METRICS, PREDICTIONS
from benchmark.status import states
from splits import files
from tests.benchmark.conftest import Fits, Profile, make_profile
from tests.benchmark.test_engine import contents, slow, start, until
from tests.environment import ROOT

HOOK = Path(__file__).parent / "hook"
YEARS = 20 * 365 * 86400


def wrong_clock(seconds: int) -> dict[str, str]:
    return {"PYTHONPATH": f"{HOOK}{os.pathsep}{ROOT}", "FAULTS_CLOCK": str(seconds)}


def replace(path: Path, data: bytes) -> None:
    """Other bytes of the same number, under the name and the modification time of the old ones."""
    stat = path.stat()
    assert len(data) == stat.st_size
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_mtime_ns == stat.st_mtime_ns


def test_a_clock_that_jumps_between_two_runs_changes_nothing(
    profile: Profile, prepared: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, fits: Fits
) -> None:
    other = slow(make_profile(tmp_path_factory.mktemp("undisturbed"), prepared, monkeypatch), 0.2)
    other.run()
    profile.write(methods=other.values["methods"])
    before = len(fits(other))
    ahead = start(profile, **wrong_clock(YEARS))
    until(lambda: len(fits(other)) >= before + 3)
    ahead.kill()
    ahead.communicate()
    behind = start(profile, **wrong_clock(-YEARS))
    text = behind.communicate(timeout=120)[0]
    assert behind.returncode == 0, text
    assert contents(profile) == contents(other)
    times = {profile.store.run(cell.hash or "").provenance["time"][:4] for cell in profile.plan().cells}
    assert len(times) == 2, "the clock did jump"


def test_files_of_tomorrow_are_not_taken_for_new_ones(profile: Profile, fits: Fits) -> None:
    profile.run()
    before = contents(profile)
    for path in profile.root.rglob("*"):
        if path.name != "fits.log":
            os.utime(path, (4e9, 4e9))
    assert profile.run().count("kept") == 8
    assert len(fits(profile)) == 8
    assert states(profile.plan(), profile.store) == ["done"] * 8
    assert contents(profile) == before


def test_another_file_of_the_same_size_and_time_is_seen(profile: Profile) -> None:
    profile.write(sizes=[10], draws=1).run()
    plan = profile.plan()
    assert states(plan, profile.store) == ["done", "done"]
    path = profile.store.path(plan.cells[0].hash or "") / PREDICTIONS
    replace(path, b"x" * path.stat().st_size)
    assert states(plan, profile.store) == ["missing", "done"]


def test_a_disk_that_lies_deceives_the_plan_alone(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that rot change no time at all: who uses a cell reads every byte of it."""
    profile.write(sizes=[10], draws=1).run()
    plan, store = profile.plan(), profile.store
    hash = plan.cells[0].hash or ""
    good = (store.path(hash) / METRICS).read_bytes()
    monkeypatch.setattr(files, "stamp", lambda stat: str(stat.st_size))
    monkeypatch.setattr("benchmark.index.stamp", files.stamp)
    assert set(Index(store).whole(plan.hashes)) == plan.hashes
    values = json.loads(good)
    score = values["scores"]["dev"]["micro"]
    score["gold"] += 1 if score["gold"] % 10 < 9 else -1  # a result like any other, of the same size
    rotten = (json.dumps(values, ensure_ascii=False, sort_keys=True, indent=1) + "\n").encode()
    assert rotten != good
    assert len(rotten) == len(good), (good[:400], rotten[:400])
    replace(store.path(hash) / METRICS, rotten)
    assert states(plan, store) == ["done", "done"], "the glance is deceived"
    assert collect(plan, store, profile.root / "results", profile.params.protocol) == 1
    assert not (profile.root / "results" / str(plan.cells[0].id)).exists()
    assert profile.run().count("ran") == 1
    assert (store.path(hash) / METRICS).read_bytes() == good
    assert collect(plan, store, profile.root / "results", profile.params.protocol) == 2


def test_weights_of_the_same_size_and_time_are_another_encoder(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"one")
    memory = tmp_path / "memory" / "encoders.json"
    first = Encoders(memory).content(tmp_path)
    replace(weights, b"two")
    assert Encoders(memory).content(tmp_path) != first


def test_code_of_the_same_size_and_time_is_another_method(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("A = 1\n")
    first = fingerprint.digest(module)
    replace(module, b"A = 2\n")
    assert fingerprint.digest(module) != first


def test_damaged_cells_are_set_aside_under_a_clock_that_stands_still(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    profile.write(sizes=[10], draws=1, seeds=[0]).run()
    monkeypatch.setattr("time.time_ns", lambda: 0)
    monkeypatch.setattr("time.time", lambda: 0.0)
    path = profile.store.path(profile.plan().cells[0].hash or "") / METRICS
    for _ in range(2):
        path.write_bytes(b"rotten")
        assert profile.run().count("ran") == 1
    assert len(list((profile.store.root / "broken").iterdir())) == 2
