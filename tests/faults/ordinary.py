"""`kfbench` in a child for which permission bits count and files may have a largest size, as for an ordinary user on a small disk.

The child is forked, not started: what it needs is imported already, so that a test of faults costs what the command costs.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 120  # seconds until a child that hangs is ended
VERSION_3 = 0x20080522  # of capset(2)


@dataclass(frozen=True)
class Ended:
    """How a child ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def kfbench(root: Path, *arguments: str, ordinary: bool = True, largest: int | None = None, **variables: str) -> Ended:
    """`kfbench ...` in a folder.

    Args:
        ordinary: root has no rights here that permission bits do not bind.
        largest: bytes that a file may have; a longer one cannot be written.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            try:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                sys.stdout, sys.stderr = (os.fdopen(n, "w", encoding="utf-8", closefd=False) for n in (1, 2))
                signal.alarm(PATIENCE)
                os.chdir(root)
                for name in ("KFBENCH_STORE", "KFBENCH_ENGINE", "KFBENCH_LLM"):
                    os.environ.pop(name, None)
                os.environ |= variables
                if ordinary:
                    bind()
                os._exit(_main(arguments, largest))
            except BaseException:
                traceback.print_exc()
                os._exit(70)
        _, status = os.waitpid(child, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8"))
        return Ended(os.waitstatus_to_exitcode(status), *texts)


def _main(arguments: tuple[str, ...], largest: int | None) -> int:
    from benchmark.cli import main

    sys.argv = ["kfbench", *arguments]
    code: object = 0
    try:
        if largest is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python does where it is started: the write fails instead
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
        main()
    except SystemExit as ended:
        code = ended.code
    if largest is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))  # what it said is a file too
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


def bind() -> None:
    """Give up what root may do that permission bits forbid; of others they are true already."""
    if os.geteuid() == 0:
        header = (ctypes.c_uint32 * 2)(VERSION_3, 0)
        nothing = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice 32 bits of each
        if ctypes.CDLL(None, use_errno=True).capset(header, nothing) != 0:
            raise OSError(ctypes.get_errno(), "capset")


def locked(root: Path) -> None:
    """Take all rights to write away from a folder and what is in it."""
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else 0o444)


def unlocked(root: Path) -> None:
    """Give them back, so that the folder can be removed."""
    root.chmod(0o755 if root.is_dir() else 0o644)
    for path in root.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
