"""Stores of several machines: what is copied is whole and untouched, and what is not of the plan is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark import merge as merging
from benchmark.merge import MERGED
from benchmark.plan import Filter, plan_hash
from benchmark.result import METRICS, RUN
from benchmark.store import BROKEN, CHECKPOINT, MANIFEST, Store
from splits.errors import ConfigError, KfbenchError
from tests.benchmark.conftest import Profile, environment
from tests.benchmark.test_cli import call

Machines = Callable[[str], Profile]


@pytest.fixture
def machines(profile: Profile, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Machines:
    """Copies of one profile, one seed: four cells; the working directory is elsewhere."""
    profile.write(seeds=[0])
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    folder = tmp_path_factory.mktemp("machines")

    def copy(name: str) -> Profile:
        return Profile(Path(shutil.copytree(profile.root, folder / name)))

    return copy


@pytest.fixture
def three(machines: Machines) -> tuple[Profile, Profile, Profile]:
    """Two machines that ran a draw each, and one that ran nothing."""
    a, b, c = (machines(name) for name in "abc")
    a.run(Filter(draws=[0]))
    b.run(Filter(draws=[1]))
    return a, b, c


def files(store: Path) -> dict[str, bytes]:
    """Every file of every cell, but where it came from."""
    cells = [path for path in sorted(store.iterdir()) if path.is_dir() and len(path.name) == 64]
    return {
        f"{cell.name}/{p.relative_to(cell)}": p.read_bytes()
        for cell in cells
        for p in sorted(cell.rglob("*"))
        if p.is_file() and p.name != MERGED
    }


def merge(into: Profile, *sources: object, status: int = 0) -> dict[str, Any]:
    got, text = call("merge", *map(str, sources), "--into", str(into.root), "--json")
    assert got == status, text
    return dict(json.loads(text[text.index("{") :]))


def cells(into: Profile) -> set[str]:
    return {str(id) for id in into.store.cells().values()}


def test_the_halves_of_two_machines_become_a_whole_that_nothing_need_run(three: tuple[Profile, Profile, Profile]) -> None:
    a, b, c = three
    said = merge(c, a.root, b.store.root)  # a profile, and a store
    assert (len(said["copied"]), said["here"], said["lacking"]) == (4, [], 0)
    assert files(c.store.root) == files(a.store.root) | files(b.store.root), "run.json and its provenance are untouched"
    assert c.run().count("kept") == 4
    for hash, id in c.store.cells().items():
        (origin,) = json.loads((c.store.path(hash) / MERGED).read_text())
        assert origin["from"] == str(a.root if id.draw == 0 else b.store.root)
        assert origin["plan"] == said["plan"] == c.plan().sha256
    again = merge(c, a.root, b.root)
    assert (again["copied"], len(again["here"])) == ([], 4)


def test_where_a_cell_has_been_stays_known(three: tuple[Profile, Profile, Profile], machines: Machines) -> None:
    a, _, c = three
    merge(c, a.root)
    last = machines("d")
    merge(last, c.root)
    for hash in last.store.hashes():
        origins = json.loads((last.store.path(hash) / MERGED).read_text())
        assert [origin["from"] for origin in origins] == [str(a.root), str(c.root)]


def test_a_done_cell_is_never_overwritten(three: tuple[Profile, Profile, Profile]) -> None:
    a, _, c = three
    c.run(Filter(draws=[0], sizes=[10]))
    (mine,) = c.store.hashes()
    run = c.store.path(mine) / RUN
    run_as_it_is, manifest = run.read_bytes(), json.loads((c.store.path(mine) / MANIFEST).read_text())
    assert run_as_it_is != (a.store.path(mine) / RUN).read_bytes(), "times differ"
    said = merge(c, a.root)
    assert (said["here"], said["copied"]) == (["demo_zh/lookup/10/0-0"], ["demo_zh/lookup/20/0-0"])
    assert run.read_bytes() == run_as_it_is
    assert json.loads((c.store.path(mine) / MANIFEST).read_text()) == manifest
    assert not (c.store.path(mine) / MERGED).exists()


def test_a_cell_that_is_damaged_here_is_replaced(three: tuple[Profile, Profile, Profile]) -> None:
    a, _, c = three
    merge(c, a.root)
    before = files(c.store.root)
    hash = c.store.hashes()[0]
    (c.store.path(hash) / METRICS).write_text("half")
    assert len(merge(c, a.root)["copied"]) == 1
    assert files(c.store.root) == before
    assert len(list((c.store.root / BROKEN).iterdir())) == 1


def spoil_bytes(cell: Path) -> None:
    path = cell / METRICS
    path.write_bytes(path.read_bytes().replace(b'"tp": ', b'"tp": 1', 1))


def spoil_config(cell: Path) -> None:
    manifest = json.loads((cell / MANIFEST).read_text())
    manifest["config"]["dev_size"] = 31
    (cell / MANIFEST).write_text(json.dumps(manifest))


def spoil_name(cell: Path) -> None:
    manifest = json.loads((cell / MANIFEST).read_text())
    manifest["cell"]["size"] = 20
    (cell / MANIFEST).write_text(json.dumps(manifest))


def spoil_way_out(cell: Path) -> None:
    (cell.parent / "secret").write_text("x")
    manifest = json.loads((cell / MANIFEST).read_text())
    manifest["files"]["../secret"] = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    (cell / MANIFEST).write_text(json.dumps(manifest))


def spoil_list(cell: Path) -> None:
    manifest = json.loads((cell / MANIFEST).read_text())
    del manifest["files"][RUN]
    (cell / MANIFEST).write_text(json.dumps(manifest))


def spoil_manifest(cell: Path) -> None:
    (cell / MANIFEST).write_text("{")


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (spoil_bytes, "metrics.json is not what was written"),
        (spoil_config, "is not that of its hash"),
        (spoil_name, "is not that of its hash"),
        (spoil_way_out, "no file of a cell"),
        (spoil_list, "does not vouch for run.json"),
        (spoil_manifest, "cell.json"),
    ],
)
def test_a_damaged_cell_is_named_not_copied_and_the_others_are(
    spoil: Callable[[Path], None], what: str, three: tuple[Profile, Profile, Profile], machines: Machines
) -> None:
    a, b, c = three
    cell = Filter(["demo_zh"], ["lookup"], [10], [0], [0])
    (planned,) = a.plan(cell).cells
    spoil(a.store.path(str(planned.hash)))
    said = merge(c, a.root, b.root, status=1)
    assert list(said["damaged"]) == ["demo_zh/lookup/10/0-0"]
    assert what in said["damaged"]["demo_zh/lookup/10/0-0"]
    assert cells(c) == {"demo_zh/lookup/20/0-0", "demo_zh/lookup/10/1-0", "demo_zh/lookup/20/1-0"}
    assert said["lacking"] == 1
    whole = machines("whole")
    whole.run(cell)
    assert merge(c, a.root, whole.root)["copied"] == ["demo_zh/lookup/10/0-0"], "the next source has it whole"


def test_a_mixture_of_plans_is_refused_with_the_cell_and_what_differs(three: tuple[Profile, Profile, Profile]) -> None:
    a, b, c = three
    methods = b.values["methods"]
    methods["lookup"]["training"] = {"epochs": 9}
    b.write(methods=methods).run(Filter(draws=[0]))  # beside the two of draw 1, which are of our plan
    with pytest.raises(KfbenchError) as caught:
        merge(c, a.root, b.root)
    assert caught.value.what.startswith("2 cells are not those of this profile's plan")
    assert "demo_zh/lookup/10/0-0: training.epochs 9 -> 20" in caught.value.what
    assert str(b.root) in caught.value.what
    assert not c.store.hashes()
    said = json.loads(call("merge", str(b.root), "--into", str(c.root), "--matching", "--json")[1])
    assert (said["copied"], len(said["different"])) == (["demo_zh/lookup/10/1-0", "demo_zh/lookup/20/1-0"], 2)
    (source,) = said["sources"]
    assert source["plan"] != source["ours"]


def test_an_older_cell_beside_the_right_one_refuses_nothing(three: tuple[Profile, Profile, Profile]) -> None:
    a, _, c = three
    values = a.values
    a.write(protocol={"dev_size": 20}).run(Filter(draws=[0]))
    a.write(protocol=values["protocol"])
    said = merge(c, a.root)
    assert (len(a.store.hashes()), len(said["copied"]), said["different"]) == (4, 2, [])


def test_cells_that_the_plan_does_not_name_stay_where_they_are(three: tuple[Profile, Profile, Profile]) -> None:
    a, _, c = three
    c.write(sizes=[20])
    said = merge(c, a.root)
    assert (said["copied"], said["unplanned"]) == (["demo_zh/lookup/20/0-0"], 1)


def test_a_dry_run_writes_nothing(three: tuple[Profile, Profile, Profile]) -> None:
    a, b, c = three
    status, text = call("merge", str(a.root), str(b.root), "--into", str(c.root), "--dry-run")
    assert status == 0
    assert text.count("  from ") == 4
    assert "4 would be copied" in text
    assert not c.store.hashes()


def test_a_cell_that_runs_here_is_left_to_whoever_runs_it(three: tuple[Profile, Profile, Profile]) -> None:
    a, _, c = three
    hash = a.plan(Filter(sizes=[10], draws=[0])).cells[0].hash
    with c.store.lock(str(hash)):
        said = merge(c, a.root, status=1)
    assert (said["busy"], said["copied"]) == (["demo_zh/lookup/10/0-0"], ["demo_zh/lookup/20/0-0"])
    assert merge(c, a.root)["copied"] == ["demo_zh/lookup/10/0-0"]


def test_one_hash_with_two_scores_is_told_and_the_first_stays(three: tuple[Profile, Profile, Profile], machines: Machines) -> None:
    a, _, c = three
    twin = machines("twin")
    merge(twin, a.root)
    for hash in twin.store.hashes():  # as another machine's arithmetic would have it
        directory = twin.store.path(hash)
        metrics = json.loads((directory / METRICS).read_text())
        metrics["scores"]["dev"]["micro"]["tp"] += 1
        (directory / METRICS).write_text(json.dumps(metrics))
        manifest = json.loads((directory / MANIFEST).read_text())
        (directory / MERGED).unlink()
        twin.store.write_manifest(directory, hash, twin.store.metrics(hash).cell, manifest["config"])
    said = merge(c, a.root, twin.root)
    assert sorted(said["unlike"]) == ["demo_zh/lookup/10/0-0", "demo_zh/lookup/20/0-0"]
    assert files(c.store.root) == files(a.store.root)


def test_taggers_come_along_on_demand(three: tuple[Profile, Profile, Profile], machines: Machines) -> None:
    a, _, c = three
    a.run(Filter(draws=[0]), checkpoints=True)
    merge(c, a.root)
    assert not any((c.store.path(hash) / CHECKPOINT).exists() for hash in c.store.hashes())
    d = machines("d")
    assert call("merge", str(a.root), "--into", str(d.root), "--checkpoints")[0] == 0
    assert files(d.store.root) == files(a.store.root)
    assert all((d.store.path(hash) / CHECKPOINT / "known.json").is_file() for hash in d.store.hashes())


def test_results_are_written_on_demand(three: tuple[Profile, Profile, Profile]) -> None:
    a, b, c = three
    call("merge", str(a.root), str(b.root), "--into", str(c.root), "--record")
    assert len(list((c.root / "results").rglob(METRICS))) == 4


def test_what_is_no_store_is_refused(three: tuple[Profile, Profile, Profile], tmp_path: Path) -> None:
    a, _, c = three
    for source, into, what in (
        (tmp_path / "nowhere", c, "no cells"),
        (c.root, c, "no cells"),
        (a.root, a, "has the store of this profile"),
        (a.store.root, a, "has the store of this profile"),
    ):
        with pytest.raises(ConfigError, match=what):
            merge(into, source)
    with pytest.raises(ConfigError, match="no such file"):
        call("merge", str(a.root), "--into", str(tmp_path / "empty"))
    (c.root / "data/draws/demo_zh.json").unlink()
    with pytest.raises(ConfigError, match="cannot be told from stale ones"):
        merge(c, a.root)


def test_a_copy_that_is_not_the_original_becomes_no_cell(three: tuple[Profile, Profile, Profile], monkeypatch: pytest.MonkeyPatch) -> None:
    a, _, c = three
    real = shutil.copyfile

    def torn(source: Path, target: Path) -> None:
        real(source, target)
        if target.name == RUN:
            target.write_bytes(target.read_bytes()[:-1])

    monkeypatch.setattr(merging.shutil, "copyfile", torn)
    with pytest.raises(KfbenchError, match="its copy is damaged: run"):
        merge(c, a.root)
    assert [path.name for path in c.store.root.iterdir() if path.suffix not in (".lock", ".json")] == []


STUCK = """
import shutil, sys, time
from benchmark import merge
real, left = shutil.copyfile, [int(sys.argv.pop())]
def stuck(source, target):
    real(source, target)
    left[0] -= 1
    if not left[0]:
        print("stuck", flush=True)
        time.sleep(600)
