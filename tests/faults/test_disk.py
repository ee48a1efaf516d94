"""A disk that is full in the middle of writing: the command says so and ends, and what stood there stands."""

from __future__ import annotations

import json
import subprocess
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from knowfree.synthesis.chat import Reply
from knowfree.synthesis.replies import ReplyLog, read
from splits.errors import KfbenchError, WriteError
from tests.benchmark.conftest import Fits, Profile
from tests.benchmark.test_engine import start
from tests.faults.ordinary import kfbench
from tests.faults.test_results import contents

STAGES = {
    "store": (["run"], 500),
    "results": (["run", "--record"], 500),
    "prepared": (["corpora", "prepare", "demo_zh", "--out", "data"], 3000),
    "draws": (["draw", "demo_zh"], 200),
    "site": (["report", "--partial", "--out", "site"], 5000),
    "fingerprint": (["fingerprint"], 100),
    "method": (["new-method", "mine"], 100),
}


@pytest.fixture
def half(profile: Profile) -> Profile:
    """Two cells, one done; corpora, draws and a site that stand."""
    profile.write(sizes=[10], draws=2, seeds=[0])
    assert kfbench(profile.root, "run", "--draw", "0", "--record").returncode == 0
    assert kfbench(profile.root, "report", "--partial", "--out", "site").returncode == 0
    return profile


def lasting(root: Path) -> dict[str, bytes]:
    """All that a user would miss; memories of what was hashed are none of it."""
    return {name: data for name, data in contents(root).items() if not name.startswith(".kfbench/") or name.startswith(".kfbench/store/")}


@pytest.mark.parametrize("stage", STAGES)
def test_a_file_that_does_not_fit_is_said_and_what_stood_there_stands(stage: str, half: Profile, fits: Fits) -> None:
    """With a bound on the size of a file, which any user can set: it works wherever tests run."""
    command, largest = STAGES[stage]
    before, trained = lasting(half.root), len(fits(half))
    done = kfbench(half.root, *command, largest=largest)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    first, mend = done.stderr.splitlines()[-2:]
    assert first.startswith("kfbench: ")
    assert "File too large" in first
    assert "space" in mend
    after = lasting(half.root)
    assert {name: data for name, data in after.items() if name != "fits.log"} == {n: d for n, d in before.items() if n != "fits.log"}
    assert len(fits(half)) <= trained + 1  # no cell after the first that cannot be written
    if stage in ("store", "results"):
        assert half.run().count("ran") == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with little room, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted here ({done.stderr.strip()}); the tests above bound the size of files instead")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def run(profile: Profile, **variables: str) -> tuple[int, str]:
    """`kfbench run` in a process of its own, which Ray wants; its exit status, and what it printed."""
    process = start(profile, **variables)
    text = process.communicate(timeout=300)[0]
    return process.returncode, text


@pytest.mark.parametrize("engine", ["serial", "processes", "ray"])
def test_a_store_on_a_full_disk_keeps_its_cells_and_goes_on_with_room(engine: str, small_disk: Path, profile: Profile) -> None:
    profile.write(sizes=[10], draws=1, seeds=[0])
    store = small_disk / "store"
    env = {"KFBENCH_STORE": str(store), "KFBENCH_ENGINE": engine, "KFBENCH_WORKERS": "2"}
    assert run(profile, KFBENCH_STORE=str(store))[0] == 0
    profile.write(sizes=[10, 20], draws=2)
    done_cell = contents(store)
    fill = small_disk / "fill"
    with pytest.raises(OSError, match="No space left"):
        fill.write_bytes(b"\0" * 2**21)
    code, text = run(profile, **env)
    assert code == 1, text
    assert "No space left on device" in text
    assert "Traceback" not in text
    kept = contents(store)
    assert {name: kept.get(name) for name in done_cell if not name.startswith(".")} == {
        name: data for name, data in done_cell.items() if not name.startswith(".")
    }
    assert [path.name for path in store.glob(".tmp-*")] == []
    fill.unlink()
    code, text = run(profile, **env)
    assert code == 0, text
    assert "3 run, 1 done before, 0 failed" in text


def test_a_reply_log_on_a_full_disk_keeps_every_reply_and_goes_on(small_disk: Path) -> None:
    path = small_disk / "replies.jsonl"
    with pytest.raises(KfbenchError, match="No space left") as caught, ReplyLog(path) as log:
        deque(log.add(f"key-{i}", {"id": str(i)}, Reply("x" * 500)) for i in range(2000))
    assert "the replies in it are kept" in caught.value.mend
    kept = read(path)
    assert len(kept) > 50
    assert list(kept) == [f"key-{i}" for i in range(len(kept))]
    whole = [line for line in path.read_bytes().split(b"\n") if line]
    for line in whole[: len(kept)]:
        json.loads(line)
    subprocess.run(["mount", "-o", "remount,size=2m", str(small_disk)], check=True)
    with ReplyLog(path) as log:
        log.add("late", {"id": "late"}, Reply("late"))
    assert list(read(path)) == [*kept, "late"]


def test_a_device_that_is_always_full_is_an_error(tmp_path: Path) -> None:
    from splits.files import write_text

    (tmp_path / "out").symlink_to("/dev/full")
    write_text(tmp_path / "out", "replaced, not written through")  # a rename: what the link names is not touched
    assert not (tmp_path / "out").is_symlink()
    with pytest.raises(WriteError, match="cannot be written"):
        write_text("/dev/full/x", "x")
