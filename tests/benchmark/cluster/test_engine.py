"""Cells on Ray: the same bytes as one after the other, whatever dies."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmark.cell import Point
from benchmark.cluster.cache import cache
from benchmark.cluster.engine import Ray
from benchmark.cluster.session import Session, session
from benchmark.engine import Report, Serial
from benchmark.local import Local
from benchmark.plan import Filter, Planned, make_plan
from benchmark.result import METRICS, PREDICTIONS
from benchmark.status import states
from benchmark.store import CHECKPOINT, LAST_PREDICTIONS
from benchmark.worker import Ended, Worker
from splits.schema import write_jsonl
from tests.benchmark.cluster.methods import variants
from tests.benchmark.cluster.test_session import folders
from tests.benchmark.conftest import Profile, Silent, make_profile
from tests.benchmark.test_engine import contents, start, until
from tests.environment import ROOT
from tests.neural import pretrained
from tests.system import descendants, kill, left_over

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
WORKERS = {"KFBENCH_ENGINE": "ray", "KFBENCH_WORKERS": "2"}


@dataclass
class Machines:
    """A head without cores for cells, and two nodes of one core each."""

    cluster: Any
    nodes: list[Any]
    session: Session
    where: Local

    def engine(self) -> Ray:
        """Every node is taken for one that has none of the driver's files."""
        return Ray(self.where, foreign=True)


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    import ray  # noqa: F401  before the environment is right, as whoever calls us may: a session keeps it on the loopback all the same

    with pytest.MonkeyPatch.context() as patch:
        manners = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
        for name, value in (manners | {"PYTHONPATH": str(ROOT)}).items():  # nodes have the same packages, the tests' methods among them
            patch.setenv(name, value)
        patch.delenv("RAY_ADDRESS", raising=False)
        from ray.cluster_utils import Cluster

        here = {"node_ip_address": "127.0.0.1", "object_store_memory": 100 << 20}
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **here})
        try:
            nodes = [cluster.add_node(num_cpus=1, **here) for _ in range(2)]
            where = Local(engine="ray", address=cluster.address, node_ip="127.0.0.1")
            with session(where) as found:
                yield Machines(cluster, nodes, found, where)
        finally:
            cluster.shutdown()


class Watching(Silent):
    """Remembers what it saw, and does something when a cell has ended."""

    def __init__(self, act: Callable[[int], None] = lambda count: None) -> None:
        super().__init__()
        self.act, self.seen = act, Counter[str]()
        self.ended_: list[str] = []
        self.steps: dict[str, list[int]] = {}

    def started(self, cell: Planned) -> None:
        self.seen[f"started {cell.id}"] += 1

    def point(self, cell: Planned, point: Point) -> None:
        assert str(cell.id) not in self.ended_
        self.steps.setdefault(str(cell.id), []).append(point["step"])

    def ended(self, cell: Planned, how: Ended) -> None:
        assert self.seen[f"started {cell.id}"] == 1
        self.ended_.append(str(cell.id))
        self.act(len(self.ended_))


def run(profile: Profile, engine: Any, watch: Any = None, **options: Any) -> Report:
    plan = profile.plan()
    worker = Worker(profile.params, profile.workspace, profile.store, required=plan.required, **options)
    report: Report = engine.run(plan.cells, worker, watch or Silent())
    return report


def everything(profile: Profile) -> dict[str, bytes]:
    """Every byte of the cells of a plan that must be the same wherever they run, checkpoints with them."""
    found = contents(profile)
    for cell in profile.plan().cells:
        directory = profile.store.path(cell.hash or "")
        found[f"{cell.id} last"] = (directory / LAST_PREDICTIONS).read_bytes()
        for file in sorted((directory / CHECKPOINT).rglob("*")):
            found[f"{cell.id} {file.name}"] = file.read_bytes()
    return found


@dataclass
class Twins:
    """A profile that was run one after the other, and a maker of fresh copies that are to give the same bytes."""

    serial: Profile
    fresh: Callable[[Path], Profile]
    expected: dict[str, bytes]