merge.shutil.copyfile = stuck
from benchmark.cli import main
main()
"""


@pytest.mark.parametrize("copied", [1, 5, 8], ids=lambda n: f"{n} files")
def test_killed_in_the_middle_it_leaves_whole_cells_and_goes_on(copied: int, three: tuple[Profile, Profile, Profile]) -> None:
    a, b, c = three
    line = [sys.executable, "-c", STUCK, "merge", str(a.root), str(b.root), "--into", str(c.root), str(copied)]
    with subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE, text=True, cwd=a.root) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stuck\n"
        process.kill()
    store = Store(c.store.root)
    assert [hash for hash in store.hashes() if store.damage(hash)] == []
    assert len(store.hashes()) == (copied - 1) // 5, "five files a cell, and then a rename"
    assert len(list(store.root.glob(".tmp-*"))) == 1
    merge(c, a.root, b.root)
    assert files(c.store.root) == files(a.store.root) | files(b.store.root)
    assert not list(store.root.glob(".tmp-*"))


def test_a_plans_hash_is_of_its_cells_whatever_their_order(profile: Profile) -> None:
    found = profile.plan()
    cells = {str(cell.id): str(cell.hash) for cell in found.cells}
    assert found.sha256 == plan_hash(cells) == plan_hash(dict(reversed(cells.items())))
    assert plan_hash(dict(list(cells.items())[1:])) != found.sha256
    assert profile.write(protocol={"dev_size": 29}).plan().sha256 != found.sha256
