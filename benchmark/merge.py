"""Join the results of several machines: cells that a profile plans and lacks, checked, and copied whole one at a time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from benchmark.difference import compare
from benchmark.hashing import cell_hash
from benchmark.lookup import Cells, stored
from benchmark.places import PARAMS
from benchmark.plan import Plan, Planned, plan_hash
from benchmark.result import METRICS, PREDICTIONS, RUN, CellId
from benchmark.store import CHECKPOINT, LAST_PREDICTIONS, MANIFEST, Busy, Store, checkpoint_damage, damage
from splits.errors import ConfigError, KfbenchError
from splits.files import write_text

MERGED = "merged.json"  # in a cell that came from elsewhere; its manifest does not list it
NEEDED = (METRICS, PREDICTIONS, LAST_PREDICTIONS, RUN)
NAMED = 5  # differing cells that an error names; it counts all
Ended = Literal["copied", "here", "busy", "damaged"]


@dataclass(frozen=True, slots=True)
class Found:
    """A planned cell that lies elsewhere: in `place`, a folder of the store that was given as `given`."""

    cell: Planned
    hash: str
    place: Path
    given: Path


@dataclass(frozen=True, slots=True)
class Different:
    """A cell by the name of a planned one, run with other parameters, data or code."""

    name: str
    given: Path
    reasons: tuple[str, ...]


@dataclass
class Survey:
    """What other stores have of a plan.

    Attributes:
        wanted: what is lacking here, by hash; one source after the other where several have it.
        here: names of cells that they have and that are done here.
        plans: for each source, its plan hash and ours over the cells that both name.
        unplanned: cells that the plan does not name.
        unlike: cells of one hash with other bytes in metrics.json: machines that compute differently.
    """

    plan: str
    wanted: dict[str, list[Found]] = field(default_factory=dict)
    here: dict[str, None] = field(default_factory=dict)
    plans: dict[Path, tuple[str, str]] = field(default_factory=dict)
    different: list[Different] = field(default_factory=list)
    unplanned: int = 0
    unlike: dict[str, None] = field(default_factory=dict)


def store_of(directory: Path) -> Store:
    """The store in a profile's directory, or in the directory itself where it is a store.

    Raises:
        ConfigError: it is neither.
    """
    inside = directory / ".kfbench" / "store"
    if inside.is_dir():
        return Store(inside)
    if not (directory / PARAMS).exists() and Store(directory).hashes():
        return Store(directory)
    raise ConfigError(f"{directory}: no cells", "Name a profile's directory that has .kfbench/store, or a store itself.")


def survey(plan: Plan, cells: Cells, sources: Sequence[Path]) -> Survey:
    """Look through other stores, by their manifests; what is copied is read in full then.

    Raises:
        ConfigError: a source is no store, or is the profile's own; or what a cell reads is not prepared here.
    """
    found = Survey(plan.sha256)
    planned = {str(cell.id): cell for cell in plan.cells}
    for given in sources:
        store = store_of(given)
        if store.root.resolve() == cells.store.root.resolve():
            raise ConfigError(f"{given} has the store of this profile", "Name the others.")
        theirs: dict[str, str] = {}
        for hash, id in _cells(store, planned).items():
            name = str(id)
            if name not in planned:
                found.unplanned += 1
            elif hash == _hash(planned[name]):
                theirs[name] = hash
                _take(found, Found(planned[name], hash, store.path(hash), given), cells.store)
            else:
                theirs.setdefault(name, hash)  # an older one beside the right one says nothing
        theirs = {name: theirs[name] for name in planned if name in theirs}
        ours = {name: _hash(planned[name]) for name in theirs}
        found.plans[given] = plan_hash(theirs), plan_hash(ours)
        if theirs != ours:
            found.different += [
                Different(name, given, tuple(compare(stored(store.path(hash)), cells.side(planned[name])).reasons()))
                for name, hash in theirs.items()
                if hash != ours[name]
            ]
    found.wanted = {cell.hash: found.wanted[cell.hash] for cell in plan.cells if cell.hash in found.wanted}
    return found


def _cells(store: Store, planned: Mapping[str, Planned]) -> dict[str, CellId]:
    """Hash -> cell of a store; of a planned cell the hash is enough, so that a damaged manifest hides none."""
    by_hash = {cell.hash: cell.id for cell in planned.values() if cell.hash}
    return store.cells() | {hash: by_hash[hash] for hash in store.hashes() if hash in by_hash and store.path(hash).is_dir()}


def _hash(cell: Planned) -> str:
    if cell.hash is None:
        what, mend = cell.lacking or ("its data are not there", "Run `dvc repro`.")
        raise ConfigError(f"{cell.id}: {what}: cells of other machines cannot be told from stale ones", mend)
    return cell.hash


def _take(found: Survey, one: Found, store: Store) -> None:
    name, done = str(one.cell.id), store.done(one.hash)
    others = found.wanted.get(one.hash)
    rival = store.path(one.hash) if done else others[0].place if others else None
    if rival is not None and _metrics(rival) != _metrics(one.place):
        found.unlike[name] = None
    if done:
        found.here[name] = None
    else:
        found.wanted.setdefault(one.hash, []).append(one)


def _metrics(place: Path) -> bytes | None:
    try:
        return (place / METRICS).read_bytes()
    except OSError:
        return None


def refuse_mixtures(found: Survey) -> None:
    """Every source is of our plan, in the cells that both name.

    Raises:
        KfbenchError: one is not; names the first cells that differ, and in what.
    """
    if not found.different:
        return
    lines = [
        f"{given} is of plan {theirs[:12]}, these cells of ours are of {ours[:12]}"
        for given, (theirs, ours) in found.plans.items()
        if theirs != ours
    ]
    lines += [f"{one.name}: {'; '.join(one.reasons) or 'another hash alone'}" for one in found.different[:NAMED]]
    lines += [f"and {len(found.different) - NAMED} more"] if len(found.different) > NAMED else []
    raise KfbenchError(
        f"{len(found.different)} cells are not those of this profile's plan:\n  " + "\n  ".join(lines),
        "`kfbench cells diff` shows two in full. Run them again there with this checkout, parameters and data; "
        "--matching takes the others and leaves these out.",
    )


@dataclass
class Outcome:
    """What became of the wanted cells, by name; `damaged` with what is wrong with them."""

    copied: list[str] = field(default_factory=list)
    here: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)


def merge(found: Survey, store: Store, checkpoints: frozenset[str], watch: Callable[[str], None] = lambda name: None) -> Outcome:
    """Copy what is wanted, one cell at a time under its lock; stopped at any moment, it goes on where it was.

    A cell that is done here stays as it is. One that is damaged is not copied, but from the next source that has it whole.

    Args:
        checkpoints: hashes whose tagger is copied too, where there is one.
        watch: is told the name of each cell before it is copied.

    Raises:
        KfbenchError: the store cannot be written.
    """
    outcome = Outcome()
    for hash, places in found.wanted.items():
        name = str(places[0].cell.id)
        watch(name)
        damages = [(place, _wrong(place, checkpoint=hash in checkpoints)) for place in places]
        one = next((place for place, wrong in damages if wrong is None), None)
        if one is None:
            outcome.damaged[name] = "; ".join(f"{place.place}: {wrong}" for place, wrong in damages)
            continue
        try:
            with store.lock(hash):
                if store.done(hash):  # somebody ran it meanwhile
                    outcome.here.append(name)
                    continue
                _copy(one, store, found.plan, checkpoint=hash in checkpoints)
                outcome.copied.append(name)
        except Busy:
            outcome.busy.append(name)
    return outcome


def _wrong(one: Found, *, checkpoint: bool = False) -> str | None:
    """What is wrong with a cell elsewhere, or None: bytes, and whether it is what its hash says."""
    if (wrong := damage(one.place, one.hash)) is not None:
        return wrong
    if checkpoint and (one.place / CHECKPOINT).exists() and (wrong := checkpoint_damage(one.place)) is not None:
        return f"its {CHECKPOINT}: {wrong}"
    manifest = json.loads((one.place / MANIFEST).read_text(encoding="utf-8"))
    names = list(manifest["files"])
    if missing := [name for name in NEEDED if name not in names]:
        return f"{MANIFEST} does not vouch for {missing[0]}"
    if strange := [name for name in names if Path(name).name != name]:
        return f"{MANIFEST} lists {strange[0]!r}, which is no file of a cell"
    if cell_hash(manifest["config"]) != one.hash or manifest["cell"] != one.cell.id.model_dump():
        return f"{MANIFEST} is not that of its hash"
    return None


def _copy(one: Found, store: Store, plan: str, *, checkpoint: bool) -> None:
    files = json.loads((one.place / MANIFEST).read_text(encoding="utf-8"))["files"]
    with store.writing(one.hash) as directory:
        for name in (*files, MANIFEST):
            shutil.copyfile(one.place / name, directory / name)
        if checkpoint and (one.place / CHECKPOINT).is_dir():
            shutil.copytree(one.place / CHECKPOINT, directory / CHECKPOINT, symlinks=True)  # a link would copy what lies elsewhere
            if (wrong := checkpoint_damage(directory)) is not None:
                raise KfbenchError(f"{one.place}: the copy of its {CHECKPOINT} is damaged: {wrong}", "Run the command again.")
        write_text(directory / MERGED, json.dumps(_origin(one, plan), ensure_ascii=False, indent=1) + "\n")
        if (wrong := damage(directory, one.hash)) is not None:  # it changed while it was copied, or the disk lies
            raise KfbenchError(f"{one.place}: its copy is damaged: {wrong}", "Run the command again.")


def _origin(one: Found, plan: str) -> list[dict[str, Any]]:
    """Where a cell came from, the latest last: a cell may be merged twice."""
    try:
        before = list(json.loads((one.place / MERGED).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        before = []
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return [*before, {"from": str(one.given), "plan": plan, "time": now}]
