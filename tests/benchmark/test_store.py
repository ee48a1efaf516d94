"""The store keeps whole cells and knows the others."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark.collect import collect
from benchmark.config import Protocol
from benchmark.result import METRICS, PREDICTIONS, RUN, load_metrics
from benchmark.status import states
from benchmark.store import MANIFEST, Busy, Failure, Store, prune
from tests.benchmark.conftest import DICTIONARY, Fits, Profile, environment


@pytest.fixture
def one(profile: Profile) -> Profile:
    """A profile of a single cell, run."""
    profile.write(sizes=[10], draws=1, seeds=[0]).run()
    return profile


def hash_of(profile: Profile) -> str:
    return profile.plan().cells[0].hash or ""


@pytest.mark.parametrize("file", [METRICS, PREDICTIONS, "predictions.last.jsonl", RUN, MANIFEST])
@pytest.mark.parametrize("damage", ["truncated", "garbage", "gone"])
def test_a_damaged_cell_is_not_done_and_is_run_again(file: str, damage: str, one: Profile, fits: Fits) -> None:
    hash = hash_of(one)
    path = one.store.path(hash) / file
    before = (one.store.path(hash) / METRICS).read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"\x00\xff garbage" if damage == "garbage" else path.read_bytes()[:-20])
    assert not one.store.done(hash)
    assert "done" not in states(one.plan(), one.store)
    assert one.run().count("ran") == 1
    assert (one.store.path(hash) / METRICS).read_bytes() == before
    assert len(fits(one)) == 2
    assert len(list((one.store.root / "broken").iterdir())) == 1


def test_a_cell_under_a_wrong_hash_is_not_done(one: Profile) -> None:
    one.store.path(hash_of(one)).rename(one.store.path("0" * 64))
    assert not one.store.done("0" * 64)


def test_a_block_that_raises_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")

    def half(directory: Path) -> None:
        (directory / METRICS).write_text("half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), store.lock("a" * 64), store.writing("a" * 64) as directory:
        half(directory)
    assert [p.name for p in store.root.iterdir() if not p.name.endswith(".lock")] == []


def test_what_a_dead_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    dead = store.root / f".tmp-{'a' * 64}-dead"
    dead.mkdir(parents=True)
    failing = store.root / f".{'c' * 64}.failed.json.tmp"  # killed as it wrote why a cell failed; the cell may never fail again
    failing.touch()
    with store.lock("b" * 64), store.writing("b" * 64) as alive:
        store.clean()
        assert not dead.exists()
        assert not failing.exists()
        assert alive.exists()


def test_a_lock_is_held_by_one_and_dies_with_its_process(tmp_path: Path) -> None:
    code = "import sys,time; from pathlib import Path; from benchmark.store import Store\n"
    code += "with Store(Path(sys.argv[1])).lock('a'*64): print('held', flush=True); time.sleep(60)"
    store = Store(tmp_path)
    worker = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment())
    assert worker.stdout
    assert worker.stdout.readline() == "held\n"
    assert store.running("a" * 64)
    with pytest.raises(Busy), store.lock("a" * 64):
        pass
    worker.kill()
    worker.wait()
    worker.stdout.close()
    started = time.monotonic()
    with store.lock("a" * 64, wait=True):
        assert time.monotonic() - started < 5
    assert not store.running("a" * 64)


def test_a_failure_is_no_result_and_goes_with_success(one: Profile) -> None:
    hash = hash_of(one)
    one.store.forget(hash)
    one.store.fail(hash, Failure("c", "ValueError: x", "traceback", "now", 1.0))
    assert not one.store.done(hash)
    assert one.store.failure(hash) == Failure("c", "ValueError: x", "traceback", "now", 1.0)
    one.run()
    assert one.store.done(hash)
    assert one.store.failure(hash) is None


def results(profile: Profile) -> list[str]:
    return sorted(str(p.relative_to(profile.root / "results")) for p in (profile.root / "results").rglob("*") if p.is_file())


def test_results_are_exactly_the_cells_of_the_plan(profile: Profile) -> None:
    profile.run()
    collect(profile.plan(), profile.store, profile.root / "results", Protocol())
    assert len(results(profile)) == 8 * 2
    profile.write(sizes=[20], draws=1, training={"epochs": 3})  # what was done is stale now
    profile.run()
    assert collect(profile.plan(), profile.store, profile.root / "results", Protocol()) == 2
    assert results(profile) == [f"demo_zh/lookup/20/0-{seed}/{file}" for seed in (0, 1) for file in sorted([METRICS, PREDICTIONS])]


def test_a_pair_that_cannot_be_is_recorded_with_its_reason(profile: Profile) -> None:
    methods = {"flat": {"method": DICTIONARY, "params": {"flat_only": True}}}
    profile.write(corpora=["demo_en"], variants=["flat"], methods=methods)
    assert collect(profile.plan(), profile.store, profile.root / "results", Protocol()) == 0
    assert results(profile) == ["demo_en/flat/na.json"]
    assert json.loads((profile.root / "results/demo_en/flat/na.json").read_text()) == {"reason": "entities nest"}


def test_results_show_the_protocol_of_the_profile_without_another_run(one: Profile, fits: Fits) -> None:
    shown = {}
    for select in ("dev", "last"):
        one.write(protocol={"dev_size": 30, "select": select}).run()
        collect(one.plan(), one.store, one.root / "results", one.params.protocol)
        cell = one.root / "results/demo_zh/lookup/10/0-0"
        metrics = load_metrics(cell)
        shown[select] = (metrics.protocol, metrics.shown, (cell / PREDICTIONS).read_text())
        claimed = sum(len(json.loads(line)["entities"]) for line in shown[select][2].splitlines())
        assert claimed == metrics.score.micro.pred
    assert len(fits(one)) == 1
    assert shown["dev"][:2] == ("dev_size 30", "dev")
    assert shown["last"][:2] == ("last", "last")
    assert shown["dev"][2] != shown["last"][2]


def test_pruning_takes_what_the_plan_does_not_have(profile: Profile) -> None:
    profile.run(checkpoints=True)
    before = profile.plan().hashes
    profile.write(sizes=[10])
    keep = profile.plan().hashes
    gone, bare = prune(profile.store, keep, frozenset(), dry_run=True)
    assert set(gone) == before - keep
    assert set(bare) == set(keep)
    assert set(profile.store.hashes()) == before, "a dry run removes nothing"
    with profile.store.lock(gone[0]):
        prune(profile.store, keep, frozenset())
    assert set(profile.store.hashes()) == keep | {gone[0]}, "a cell that runs stays"
    assert all(profile.store.done(hash) and profile.store.checkpoint(hash) is None for hash in keep)
