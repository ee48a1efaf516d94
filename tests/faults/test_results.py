"""A store and results with damaged, strange or later files: said clearly, and nothing lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmark.result import METRICS
from benchmark.store import CHECKPOINT, MANIFEST, checkpoint_damage
from tests.benchmark.conftest import Fits, Profile
from tests.faults.ordinary import kfbench

GARBAGE = {
    "bytes": b"\x00\xff\xfe garbage",
    "empty": b"",
    "half": b'{"cell": "x", "error": ',
    "list": b"[1, 2]",
    "kinds": b'{"cell": 1, "error": 5, "traceback": null, "time": [], "seconds": "x"}',
    "deep": b"[" * 100_000,
}


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file() and p.suffix != ".lock"}


@pytest.fixture
def one(profile: Profile) -> Profile:
    """A profile of a single cell, run and recorded."""
    profile.write(sizes=[10], draws=1, seeds=[0])
    assert kfbench(profile.root, "run", "--record").returncode == 0
    return profile


def later(file: Path) -> None:
    """As a later version would have written it."""
    values = json.loads(file.read_text())
    file.write_text(json.dumps(values | {"schema_version": 99}))


@pytest.mark.parametrize(
    "command", [["run"], ["run", "--force"], ["run", "--record"], ["plan"], ["gc", "--yes", "--params", "other.yaml"]], ids=" ".join
)
def test_a_result_of_a_later_version_is_left_as_it_is(command: list[str], one: Profile) -> None:
    """It is neither read wrongly nor moved aside nor overwritten: who runs an old checkout on a shared store loses nothing."""
    hash = one.plan().cells[0].hash or ""
    later(one.store.path(hash) / METRICS)
    values = (one.root / "params.yaml").read_text()
    (one.root / "other.yaml").write_text(values.replace("seeds:\n- 0", "seeds:\n- 1"))
    before = contents(one.store.root)
    done = kfbench(one.root, *command)
    assert done.returncode == 1
    assert done.stderr.startswith(f"kfbench: {one.store.path(hash).relative_to(one.root) / METRICS}: written by a newer version")
    assert "Update the checkout" in done.stderr
    assert "Traceback" not in done.stderr
    after = contents(one.store.root)
    assert {name: after[name] for name in before if not name.startswith(".index")} == {
        name: data for name, data in before.items() if not name.startswith(".index")
    }


def test_a_later_result_in_results_is_no_number_of_a_report(one: Profile) -> None:
    later(one.root / "results/demo_zh/lookup/10/0-0" / METRICS)
    done = kfbench(one.root, "report", "--out", "site")
    assert done.returncode == 1
    assert "written by a newer version" in done.stderr
    assert not (one.root / "site").exists()
    assert kfbench(one.root, "report", "--partial", "--out", "site").returncode == 0
    assert "newer version" in (one.root / "site/index.md").read_text()


@pytest.mark.parametrize("kind", GARBAGE)
def test_a_garbage_failure_file_stops_neither_plan_nor_run(kind: str, one: Profile) -> None:
    hash = one.plan().cells[0].hash or ""
    shutil.rmtree(one.store.path(hash))
    failure = one.store.root / f"{hash}.failed.json"
    failure.write_bytes(GARBAGE[kind])
    assert one.store.failure(hash) is None
    done = kfbench(one.root, "plan", "--cells")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert one.run().count("ran") == 1
    assert not failure.exists()


@pytest.mark.parametrize(
    "text", ['{"HASH": ["x"]}', '{"HASH": [1, 2, 3]}', '{"HASH": ["FILES", 5, "soon"]}', '{"HASH": null}', "7", "[" * 99_999]
)
def test_a_garbage_index_only_costs_time(text: str, one: Profile) -> None:
    hash = one.plan().cells[0].hash or ""
    index = one.store.root / ".index.json"
    files = json.loads(index.read_text())[hash][0]
    index.write_text(text.replace("HASH", hash).replace("FILES", files))
    done = kfbench(one.root, "plan", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cells"][0]["state"] == "done"


@pytest.mark.parametrize("file", ["run.json", MANIFEST, METRICS])
def test_damaged_results_and_stores_give_no_traceback(file: str, one: Profile) -> None:
    hash = one.plan().cells[0].hash or ""
    (one.store.path(hash) / file).write_bytes(b"[" * 100_000)
    for command in (["plan"], ["cells", "list"], ["gc", "--dry-run"], ["report", "--partial", "--out", "site"]):
        done = kfbench(one.root, *command)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == 0
    assert one.run().count("ran") == 1


# --- checkpoints ---


@pytest.fixture
def chain(profile: Profile) -> Profile:
    """A cell that starts from the tagger of another."""
    methods: dict[str, Any] = {"base": profile.values["methods"]["lookup"]}
    methods["onward"] = {"method": methods["base"]["method"], "params": methods["base"]["params"] | {"flat_only": True}, "requires": "base"}
    profile.write(variants=["base"], continued=["onward"], methods=methods, sizes=[10], draws=1, seeds=[0])
    assert profile.run().count("ran") == 2
    return profile


def damage_of(kind: str, checkpoint: Path) -> None:
    file = checkpoint / "known.json"
    match kind:
        case "truncated":
            file.write_bytes(file.read_bytes()[:-5])
        case "changed":
            file.write_bytes(file.read_bytes().replace(b"[", b" ", 1))
        case "gone":
            file.unlink()
        case "more":
            (checkpoint / "extra.bin").write_bytes(b"x")
        case "link":
            data = file.read_bytes()
            file.unlink()
            (checkpoint.parent.parent / "elsewhere").write_bytes(data)
            file.symlink_to(checkpoint.parent.parent / "elsewhere2")
        case "unsummed":
            manifest = json.loads((checkpoint.parent / MANIFEST).read_text())
            del manifest[CHECKPOINT]
            (checkpoint.parent / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize("kind", ["truncated", "changed", "gone", "more", "link", "unsummed"])
def test_a_damaged_checkpoint_trains_nothing_onward(kind: str, chain: Profile, fits: Fits) -> None:
    """It is set aside and trained again, and the cell that starts from it gets the same bytes as before."""
    base, onward = (cell.hash or "" for cell in chain.plan().cells)
    before = {hash: (chain.store.path(hash) / METRICS).read_bytes() for hash in (base, onward)}
    checkpoint = chain.store.checkpoint(base)
    assert checkpoint is not None
    assert checkpoint_damage(checkpoint.parent) is None
    damage_of(kind, checkpoint)
    assert checkpoint_damage(checkpoint.parent)
    chain.store.forget(onward)
    chain.run()
    assert len(fits(chain)) == 4
    assert {hash: (chain.store.path(hash) / METRICS).read_bytes() for hash in (base, onward)} == before
    assert chain.store.whole_checkpoint(base) is not None
    aside = list((chain.store.root / "broken").iterdir())
    assert [path.name.startswith(base) for path in aside] == [True]


def test_a_whole_checkpoint_is_used_as_it_is(chain: Profile, fits: Fits) -> None:
    _, onward = (cell.hash or "" for cell in chain.plan().cells)
    chain.store.forget(onward)
    chain.run()
    assert len(fits(chain)) == 3
