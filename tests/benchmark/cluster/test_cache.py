"""The folder of a run on a node: nobody takes it from a living task, and a dead run's goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from benchmark.cluster.cache import cache, clear, held
from tests.environment import environment

HOLD = """
import sys
from benchmark.cluster.cache import held
with held(sys.argv[1]) as folder:
    (folder / "weights").write_text("x")
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_stays_while_a_process_holds_it_and_goes_when_that_is_killed(node: Path) -> None:
    task = subprocess.Popen(
        [sys.executable, "-c", HOLD, "theirs"], env=environment(TMPDIR=str(node)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert task.stdout
    assert task.stdout.readline() == "held\n"
    theirs = cache("theirs") / "weights"
    try:
        with held("mine") as mine:
            assert mine == cache("mine")
            assert mine.is_dir()
            assert theirs.read_text() == "x"
            with held("mine"), held("third"):  # of one run there are several tasks
                assert mine.is_dir()
    finally:
        os.kill(task.pid, signal.SIGKILL)
        task.communicate(timeout=60)
    assert theirs.is_file()
    with held("mine"):
        assert {path.name for path in node.iterdir()} == {cache("mine").name}
    assert cache("mine").is_dir(), "the next task of the run finds what was unpacked"
    clear("mine")
    assert not list(node.iterdir())


def test_many_tasks_of_two_runs_that_come_and_go_never_lose_their_folder() -> None:
    errors: list[Exception] = []

    def task(run: str) -> None:
        try:
            for _ in range(100):
                with held(run) as folder:
                    file = folder / threading.current_thread().name
                    file.touch()
                    file.unlink()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=task, args=(run,)) for run in ("one", "other") * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_what_is_not_a_runs_folder_of_this_user_is_left(node: Path) -> None:
    elsewhere = node / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis").touch()
    cache("link").symlink_to(elsewhere)
    cache("file").touch()
    (node / f"kfbench-{os.getuid() + 1}-run").mkdir()
    before = sorted(node.iterdir())
    with held("mine"):
        pass
    clear("mine")
    assert sorted(node.iterdir()) == before
    assert (elsewhere / "thesis").is_file()


def test_a_run_with_a_folder_of_its_own_works_in_that(tmp_path: Path) -> None:
    with held(str(tmp_path / "ray")) as folder:
        assert folder == tmp_path / "ray" / "cells"
        assert folder.is_dir()