@pytest.fixture(scope="module")
def twins(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """A dictionary, what starts from it and from artefacts, and BERT-CRF on an encoder in a folder."""
    root = tmp_path_factory.mktemp("twins")
    with pytest.MonkeyPatch.context() as patch:
        encoder = pretrained("bert", root / "encoder")
        methods = variants(root / "fits.log", ["logged", "grown"], seconds=0.3)
        changes = {
            "methods": methods | {"bert": {"method": "bert_crf"}},
            "variants": ["bert", "logged"],
            "continued": ["grown"],
            "encoders": {"demo_zh": {"name": encoder}},
            "training": {"epochs": 1},
            "sizes": [10],
            "checkpoints": True,
        }

        def fresh(where: Path) -> Profile:
            profile = make_profile(where, prepared, patch).write(**changes)
            for draw in range(2):
                folder = profile.workspace.artefacts("demo_zh", "morph", 10, draw)
                folder.mkdir(parents=True)
                write_jsonl(folder / "train.fusion.jsonl", profile.workspace.data("demo_zh").sample(10, draw))
            return profile

        serial = fresh(root / "serial")
        assert run(serial, Serial(), checkpoints=True).count("ran") == 12
        yield Twins(serial, fresh, everything(serial))


def times(log: Path, since: int) -> dict[str, list[tuple[float, str]]]:
    """Beginnings and ends of each fit, from a line of a log on."""
    found: dict[str, list[tuple[float, str]]] = {}
    for line in log.read_text().splitlines()[since:]:
        when, what, name = line.split(" ", 2)
        found.setdefault(name, []).append((float(when), what))
    return found


def lines(profile: Profile) -> int:
    return len((profile.root.parent / "fits.log").read_text().splitlines())


def test_a_node_that_dies_half_way_changes_no_byte(machines: Machines, twins: Twins, tmp_path: Path) -> None:
    profile = twins.fresh(tmp_path / "cluster")
    before = lines(twins.serial)
    raylet = machines.nodes[1].all_processes["raylet"][0].process.pid

    def strike(ended: int) -> None:
        if ended == 4:
            kill([raylet, *descendants(raylet)])  # workers outlive a raylet by seconds

    watch = Watching(strike)
    report = run(profile, machines.engine(), watch, checkpoints=True)
    assert (report.count("ran"), report.failed) == (12, []), [profile.store.failure(c.hash or "") for c in report.failed]
    assert everything(profile) == twins.expected
    curves = {str(c.id): [point["step"] for point in profile.store.run(c.hash or "").curve] for c in profile.plan().cells}
    assert watch.steps == curves, "each point once, whoever died"
    assert not list(profile.store.root.glob(".tmp-*"))
    for fits in times(twins.serial.root.parent / "fits.log", before).values():
        whole = [what for _, what in sorted(fits)]
        assert whole[-2:] == ["begin", "end"]
        assert whole[:-2] in ([], ["begin"], ["begin", "end"]), "what died is begun again once, when it is dead"
    ended = [name for name in watch.ended_ if "bert" not in name]
    assert all(ended.index(name.replace("grown", "logged")) < ended.index(name) for name in ended if "grown" in name)
    assert not left_on_nodes(), "what was unpacked is gone"


def test_a_driver_that_is_killed_on_a_cluster_loses_nothing_and_the_next_leaves_nothing(
    machines: Machines, twins: Twins, tmp_path: Path
) -> None:
    profile = twins.fresh(tmp_path / "orphaned")
    env = {"KFBENCH_ENGINE": "ray", "KFBENCH_RAY_ADDRESS": str(machines.where.address), "KFBENCH_RAY_NODE_IP": "127.0.0.1"}
    driver = start(profile, "--all", "--checkpoints", **env)
    until(lambda: len(list(profile.store.cells())) > 2 or driver.poll() is not None, 300)
    driver.kill()
    driver.communicate(timeout=60)
    done = set(profile.store.cells())
    assert 2 < len(done) < 12
    assert left_on_nodes(), "nobody was left to remove it"
    again = start(profile, "--all", "--checkpoints", **env)
    text = again.communicate(timeout=300)[0]
    assert again.returncode == 0, text
    assert f"{12 - len(done)} run, {len(done)} done before, 0 failed" in text
    assert everything(profile) == twins.expected
    assert not left_on_nodes()
    assert not list(profile.store.root.glob(".tmp-*"))


def left_on_nodes() -> list[Path]:
    """Folders of runs, of this machine's nodes."""
    return list(cache("x").parent.glob(f"{cache('x').name.removesuffix('x')}*"))


def test_on_this_machine_two_workers_give_the_same_bytes(twins: Twins, tmp_path: Path) -> None:
    profile = twins.fresh(tmp_path / "local")
    process = start(profile, "--all", "--checkpoints", **WORKERS)
    until(lambda: len(descendants(process.pid)) > 3 or process.poll() is not None)
    text = process.communicate(timeout=300)[0]
    assert process.returncode == 0, text
    assert "12 run, 0 done before, 0 failed" in text
    assert everything(profile) == twins.expected
    assert not folders(process.pid)
    again = start(profile, "--all", "--checkpoints", **(WORKERS | {"KFBENCH_RAY_ADDRESS": "127.0.0.1:1"}))
    text = again.communicate(timeout=120)[0]
    assert again.returncode == 0, f"nothing to run, no Ray to ask: {text}"
    assert "0 run, 12 done before, 0 failed" in text


def test_each_goes_wrong_in_its_own_way(machines: Machines, profile: Profile) -> None:
    """One run: the cells that fail stop no other, and say why as they do under every engine."""
    names = ["trapped", "hungry", "insatiable", "logged"]
    methods = variants(profile.root / "fits.log", names)
    methods |= {f"mortal.{n}": {"method": methods["trapped"]["method"].replace("Trapped", "Mortal")} for n in (1, 9)}
    for n in (1, 9):
        methods[f"mortal.{n}"]["params"] = {"log": str(profile.root / "fits.log"), "deaths": n}
    methods |= variants(profile.root / "fits.log", ["orphan"])
    profile.write(methods=methods, variants=[*names, "mortal.1", "mortal.9"], continued=["orphan"], sizes=[10], draws=1, seeds=[0])
    watch = Watching()
    report = run(profile, machines.engine(), watch)
    assert {name.split("/")[1]: steps for name, steps in watch.steps.items()} == {
        name: [1, 1] for name in ("hungry", "logged", "mortal.1")
    } | {"trapped": [1]}
    how = {cell.id.variant: how for cell, how in report.ended}
    ran = {"hungry", "logged", "mortal.1"}
    assert how == {name: "ran" if name in ran else "failed" for name in profile.params.rows}
    plan = make_plan(profile.params, profile.workspace)
    hashes = {cell.id.variant: cell.hash or "" for cell in plan.cells}
    failures = {name: profile.store.failure(hash) for name, hash in hashes.items() if name not in ran}
    errors = {name: failure.error.splitlines()[0] for name, failure in failures.items() if failure}
    assert errors == {
        "trapped": "RuntimeError: the trap is set",
        "insatiable": "OutOfMemoryError: CUDA out of memory",
        "mortal.9": "KfbenchError: its worker or node died 3 times",
        "orphan": "KfbenchError: demo_zh/trapped/10/0-0, which this cell starts from, failed",
    }
    trapped = failures["trapped"]
    assert trapped
    assert 'raise RuntimeError("the trap is set")' in trapped.traceback
    begun = Counter(line.split()[2] for line in (profile.root / "fits.log").read_text().splitlines() if " begin " in line)
    assert begun == {"Trapped": 1, "Hungry": 2, "Insatiable": 2, "Logged": 1, "Mortal": 2 + 3}
    retried = {name: profile.store.run(hashes[name]).retried for name in sorted(ran)}
    assert retried == {"hungry": {"reason": "out of GPU memory", "accumulate": 4}, "logged": None, "mortal.1": None}
    serial = make_plan(profile.params, profile.workspace, Filter(variants=["hungry", "orphan"]))
    found = {hash: profile.store.path(hash).joinpath(METRICS).read_bytes() for hash in [hashes["hungry"]]}
    worker = Worker(profile.params, profile.workspace, profile.store, force=True)
    again = Serial().run(serial.cells, worker, Silent())
    assert {cell.id.variant: how for cell, how in again.ended} == {"hungry": "ran", "orphan": "failed"}
    assert profile.store.path(hashes["hungry"]).joinpath(METRICS).read_bytes() == found[hashes["hungry"]]
    assert profile.store.run(hashes["hungry"]).retried == retried["hungry"]
    orphan = profile.store.failure(hashes["orphan"])
    assert orphan
    assert orphan.error.splitlines()[0] == errors["orphan"]


def test_a_cell_that_another_process_holds_is_awaited(machines: Machines, profile: Profile) -> None:
    profile.write(methods=variants(profile.root / "fits.log", ["logged"]), variants=["logged"], draws=1)
    plan = profile.plan()
    with ExitStack() as others:
        for cell in plan.cells[:2]:
            others.enter_context(profile.store.lock(cell.hash or ""))

        class Releasing(Watching):
            def waiting(self, cell: Planned) -> None:
                super().waiting(cell)
                if len(self.waited) == 2:
                    self.left = list(self.ended_)
                    others.close()

        watch = Releasing()
        report = run(profile, machines.engine(), watch)
    assert {cell.id for cell in watch.waited} == {cell.id for cell in plan.cells[:2]}
    assert report.count("ran") == 4
    assert len(times(profile.root / "fits.log", 0)) == 4


def test_points_are_seen_while_a_cell_runs(machines: Machines, profile: Profile) -> None:
    log = profile.root / "fits.log"
    profile.write(methods=variants(log, ["heard"]), variants=["heard"], sizes=[10], draws=1, seeds=[0])

    class Answering(Watching):
        def point(self, cell: Planned, point: Point) -> None:
            super().point(cell, point)
            Path(f"{log}.heard").touch()

    watch = Answering()
    report = run(profile, machines.engine(), watch)
    assert [how for _, how in report.ended] == ["ran"], report.failed
    assert list(watch.steps.values()) == [[1, 1]]


def test_ctrl_c_keeps_what_is_done_and_leaves_nothing_behind(profile: Profile) -> None:
    log = profile.root / "fits.log"
    profile.write(methods=variants(log, ["logged"], seconds=1.0), variants=["logged"])
    process = start(profile, "--all", **WORKERS)
    until(lambda: profile.store.cells() or process.poll() is not None, 120)
    started = descendants(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # all that a terminal's Ctrl-C reaches
    text = process.communicate(timeout=120)[0]
    assert process.returncode == 130, text
    assert "what is done is kept" in text
    assert "Traceback" not in text
    assert not left_over(started)
    assert not folders(process.pid)
    assert not list(profile.store.root.glob(".tmp-*"))
    found = states(profile.plan(), profile.store)
    assert 0 < found.count("done") < 8
    assert set(found) == {"done", "missing"}
    assert PREDICTIONS in {file.name for file in profile.store.path(next(iter(profile.store.cells()))).iterdir()}
