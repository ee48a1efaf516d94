"""Ray for the time of a run: started on this machine and ended with it, or an existing cluster's."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmark.fingerprint import GROUP, ROOT, packages
from benchmark.local import LOOPBACK, Local
from splits.errors import ConfigError, KfbenchError

ROOMS = ("splits", "benchmark", "knowfree", "baselines", "reports")
TEMPORARY = "kfbench-ray"  # what Ray on this machine writes: /tmp/kfbench-ray-<process>-<random>
LONGEST = 30  # characters of the folder that holds it: a socket's path has at most 107, and Ray's own part takes 70
PATIENCE = 10.0  # seconds for an address to answer
OBJECTS = 1 << 30  # bytes of shared memory for what tasks are given and give back; more goes to disk
MANNERS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_worker_niceness": "0",  # Ray would let cells stand back behind everything else on the machine
}
CARRIED = ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "TRANSFORMERS_OFFLINE", "DO_NOT_TRACK", "VLLM_NO_USAGE_STATS")


@dataclass(frozen=True)
class Session:
    """A connection.

    Attributes:
        ray: the module, connected.
        here: Ray was started by us, on this machine alone.
        node: id of the node that the driver is on.
        folder: what goes with a Ray that was started here; None: a cluster's.
    """

    ray: ModuleType
    here: bool
    node: str
    folder: Path | None = None


@contextmanager
def session(where: Local, *, gpus: int | None = None) -> Iterator[Session]:
    """Connect to the cluster at `where.address`, or start Ray here; what was started ends with the block, or with this process.

    Code of this checkout and of installed rooms goes to a cluster's nodes; Ray on this machine imports it where it lies.

    Args:
        gpus: how many Ray started here shall count; None: those it finds.

    Raises:
        ConfigError: Ray is not installed, or no cluster answers at the address.
    """
    ray = _import(where)
    if ray.is_initialized():  # by whoever called us: theirs to end
        yield Session(ray, False, ray.get_runtime_context().get_node_id())
        return
    folder = None if where.address else new_folder()
    try:
        if folder is None:
            _join(ray, where)
        else:
            _start(ray, where, folder, gpus)
        yield Session(ray, folder is not None, ray.get_runtime_context().get_node_id(), folder)
    finally:
        with _undisturbed():
            ray.shutdown()
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


def _import(where: Local) -> Any:
    """Ray, with the environment that it reads on import."""
    for name, value in MANNERS.items():
        os.environ.setdefault(name, value)
    alone = where.address is None or where.node_ip == LOOPBACK
    if alone:
        # Ray replaces 127.0.0.1 by the machine's outer address, where anybody may knock, unless it is told that this
        # system asks its user about every such address, as macOS and Windows do.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    if where.address is None and "ray" not in sys.modules and "RAY_AUTH_MODE" not in os.environ:
        # Who else is on this machine cannot run code as us. Left alone, Ray would keep a token in the home directory.
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    try:
        import ray
    except ImportError:
        raise ConfigError("the engine `ray` needs Ray, which is not installed", "Run `pip install -e '.[ray]'`.") from None
    if alone:  # somebody may have imported Ray before us, and it reads the variable but once
        ray._private.ray_constants.ENABLE_RAY_CLUSTER = False
    return ray


def _start(ray: Any, where: Local, folder: Path, gpus: int | None) -> None:
    try:
        ray.init(
            address="local",
            num_cpus=where.cores,
            num_gpus=gpus,
            include_dashboard=False,
            object_store_memory=min(OBJECTS, _memory() // 8),
            log_to_driver=False,
            logging_level="error",
            _node_ip_address=LOOPBACK,
            _temp_dir=str(folder),
        )
    except Exception as error:  # Ray names no class for what may go wrong here
        raise KfbenchError(f"Ray cannot be started: {_first(error)}", "Is the disk full, or a limit of processes reached?") from error


def _join(ray: Any, where: Local) -> None:
    _knock(str(where.address))
    try:
        ray.init(
            address=where.address,
            log_to_driver=False,
            logging_level="error",
            runtime_env={"py_modules": modules(), "env_vars": {name: os.environ[name] for name in CARRIED if name in os.environ}},
            **({"_node_ip_address": where.node_ip} if where.node_ip else {}),
        )
    except Exception as error:
        raise _unreachable(str(where.address), _first(error)) from error


def _knock(address: str) -> None:
    """Ray would try for a minute to reach what is not there, and tell so in a page of text."""
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        return  # `auto`
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
    except OSError as error:
        raise _unreachable(address, str(error.strerror or error)) from None


def _unreachable(address: str, why: str) -> ConfigError:
    mend = "Is it up (`ray status`)? Give address:port as `ray start --head` printed it, or leave it out for this machine alone."
    return ConfigError(f"no Ray cluster at {address}: {why}", mend)


def modules() -> list[str]:
    """Folders of the packages that a node must import: ours, and those of other registered rooms."""
    found = {name: ROOT / name for name in ROOMS}
    for entry in entry_points(group=GROUP):
        top = entry.value.split(".")[0]
        found.setdefault(top, packages(ROOT, entry.value).folders[top])
    return [str(folder) for folder in found.values()]


def new_folder() -> Path:
    """A new folder for what Ray writes; those of dead processes go."""
    base = Path(tempfile.gettempdir())
    if len(str(base)) > LONGEST:
        base = Path("/tmp")
    for left in base.glob(f"{TEMPORARY}-*-*"):
        pid = left.name.split("-")[2]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}-{os.getpid()}-", dir=base))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if sys.platform != "win32" else 8 * OBJECTS


def _first(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Impatience is no reason to leave processes behind: a second Ctrl-C waits for the seconds that this takes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        with suppress(TypeError):  # None: it was not set by Python
            signal.signal(signal.SIGINT, former)
