"""One cell on a node: its parts fetched, computed, its files given back as bytes."""

from __future__ import annotations

import importlib
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from benchmark.cell import Cell, Point
from benchmark.cluster.cache import cache, held
from benchmark.cluster.parcel import Files, Sent, place, read
from benchmark.computing import Measured, again, failure, free, leave, once, out_of_gpu_memory
from benchmark.method import EncoderSpec, Method, build
from benchmark.plan import Planned, make_cell
from benchmark.store import Failure
from benchmark.workspace import Data
from splits.errors import ConfigError


@dataclass(frozen=True)
class Chosen:
    """A method of a room, by module and name, or of a file, by class; with its parameters."""

    name: str
    params: Mapping[str, Any]
    module: str
    file: Sent | None = None


@dataclass(frozen=True)
class Order:
    """What a node must know of a cell.

    Attributes:
        cell: as planned; its artefacts' paths are the driver's.
        run: what names the run.
        data: reference to the corpus with its draws.
        encoder: as planned, and its folder, if it has one.
        checkpoint: whether the best tagger is wanted.
        small: train in the smallest parts, since the GPU's memory did not suffice.
    """

    cell: Planned
    method: Chosen
    data: Any
    run: str
    dev_size: int | None
    encoder: EncoderSpec
    folder: Sent | None
    artefacts: Sent | None
    upstream: Sent | None
    checkpoint: bool
    small: bool = False


@dataclass(frozen=True)
class Made:
    """What came of an order: files by their names in the store and what was measured, or a failure.

    Attributes:
        crowded: the GPU's memory did not suffice, but might alone and in smaller parts.
        points: the learning curve, of a failure too.
    """

    files: Files | None = None
    measured: Measured | None = None
    failure: Failure | None = None
    crowded: bool = False
    points: tuple[Point, ...] = ()


class News:
    """What happens to cells that run, until the driver asks."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, Sequence[Point]]] = []

    def tell(self, hash: str, points: Sequence[Point]) -> None:
        """The learning curve so far: none where a cell has just begun."""
        self.rows.append((hash, points))

    def hear(self) -> list[tuple[str, Sequence[Point]]]:
        rows, self.rows = self.rows, []
        return rows


def run(order: Order, news: Any) -> Made:
    """Compute a cell; what it raises is given back as its failure."""
    started = time.perf_counter()
    hash = str(order.cell.hash)
    news.tell.remote(hash, ())
    points: list[Point] = []

    def watch(point: Point) -> None:
        points.append(point)
        news.tell.remote(hash, tuple(points))

    crowded = False
    try:
        with held(order.run):
            return replace(_made(order, watch), points=tuple(points))
    except Exception as error:
        crowded = out_of_gpu_memory(error) and not order.small
        found = failure(str(order.cell.id), error, started)
    finally:
        free()
    return Made(failure=found, crowded=crowded, points=tuple(points))


def _made(order: Order, watch: Callable[[Point], None]) -> Made:
    outcome, measured = (again if order.small else once)(ready(order), watch)
    directory = Path(tempfile.mkdtemp(dir=cache(order.run)))  # of a process that is killed it goes with the run
    try:
        leave(outcome, directory, checkpoint=order.checkpoint)
        return Made(read(directory), measured)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def ready(order: Order) -> Cell:
    """The cell, its data in memory and its folders on this node."""
    planned, encoder = order.cell, order.encoder
    if order.artefacts is not None:
        folder = _place(order.artefacts)
        planned = replace(planned, artefacts={name: folder / path.name for name, path in planned.artefacts.items()})
    if order.folder is not None:
        directory = _place(order.folder)
        if str(directory) != order.folder.path:
            encoder = replace(encoder, name=str(directory), revision=None)
    upstream = _place(order.upstream) if order.upstream is not None else None
    return make_cell(planned, _method(order.method), _data(order.data), encoder, order.dev_size, upstream)


def _place(sent: Sent) -> Path:
    import ray  # not sooner: on the driver's side it reads its environment when it is imported

    return place(sent, ray.get_runtime_context().get_node_id(), ray.get)


@lru_cache(maxsize=8)
def _data(ref: Any) -> Data:
    """A corpus, kept between the cells of a process."""
    import ray

    return cast("Data", ray.get(ref))


def _method(chosen: Chosen) -> Method:
    """A node may lack our entry points, so that a class is found by its module."""
    if chosen.file is not None:
        return build(f"{_place(chosen.file) / chosen.module}:{chosen.name}", chosen.params)
    module = importlib.import_module(chosen.module)
    for thing in vars(module).values():
        if isinstance(thing, type) and thing.__module__ == module.__name__ and vars(thing).get("name") == chosen.name:
            return cast("Callable[..., Method]", thing)(**chosen.params)
    raise ConfigError(f"{chosen.module} has no method {chosen.name!r} on this node", "Is the code there another than the driver's?")


def gpu_mb() -> float:
    """Memory of this node's smallest GPU among those that the task may use."""
    import torch

    return float(min(torch.cuda.get_device_properties(i).total_memory for i in range(torch.cuda.device_count()))) / 2**20
