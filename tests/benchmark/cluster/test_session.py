"""Ray on this machine: it listens on the loopback alone, and lives no longer than whoever started it."""

from __future__ import annotations

import builtins
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from benchmark.cluster.session import modules, new_folder, session
from benchmark.local import Local
from splits.errors import ConfigError
from tests.environment import ROOT, environment
from tests.system import command, descendants, kill, left_over

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes and sockets in /proc")

CODE = """
import json, os, sys, time
from benchmark.cluster.session import session
from benchmark.local import Local
with session(Local(workers=2)) as found:
    @found.ray.remote
    def where():
        import benchmark
        return benchmark.__file__
    print(json.dumps({"file": found.ray.get(where.remote()), "here": found.here}), flush=True)
    sys.stdin.readline()
"""


def start(before: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    env = environment()
    process = subprocess.Popen([sys.executable, "-c", before + CODE], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    return process, json.loads(process.stdout.readline())


def listening(pids: set[int]) -> set[str]:
    """Addresses, as the kernel writes them, on which processes listen for TCP."""
    inodes = set()
    for pid in pids:
        with suppress(OSError):  # it ends meanwhile
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):  # it is closed meanwhile
                    if (target := str(link.readlink())).startswith("socket:["):
                        inodes.add(target[8:-1])
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            row = line.split()
            if row[3] == "0A" and row[9] in inodes:
                found.add(row[1].split(":")[0])
    return found


LOOPBACKS = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}  # v4, v6, v4 in v6


def folders(pid: int) -> list[Path]:
    return list(Path("/tmp").glob(f"kfbench-ray-{pid}-*"))


@pytest.mark.parametrize("before", ["", "import ray"])
def test_it_listens_on_the_loopback_alone_and_nothing_of_it_lives_on_when_it_is_killed(before: str) -> None:
    process, said = start(before)
    try:
        started = descendants(process.pid)
        assert said == {"file": str(ROOT / "benchmark" / "__init__.py"), "here": True}
        names = {pid: command(pid) for pid in started}
        assert len(started) > 3
        found = listening(started | {process.pid})
        assert found
        assert found <= LOOPBACKS
    finally:
        process.kill()
        process.communicate(timeout=60)
    agents = {pid for pid in started if "Agent" in names[pid]}
    assert not [names[pid] for pid in left_over(started - agents)]
    kill(agents)  # they end by themselves, but wait a minute for a dead head to hear of it
    assert not left_over(agents)
    assert folders(process.pid), "nobody could remove it"
    new_folder().rmdir()  # who comes next does
    assert not folders(process.pid)


def test_without_ray_the_mend_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "ray":
            raise ImportError(name)
        return imported(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install -e '\.\[ray\]'"), session(Local()):
        pass


def test_a_cluster_that_does_not_answer_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"no Ray cluster at 127\.0\.0\.1:1"), session(Local(address="127.0.0.1:1", node_ip="127.0.0.1")):
        pass


def test_nodes_are_given_every_room() -> None:
    assert {str(ROOT / room) for room in ("splits", "benchmark", "knowfree", "baselines", "reports")} <= set(modules())
    assert all(os.access(Path(folder) / "__init__.py", os.R_OK) for folder in modules())
