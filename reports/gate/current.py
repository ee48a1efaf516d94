"""The cells of a profile as they are now: results of exactly this configuration, data and code, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.config import Params, Protocol
from benchmark.plan import NotApplicable, Planned, make_plan
from benchmark.provenance import ANALYSERS, NUMERIC
from benchmark.result import METRICS, PREDICTIONS, CellId, Metrics, load_metrics, load_run
from benchmark.scoring import totals
from benchmark.store import LAST_PREDICTIONS, Store
from benchmark.workspace import Workspace
from reports.gate.reference import digest_of
from reports.gate.settings import Settings, settings_of
from splits.errors import KfbenchError
from splits.files import sha256

Trouble = Literal["missing", "running", "failed", "damaged", "stale"]
MEASURES = ("micro", "types", "boundary", "unseen", "no_overlap", "sentences")


@dataclass(frozen=True)
class Done:
    """What a cell gave.

    Attributes:
        metrics: under the profile's protocol.
        result, predictions: sha256 of all that was counted, and of predictions.jsonl.
        machine: what decides its last bits, or None where that is not known.
    """

    metrics: Metrics
    result: str
    predictions: str
    machine: Mapping[str, Any] | None = None
    commit: str | None = None
    dirty: bool | None = None

    @property
    def counts(self) -> NDArray[np.int64]:
        """[sentences, 3]: tp, pred, gold."""
        return np.array(self.metrics.score.sentences, dtype=np.int64).reshape(-1, 3)


@dataclass(frozen=True)
class Now:
    """A cell of the plan, with its result or with what is wrong."""

    planned: Planned
    settings: Settings
    done: Done | None
    trouble: Trouble | None = None
    why: str = ""

    @property
    def id(self) -> CellId:
        return self.planned.id


@dataclass(frozen=True)
class Profile:
    """All cells that params ask for, and the pairs that cannot be."""

    params: Params
    cells: Mapping[CellId, Now]
    not_applicable: tuple[NotApplicable, ...] = field(default=())


def read_profile(params: Params, workspace: Workspace) -> Profile:
    """Every cell of the plan. A result of other code, data or settings is none: the hash decides.

    It is taken from the store, whose every byte is checked, or from `results/`, where a machine that did not train has it.
    """
    plan = make_plan(params, workspace)
    store = Store(workspace.store)
    others = _others(store, workspace.results, plan.cells)
    cells = {cell.id: _now(cell, store, workspace.results, params.protocol, others) for cell in plan.cells}
    return Profile(params, cells, plan.not_applicable)


def _others(store: Store, results: Path, cells: tuple[Planned, ...]) -> set[str]:
    """Names of cells of which there is some result, of whatever code."""
    return {str(id) for id in store.cells().values()} | {str(cell.id) for cell in cells if (results / str(cell.id) / METRICS).is_file()}


def _now(cell: Planned, store: Store, results: Path, protocol: Protocol, others: set[str]) -> Now:
    if cell.hash is None:
        return Now(cell, {}, None, "missing", (cell.lacking or ("its data are not there", ""))[0])
    settings = settings_of(cell)
    if store.done(cell.hash):
        name = LAST_PREDICTIONS if protocol.select == "last" else PREDICTIONS
        return _read(cell, settings, store.path(cell.hash), name, protocol)
    if store.running(cell.hash):
        return Now(cell, settings, None, "running", "a process is at work on it")
    if failure := store.failure(cell.hash):
        return Now(cell, settings, None, "failed", failure.error.splitlines()[0])
    if store.path(cell.hash).is_dir():
        return Now(cell, settings, None, "damaged", store.damage(cell.hash) or "")
    folder = results / str(cell.id)
    if _is_of(folder, cell.hash):
        return _read(cell, settings, folder, PREDICTIONS, protocol)
    if str(cell.id) in others:
        return Now(cell, settings, None, "stale", "its result is of other code, data or settings")
    return Now(cell, settings, None, "missing", "not run")


def _is_of(folder: Path, hash: str) -> bool:
    try:
        return load_metrics(folder).hash == hash
    except KfbenchError:
        return False


def _read(cell: Planned, settings: Settings, folder: Path, predictions: str, protocol: Protocol) -> Now:
    """A result as the profile's protocol shows it: the store keeps both."""
    try:
        metrics = load_metrics(folder).model_copy(update={"shown": protocol.select, "protocol": protocol.name})
        if metrics.shown not in metrics.scores:
            return Now(cell, settings, None, "damaged", f"it has no score under {metrics.shown!r}")
        if metrics.score.micro != totals(metrics.score.sentences):
            return Now(cell, settings, None, "damaged", "its counts are not those of its sentences")
        sha = sha256(folder / predictions)
    except (KfbenchError, OSError) as error:
        return Now(cell, settings, None, "damaged", error.what if isinstance(error, KfbenchError) else f"{predictions}: {error.strerror}")
    return Now(cell, settings, Done(metrics, result_of(metrics), sha, **_origin(folder, cell)))


def result_of(metrics: Metrics) -> str:
    """sha256 of everything counted, under both protocols; not of the cell's hash, which changes with every refactoring."""
    scores = {name: score.model_dump(mode="json", include=set(MEASURES)) for name, score in metrics.scores.items()}
    return digest_of({"scores": scores, "selected": metrics.selected, "absent": metrics.absent})


def _origin(folder: Path, cell: Planned) -> dict[str, Any]:
    """Machine and commit, from the run.json that a store has and `results/` has not."""
    try:
        found = load_run(folder).provenance
    except KfbenchError:
        return {}
    git = found.get("git") or {}
    return {"machine": machine_of(found, cell), "commit": git.get("commit"), "dirty": git.get("dirty")}


def machine_of(provenance: Mapping[str, Any], cell: Planned) -> dict[str, Any] | None:
    """What decides the last bits of a number: processor, C library, packages.

    None where some of it is not known, and on a GPU: there the same bytes are no promise.
    """
    if cell.training.device != "cpu":
        return None
    arithmetic = (provenance.get("machine") or {}).get("arithmetic") or {}
    if not all(arithmetic.get(part) for part in ("architecture", "processor", "instructions")):
        return None
    names = (*NUMERIC, *ANALYSERS) if made_for(cell) else NUMERIC
    packages = provenance.get("packages") or {}
    return {"arithmetic": dict(arithmetic), "packages": {name: packages.get(name) for name in names}}


def made_for(cell: Planned) -> dict[str, Any]:
    """sha256 of each artefact that the cell was trained on, by name and file; its upstream's too."""
    above = {f"{cell.upstream.id.variant}/{name}": files for name, files in made_for(cell.upstream).items()} if cell.upstream else {}
    return dict(cell.config.get("artefacts", {})) | above
