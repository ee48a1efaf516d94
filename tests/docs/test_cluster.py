"""The commands of docs/cluster.md, as they stand there, on two nodes that both are this machine, on 127.0.0.1 alone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.benchmark.slurm import PYTHON, RAY, write
from tests.docs.blocks import ROOT, read
from tests.environment import environment
from tests.system import kill, session_of

LONGEST = 300.0  # seconds until something that hangs counts as failed; no figure of speed
COVERED = "test_the_commands_of_the_page_run_as_they_stand"

pytestmark = pytest.mark.timeout(4 * LONGEST)


def blocks(covered: str) -> list[str]:
    """The page's blocks that name a test here, in order."""
    return ["\n".join(block.lines) for block in read(ROOT / "docs" / "cluster.md").blocks if block.mark.endswith(f"::{covered}")]


def until(condition: Callable[[], bool], log: Path) -> None:
    end = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)


def listen() -> None:
    """A background job of a shell is deaf to Ctrl-C, and children inherit that: tests run as such a job too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def terminal(text: str, log: Path, at: Path, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A block that stays, in a terminal of its own; at the end somebody presses Ctrl-C there."""
    with log.open("w") as said:
        started = subprocess.Popen(
            ["bash", "-ec", text], cwd=at, env=env, stdout=said, stderr=said, start_new_session=True, preexec_fn=listen
        )
    try:
        yield started
        os.killpg(started.pid, signal.SIGINT)
        until(lambda: started.poll() is not None and not session_of(started.pid), log)
    finally:
        kill(session_of(started.pid))  # whatever a failed test has left
        started.wait()


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """The micro profile with two cells, its data made."""
    folder = tmp_path / "micro"
    folder.mkdir()
    values = yaml.safe_load((ROOT / "tests" / "micro" / "params.yaml").read_text(encoding="utf-8"))
    (folder / "params.yaml").write_text(yaml.safe_dump(values | {"code": str(ROOT), "variants": ["bert_crf"], "draws": 2}))
    for command in ("corpora prepare demo_zh --out data", "draw demo_zh"):
        call = [sys.executable, "-c", "from benchmark.cli import main; main()", *command.split()]
        subprocess.run(call, cwd=folder, env=environment(), check=True, capture_output=True)
    return folder


def typed(text: str, at: Path, env: dict[str, str]) -> str:
    """What a block that ends prints."""
    ran = subprocess.run(["bash", "-eo", "pipefail", "-c", text], cwd=at, env=env, capture_output=True, text=True, timeout=LONGEST)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def metrics(store: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in store.glob("*/metrics.json")}


def test_the_commands_of_the_page_run_as_they_stand(profile: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here, head, other, driver = (re.sub(r"10\.0\.0\.\d", "127.0.0.1", block).replace("6379", str(port)) for block in blocks(COVERED))
    assert [block.count(" --block") for block in (here, head, other, driver)] == [0, 1, 1, 0]
    write(tmp_path / "bin", ray=RAY, python=PYTHON, kfbench=f"#!{sys.executable}\nfrom benchmark.cli import main\nmain()\n")
    scratch = tempfile.mkdtemp(prefix="kfb-", dir="/tmp")  # short: the path of a socket has at most 107 characters
    env = environment(HOME=str(tmp_path), RAY_TMPDIR=scratch, RAY_USAGE_STATS_ENABLED="0", KFBENCH_RAY_NODE_IP="127.0.0.1")
    env = {k: v for k, v in env.items() if not k.startswith("RAY_AUTH")}
    env["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{env['PATH']}"

    said = typed(here, profile, env)
    assert "2 run, 0 done before" in said
    assert "0 run, 2 done before" in said
    one = metrics(profile / ".kfbench" / "store")
    shutil.rmtree(profile / ".kfbench")
    try:
        with terminal(head, tmp_path / "head.log", profile, env) as first:
            until(lambda: first.poll() is not None or answers(port), tmp_path / "head.log")
            with terminal(other, tmp_path / "other.log", profile, env) as second:
                until(lambda: second.poll() is not None or "block forever" in (tmp_path / "other.log").read_text(), tmp_path / "other.log")
                assert "2 run, 0 done before" in typed(driver, profile, env)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    assert len(one) == 2
    assert metrics(profile / ".kfbench" / "store") == one
    assert (tmp_path / ".ray" / "auth_token").read_text()


def answers(port: int) -> bool:
    with socket.socket() as knocking:
        return knocking.connect_ex(("127.0.0.1", port)) == 0


def test_the_slurm_command_of_the_page_writes_a_script(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").touch()
    (command,) = blocks("test_the_slurm_command_of_the_page_writes_a_script")
    write(tmp_path / "bin", kfbench=f"#!{sys.executable}\nfrom benchmark.cli import main\nmain()\n")
    env = environment()
    typed(command, tmp_path, env | {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{env['PATH']}"})
    script = (tmp_path / "job.sh").read_text()
    assert "#SBATCH --nodes=4" in script
    assert f"profile={tmp_path}" in script
