"""Where cells run on this machine: the environment and a file that git ignores, never params, so that dvc.lock is the same everywhere."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, ValidationError

from benchmark.config import Strict
from splits.errors import ConfigError
from splits.plain_yaml import read_yaml

FILE = Path(".kfbench") / "local.yaml"
ENGINE, WORKERS = "KFBENCH_ENGINE", "KFBENCH_WORKERS"
ADDRESS, NODE_IP = "KFBENCH_RAY_ADDRESS", "KFBENCH_RAY_NODE_IP"
VARIABLES = {"engine": (ENGINE,), "workers": (WORKERS,), "address": (ADDRESS, "RAY_ADDRESS"), "node_ip": (NODE_IP,)}
LOOPBACK = "127.0.0.1"


class Local(Strict):
    """Keys of `.kfbench/local.yaml`; a variable of the environment wins over a key.

    Attributes:
        workers: how many cells at a time (`processes`), or CPU cores for cells (`ray` on this machine); None: the cores there are.
        address: of a Ray cluster (`host:port`, `auto`); None: Ray on this machine, for the time of a run.
        node_ip: this machine's address as the cluster knows it; Ray on this machine listens on the loopback alone.
        gpu_share: how much of a GPU a cell takes; None: by its estimated memory.
        attempts: how often a cell is begun whose worker or node dies.
    """

    engine: str = "serial"
    workers: int | None = Field(None, ge=1)
    address: str | None = None
    node_ip: str | None = None
    gpu_share: float | None = Field(None, gt=0, le=1)
    attempts: int = Field(3, ge=1)

    @property
    def cores(self) -> int:
        """CPU cores that cells may use on this machine."""
        if self.workers is not None:
            return self.workers
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def local(root: Path | str = ".") -> Local:
    """The settings of the profile in `root`.

    Raises:
        ConfigError: the file or a variable says what cannot be.
    """
    path = Path(root) / FILE
    values = _read(path)
    sources = dict.fromkeys(values, str(path))
    for key, names in VARIABLES.items():
        name = next((name for name in names if os.environ.get(name)), None)
        if name is not None:
            values[key], sources[key] = os.environ[name], name
    try:
        return Local(**values)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        source = sources[key] if sources[key] == str(path) else f"{sources[key]}={values[key]}"
        known = ", ".join(Local.model_fields)
        raise ConfigError(f"{source}: {key}: {first['msg']}", f"Correct it, or leave it out; there are: {known}.") from None


def _read(path: Path) -> dict[str, object]:
    try:
        values = read_yaml(path)
    except FileNotFoundError:
        return {}
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ConfigError(f"{path}: expected a mapping of settings", "See docs/profiles.md.")
    return values
