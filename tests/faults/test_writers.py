"""Files and folders that two processes write at once, or one that is killed: whole, by one of them, and nothing beside them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.collect import collect
from splits.files import new_folder, own_file, write_text
from tests.benchmark.conftest import Profile
from tests.environment import environment

FOLDER = """
import sys, time
from pathlib import Path
from splits.files import new_folder
print("up", flush=True)
sys.stdin.readline()
with new_folder(Path(sys.argv[1])) as folder:
    for i in range(40):
        (folder / str(i)).write_text(sys.argv[2])
        if i == 20:
            print("half", flush=True)
        time.sleep(float(sys.argv[3]))
"""
FILE = """
import sys, time
from pathlib import Path
from splits.files import own_file
with own_file(Path(sys.argv[1])) as file:
    file.write_text("half")
    print("half", flush=True)
    time.sleep(60)
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(line, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_two_processes_that_make_one_folder_take_turns(tmp_path: Path) -> None:
    out = tmp_path / "out"
    both = [start(FOLDER, out, word, 0.01) for word in ("one", "other")]
    for process in both:
        assert said(process) == "up"
    for process in both:
        go(process)
    assert [process.wait(60) for process in both] == [0, 0]
    found = {path.read_text() for path in out.iterdir()}
    assert len(found) == 1, "the files of one of them, all"
    assert (len(names(out)), names(tmp_path)) == (40, ["out"])


def test_who_makes_the_same_folder_again_leaves_it_to_its_readers(tmp_path: Path) -> None:
    out, other = tmp_path / "out", "other"

    def make(text: str) -> int:
        with new_folder(out) as folder:
            (folder / "in").mkdir()
            (folder / "in" / "a").write_text(text)
        return out.stat().st_ino

    first = make("same")
    assert make("same") == first
    assert make(other) != first
    assert (out / "in" / "a").read_text() == other
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("there", [False, True])
def test_what_a_killed_process_left_of_a_folder_is_gone_when_it_is_made(there: bool, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if there:
        (tmp_path / ".out.leaving").mkdir()  # a kill between two renames
        (tmp_path / ".out.leaving" / "old").write_text("old")
    process = start(FOLDER, out, "dead", 0.01)
    go(process)
    assert (said(process), said(process)) == ("up", "half")
    process.kill()
    process.wait()
    assert ".out.making" in names(tmp_path)
    with new_folder(out) as folder:
        assert names(folder) == []
        (folder / "a").write_text("new")
    assert (names(tmp_path), names(out)) == (["out"], ["a"])


def test_a_file_is_waited_for_while_its_writer_lives_and_taken_over_when_it_is_dead(tmp_path: Path) -> None:
    path, temporary = tmp_path / "x.json", tmp_path / ".x.json.tmp"
    process = start(FILE, temporary)
    assert said(process) == "half"
    with own_file(temporary, waiting=lambda: os.kill(process.pid, signal.SIGKILL)) as mine:
        assert mine == temporary
        assert process.wait(10) == -signal.SIGKILL
        write = mine.open("w")
        write.write("whole")
        write.close()
        mine.replace(path)
    assert (path.read_text(), names(tmp_path)) == ("whole", ["x.json"])


def test_a_file_left_half_written_by_a_kill_goes_with_the_next_write(tmp_path: Path) -> None:
    process = start(FILE, tmp_path / ".x.json.tmp")
    assert said(process) == "half"
    process.kill()
    process.wait()
    write_text(tmp_path / "x.json", "w")
    assert ((tmp_path / "x.json").read_text(), names(tmp_path)) == ("w", ["x.json"])


def test_a_folder_that_cannot_be_made_is_an_error_and_no_endless_wait(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    def make() -> None:
        with new_folder(tmp_path / "file" / "out"):
            pass

    with pytest.raises(OSError, match="Not a directory"):
        make()
    with pytest.raises(FileNotFoundError), own_file(tmp_path / "nowhere" / ".x.tmp"):
        pass


def test_results_that_a_kill_left_half_collected_are_collected_whole(profile: Profile) -> None:
    profile.run()
    results = profile.root / "results"
    left = results / "demo_zh" / ".lookup.making" / "10"
    left.mkdir(parents=True)
    (left / "half").write_text("half")
    assert collect(profile.plan(), profile.store, results, profile.params.protocol) == 8
    assert names(results / "demo_zh") == ["lookup"]
    inode = (results / "demo_zh" / "lookup").stat().st_ino
    assert collect(profile.plan(), profile.store, results, profile.params.protocol) == 8
    assert (results / "demo_zh" / "lookup").stat().st_ino == inode
