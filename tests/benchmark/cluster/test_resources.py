"""What a cell asks of a node: never more than any node has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmark.cluster.resources import MB, Largest, Needs, alone, memory_mb, more_memory, needs
from benchmark.config import Training
from benchmark.estimate import Past
from benchmark.index import Seen
from benchmark.plan import Planned
from benchmark.result import CellId
from splits.errors import ConfigError

NODES: list[dict[str, Any]] = [
    {"Alive": True, "Resources": {"CPU": 4.0, "memory": 8.0 * (1 << 30)}},
    {"Alive": True, "Resources": {"CPU": 2.0, "GPU": 2.0, "memory": 4.0 * (1 << 30)}},
    {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0, "memory": 1e12}},
]
LARGEST = Largest.of(NODES)


def planned(name: str | None = "scratch", **training: Any) -> Planned:
    id = CellId(corpus="zh", variant="a", size=10, draw=0, seed=0)
    return Planned(id, "1", {"encoder": {"name": name}}, Training(**training))


def test_the_most_is_of_nodes_that_live() -> None:
    assert Largest(4.0, 2.0, 8 << 30, 6.0) == LARGEST


def test_a_cell_takes_its_threads_and_its_memory_but_no_more_than_there_is() -> None:
    assert needs(planned(threads=3), 100, LARGEST, None, None) == Needs(3, 0, 100 * MB)
    assert needs(planned(threads=16), 1e6, LARGEST, None, None) == Needs(4, 0, 8 << 30)


def test_a_gpu_is_shared_by_memory_or_as_somebody_says() -> None:
    cell = planned(device="cuda")
    shares = [
        needs(cell, memory, LARGEST, gpu, share).num_gpus for memory, gpu, share in [(2e3, 8e3, None), (9e3, 8e3, None), (1, 8e3, None)]
    ]
    assert shares == [0.25, 1.0, 0.01]
    assert needs(cell, 2e3, LARGEST, 8e3, 0.5).num_gpus == 0.5
    assert needs(cell, 2e3, LARGEST, None, None).num_gpus == 1.0
    assert alone(needs(cell, 2e3, LARGEST, 8e3, None)).num_gpus == 1
    assert alone(Needs(1, 0, 5)) == Needs(1, 0, 5)


def test_without_any_gpu_it_is_said_at_once() -> None:
    with pytest.raises(ConfigError, match="no node has a GPU"):
        needs(planned(device="cuda"), 1, Largest.of(NODES[:1]), None, None)


def test_what_was_ended_for_want_of_memory_asks_for_twice_that() -> None:
    assert more_memory(Needs(1, 0, 3 << 30), LARGEST).memory == 6 << 30
    assert more_memory(Needs(1, 0, 6 << 30), LARGEST).memory == 8 << 30


def test_memory_is_of_finished_cells_else_of_the_encoders_weights(tmp_path: Path) -> None:
    cell = planned()
    assert memory_mb(cell, Past([cell], {"1": Seen("", "", 1.0, 1000.0)}), None) == pytest.approx(1200)
    nothing = Past([], {})
    tiny, base = memory_mb(cell, nothing, None), memory_mb(planned("hub/base"), nothing, None)
    assert tiny < base
    (tmp_path / "model.safetensors").write_bytes(bytes(3 * MB))
    (tmp_path / "pytorch_model.bin").write_bytes(bytes(3 * MB))
    assert memory_mb(planned(None), nothing, tmp_path) == pytest.approx(base - 5 * (450 - 3))


def test_who_retries_is_the_driver() -> None:
    assert Needs(1, 0.5, 7).options() == {"num_cpus": 1, "num_gpus": 0.5, "memory": 7, "max_retries": 0}
