"""What of a node a cell takes: CPU cores, a share of a GPU, memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.estimate import Past
from benchmark.hashing import Encoders
from benchmark.plan import Planned
from splits.errors import ConfigError

MB = 1 << 20
SPARE = 1.2  # of what cells like it took at most
PROCESS = 600  # MB of a process with torch, before it has a model
UNKNOWN = 450  # MB of a base-size encoder, where its weights cannot be looked at
COPIES = 5  # of the weights: themselves, gradients, two moments (AdamW), the best so far; activations are what SPARE and batches add
ACTIVATIONS = 1500  # MB of a step's activations on a base-size encoder, batch 4: a first guess, for want of finished cells
SMALLEST = 0.01  # of a GPU: Ray counts in ten-thousandths, and nobody has a hundred cells on one


@dataclass(frozen=True)
class Needs:
    """Resources of a task, as Ray names them; `memory` in bytes."""

    num_cpus: float
    num_gpus: float
    memory: int

    def options(self) -> dict[str, float]:
        return vars(self) | {"max_retries": 0}  # who retries is the driver, which also counts


@dataclass(frozen=True)
class Largest:
    """The most that any one node has of each: to ask for more would be to wait for ever."""

    cpus: float
    gpus: float
    memory: int
    all_cpus: float

    @classmethod
    def of(cls, nodes: Iterable[Mapping[str, Any]]) -> Largest:
        """From `ray.nodes()`."""
        alive = [node["Resources"] for node in nodes if node["Alive"]]
        most = {name: max((float(row.get(name, 0)) for row in alive), default=0.0) for name in ("CPU", "GPU", "memory")}
        return cls(most["CPU"], most["GPU"], int(most["memory"]), sum(float(row.get("CPU", 0)) for row in alive))


def needs(cell: Planned, memory_mb: float, largest: Largest, gpu_mb: float | None, share: float | None) -> Needs:
    """What a cell takes.

    Args:
        memory_mb: its estimated peak, of the GPU where it uses one.
        gpu_mb: memory of a GPU of the cluster.
        share: of a GPU, where somebody has said.

    Raises:
        ConfigError: it wants a GPU, and there is none.
    """
    cpus = max(1.0, min(float(cell.training.threads), largest.cpus))
    if cell.training.device != "cuda":
        return Needs(cpus, 0, min(int(memory_mb * MB), largest.memory))
    if not largest.gpus:
        raise ConfigError(f"{cell.id}: device is cuda, but no node has a GPU", "Start nodes with GPUs, or set `training.device: cpu`.")
    part = share or (min(1.0, max(SMALLEST, memory_mb / gpu_mb)) if gpu_mb else 1.0)
    return Needs(cpus, round(part, 4), min(int((PROCESS + 2 * UNKNOWN) * MB), largest.memory))


def alone(needs: Needs) -> Needs:
    """A whole GPU, where it had a share of one."""
    return Needs(needs.num_cpus, 1 if needs.num_gpus else 0, needs.memory)


def more_memory(needs: Needs, largest: Largest) -> Needs:
    """Twice the memory, for a cell that was ended because its node had none left."""
    return Needs(needs.num_cpus, needs.num_gpus, min(2 * needs.memory, largest.memory))


def memory_mb(cell: Planned, past: Past, encoder: Path | None) -> float:
    """The estimated peak of a cell: of finished cells like it, else by the weights of its encoder's folder."""
    known = past.memory_mb(cell)
    if known is not None:
        return SPARE * known
    name = cell.config["encoder"].get("name")
    if name == "scratch":
        return PROCESS
    weights = _weights_mb(encoder) if encoder is not None else UNKNOWN
    return PROCESS + COPIES * weights + ACTIVATIONS


def _weights_mb(directory: Path) -> float:
    sizes: dict[str, int] = {}
    for file in Encoders.files(directory):
        sizes[file.suffix] = sizes.get(file.suffix, 0) + file.stat().st_size
    return (sizes.get(".safetensors") or sizes.get(".bin") or UNKNOWN * MB) / MB
