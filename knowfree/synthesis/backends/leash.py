"""Processes that must not outlive this one, however it ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable

# Reads until the other end of its pipe is gone, which a kill cannot prevent; then nobody needs these processes any more.
WATCH = """
import os, sys
sys.stdin.buffer.read()
for pid in map(int, sys.argv[1:]):
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        pass
"""


class Leash:
    """Kills processes when this one dies without a word; `release` lets them go first, to be stopped in good order."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", WATCH, *map(str, pids)],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the others
        )

    def release(self) -> None:
        self._watcher.kill()  # before its pipe closes
        self._watcher.wait()
        if self._watcher.stdin:
            self._watcher.stdin.close()
