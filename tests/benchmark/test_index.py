"""A look at a store reads little, and believes nothing that has changed since."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmark.cli import build_app
from benchmark.index import INDEX, NOTES, Index
from benchmark.result import METRICS
from benchmark.status import seconds_left, states
from benchmark.store import Store
from tests.benchmark.conftest import Profile


@pytest.fixture
def done(profile: Profile) -> Profile:
    profile.write(sizes=[10], draws=1)
    profile.run()
    return profile


def no_deep_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, to read a cell's files is an error."""

    def refuse(store: Store, hash: str) -> bool:
        raise AssertionError(f"{hash} is read")

    monkeypatch.setattr(Store, "done", refuse)


def test_cells_of_a_run_that_was_killed_are_known_as_they_were_written(done: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, notes = done.plan(), done.store.root / NOTES
    assert not (done.store.root / INDEX).exists(), "nobody has looked yet"
    seen = {hash: done.store.run(hash) for hash in plan.hashes}
    with notes.open("a", encoding="utf-8") as file:
        file.write('["cut sho')
    no_deep_look(monkeypatch)
    found = Index(done.store).whole(plan.hashes)
    assert {hash: (run.seconds["total"], run.peak_memory_mb) for hash, run in seen.items()} == {
        hash: (one.seconds, one.memory) for hash, one in found.items()
    }
    assert not notes.exists(), "they stand in the index now"
    assert Index(done.store).whole(plan.hashes) == found


def test_a_cell_that_was_changed_since_it_was_noted_is_looked_at(done: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    hash = sorted(done.plan().hashes)[0]
    (done.store.path(hash) / METRICS).write_text("{}", encoding="utf-8")
    assert hash not in Index(done.store).whole(done.plan().hashes)
    assert len(Index(done.store).whole(done.plan().hashes)) == len(done.plan().hashes) - 1


def test_cells_that_were_found_whole_are_not_read_again(done: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = done.plan()
    first = Index(done.store).whole(plan.hashes)
    assert {seen.cell for seen in first.values()} == {str(cell.id) for cell in plan.cells}
    assert {hash: done.store.run(hash).seconds["total"] for hash in first} == {hash: seen.seconds for hash, seen in first.items()}
    no_deep_look(monkeypatch)
    assert Index(done.store).whole(plan.hashes) == first
    assert states(plan, done.store) == ["done", "done"]


def test_a_run_leaves_its_cells_in_the_index(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    profile.write(sizes=[10], draws=1)
    monkeypatch.chdir(profile.root)
    assert CliRunner().invoke(build_app(), ["run"]).exit_code == 0
    no_deep_look(monkeypatch)
    assert states(profile.plan(), profile.store) == ["done", "done"]


def test_a_file_that_changed_is_read_again(done: Profile) -> None:
    plan = done.plan()
    assert states(plan, done.store) == ["done", "done"]
    path = done.store.path(plan.cells[0].hash or "") / METRICS
    path.write_bytes(b"x" * path.stat().st_size)  # as long as it was
    assert states(plan, done.store) == ["missing", "done"]


def test_a_cell_that_is_gone_is_forgotten(done: Profile) -> None:
    plan = done.plan()
    assert set(states(plan, done.store)) == {"done"}
    done.store.forget(plan.cells[0].hash or "")
    assert states(plan, done.store) == ["missing", "done"]
    left = seconds_left(plan, states(plan, done.store), done.store)
    assert left == pytest.approx(done.store.run(plan.cells[1].hash or "").seconds["total"])


@pytest.mark.parametrize("damage", ["", "[]", '{"x": 1}', '{"x": []}'])
def test_a_damaged_index_only_costs_time(damage: str, done: Profile) -> None:
    (done.store.root / INDEX).write_text(damage, encoding="utf-8")
    assert states(done.plan(), done.store) == ["done", "done"]


def test_an_index_that_cannot_be_written_only_costs_time(done: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("benchmark.index.write_text", full)
    assert states(done.plan(), done.store) == ["done", "done"]
    assert not (done.store.root / INDEX).exists()
