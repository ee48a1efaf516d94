"""What code does beside its work: files it opens and writes, optimiser steps it makes, state of the process that it changes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
MAKES = {"os.mkdir": 0, "os.rename": 1, "os.link": 1, "os.symlink": 1, "os.truncate": 0}  # event -> which argument is the path
TAKES = {"os.remove": 0, "os.rmdir": 0, "os.rename": 0}
CACHES = ("XDG_CACHE_HOME", "HF_HOME", "TORCH_HOME", "MPLCONFIGDIR", "TRITON_CACHE_DIR", "NUMBA_CACHE_DIR")  # libraries' own


@dataclass
class Seen:
    """What a watched block did.

    Attributes:
        read: absolute paths that it opened, those that are not there included.
        written: what is there now and was not, or is other than it was; and what is gone. Caches of libraries are left out.
        steps: optimiser steps, of the suite's optimiser or any of torch's.
        made: everything that it opened to write, gone or not.
        changed: state of the process that is not as it was: name -> (before, after).
    """

    read: dict[str, None] = field(default_factory=dict)
    written: dict[str, None] = field(default_factory=dict)
    made: frozenset[str] = frozenset()
    steps: int = 0
    changed: dict[str, tuple[str, str]] = field(default_factory=dict)


class _Ear:
    """The process's one audit hook, which Python cannot take off again: deaf but for the time of a watch."""

    def __init__(self) -> None:
        self.seen: Seen | None = None
        self.taken: dict[str, None] = {}  # removed without having been made
        self.installed = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.seen is None:
            return
        if event == "open":
            path, _, flags = arguments
            if _is_path(path):
                (self.seen.written if flags & WRITES else self.seen.read)[_absolute(path)] = None
            return
        if event in TAKES and _is_path(path := arguments[TAKES[event]]) and _absolute(path) not in self.seen.written:
            self.taken[_absolute(path)] = None
        if event in MAKES and _is_path(path := arguments[MAKES[event]]):
            self.seen.written[_absolute(path)] = None


_ear = _Ear()


def _is_path(path: object) -> bool:
    return isinstance(path, str | bytes | os.PathLike)


def _absolute(path: Any) -> str:
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - not resolved: inside a hook nothing may be asked of the disk


@contextmanager
def watch(sandbox: Path) -> Iterator[Seen]:
    """Watch a block; afterwards the process's state is put back as it was.

    Args:
        sandbox: the working directory, whose files are compared before and after: what is not Python's own writing shows there.
    """
    seen = Seen()
    before, files = state(), listing(sandbox)
    if not _ear.installed:
        sys.addaudithook(_ear)
        _ear.installed = True
    _ear.seen, _ear.taken = seen, {}
    try:
        with _counting(seen):
            yield seen
    finally:
        _ear.seen = None
        after = state()
        seen.changed = {name: (_short(before[name]), _short(after[name])) for name in before if before[name] != after[name]}
        put_back(before)
        seen.made = frozenset(seen.written)
        standing = {path for path in seen.written if os.path.lexists(path)}
        differing = {str(path) for path, stat in listing(sandbox).items() ^ files.items()}
        seen.written = {path: None for path in sorted(standing | differing | _ear.taken.keys()) if not of_a_library(Path(path))}


@contextmanager
def _counting(seen: Seen) -> Iterator[None]:
    """Count the steps of torch's optimisers, and of the suite's own, which is none of them."""
    from torch.optim.optimizer import register_optimizer_step_post_hook

    from benchmark.nn.adamw import AdamW

    def count(*_: Any) -> None:
        seen.steps += 1

    def step(self: AdamW, factor: float = 1.0) -> None:
        count()
        plain(self, factor)

    plain, handle = AdamW.step, register_optimizer_step_post_hook(count)
    AdamW.step = step  # type: ignore[method-assign]
    try:
        yield
    finally:
        AdamW.step = plain  # type: ignore[method-assign]
        handle.remove()


def of_a_library(path: Path) -> bool:
    """Whether a file is a cache of Python or of a library, or none at all."""
    caches = [Path.home() / ".cache", *(Path(os.environ[name]) for name in CACHES if os.environ.get(name))]
    return "__pycache__" in path.parts or path.parts[1:2] in (("dev",), ("proc",)) or any(path.is_relative_to(cache) for cache in caches)


def listing(folder: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of everything below a folder."""
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))}


def state() -> dict[str, Any]:
    """What of a process a method must leave alone."""
    import numpy as np
    import torch

    return {
        "working directory": str(Path.cwd()),
        "environment": dict(os.environ),
        "sys.path": list(sys.path),
        "torch.get_default_dtype()": torch.get_default_dtype(),
        "torch.get_num_threads()": torch.get_num_threads(),
        "torch.is_grad_enabled()": torch.is_grad_enabled(),
        "torch.get_default_device()": torch.get_default_device(),
        "torch.get_deterministic_debug_mode()": torch.get_deterministic_debug_mode(),
        "numpy.geterr()": np.geterr(),
    }


def put_back(before: dict[str, Any]) -> None:
    """Make the state what it was."""
    import numpy as np
    import torch

    os.chdir(before["working directory"])
    if dict(os.environ) != before["environment"]:
        os.environ.clear()
        os.environ.update(before["environment"])
    sys.path[:] = before["sys.path"]
    torch.set_default_dtype(before["torch.get_default_dtype()"])
    torch.set_num_threads(before["torch.get_num_threads()"])
    torch.set_grad_enabled(before["torch.is_grad_enabled()"])
    if torch.get_default_device() != (device := before["torch.get_default_device()"]):
        torch.set_default_device(None if device.type == "cpu" else device)
    torch.set_deterministic_debug_mode(before["torch.get_deterministic_debug_mode()"])
    np.seterr(**before["numpy.geterr()"])


def _short(value: object) -> str:
    return str(value) if len(str(value)) < 60 else f"{str(value)[:57]}..."
