"""What the kernel tells of processes: every reader copes with one that ends while it is looked at."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LONGEST = 500.0  # seconds until a process that lives on counts as left behind; no figure of speed


@dataclass(frozen=True)
class Process:
    """A line of /proc/PID/stat, as far as tests ask for it."""

    pid: int
    state: str  # Z is one that has ended and that nobody has buried yet
    parent: int
    session: int
    seconds: float  # of CPU


def process(pid: int) -> Process | None:
    """None where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):  # it had ended before, or ended between opening and reading
        return None
    state, parent, _, session = fields[:4]
    return Process(pid, state, int(parent), int(session), sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK"))


def processes() -> Iterator[Process]:
    """All of them, those that have ended and that nobody has buried left out."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (found := process(int(folder.name))) is not None and found.state != "Z":
            yield found


def command(pid: int) -> str:
    """Its words; none where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def children(pid: int) -> list[int]:
    """Processes that one has started."""
    return [found.pid for found in processes() if found.parent == pid]


def descendants(pid: int) -> set[int]:
    """Processes below one, however deep."""
    everything = list(processes())
    found: set[int] = set()
    while more := {one.pid for one in everything if one.parent in found | {pid}} - found:
        found |= more
    return found


def session_of(pid: int) -> list[int]:
    """Living processes of a session."""
    return [found.pid for found in processes() if found.session == pid]


def alive(pids: Iterable[int]) -> set[int]:
    """Those that run."""
    return {pid for pid in pids if (found := process(pid)) is not None and found.state != "Z"}


def left_over(pids: Iterable[int]) -> set[int]:
    """Those that do not end by themselves; they are killed, so that no test leaves anything behind."""
    left, end = set(pids), time.monotonic() + LONGEST
    while (left := alive(left)) and time.monotonic() < end:
        time.sleep(0.1)
    kill(left)
    return left


def kill(pids: Iterable[int]) -> None:
    """By their own ids, as when a machine dies."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
