"""Find a cell by what a person calls it: its name, the start of its hash, or the directory it lies in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.config import Params
from benchmark.difference import Side
from benchmark.history import modules_at
from benchmark.plan import Filter, Planned, make_plan
from benchmark.result import METRICS, CellId, Metrics, Run, load_metrics, load_run
from benchmark.store import MANIFEST, Store
from benchmark.workspace import Workspace, cell_name
from splits.errors import ConfigError, KfbenchError

PREFIX = re.compile(r"[0-9a-f]{4,64}")
FORMS = "A cell is named corpus/variant/size/draw-seed, by 4 or more characters of its hash, or by its directory."


class Cells:
    """The cells of a profile: planned ones, and what lies in its store."""

    def __init__(self, params: Params, workspace: Workspace) -> None:
        self.params, self.workspace = params, workspace
        self.store = Store(workspace.store)

    def find(self, text: str) -> Side:
        """The cell that is meant; a name means the planned one.

        Raises:
            ConfigError: there is none, or more than one.
        """
        if Path(text).is_dir():
            return self.at(Path(text))
        if "/" in text:
            return self.planned(text)
        if not PREFIX.fullmatch(text):
            raise ConfigError(f"{text!r} names no cell", FORMS)
        return self._by_hash(text)

    def planned(self, name: str) -> Side:
        """The cell of this name as the profile plans it now, with its results if it is done.

        Raises:
            ConfigError: the profile does not plan it, or what it reads is not there.
        """
        corpus, variant, size, draw, seed = cell_name(name)
        found = make_plan(self.params, self.workspace, Filter([corpus], [variant], [size], [draw], [seed]))
        if found.not_applicable:
            raise ConfigError(f"{name}: {found.not_applicable[0].reason}", "Choose another variant.")
        return self.side(found.cells[0])

    def side(self, cell: Planned) -> Side:
        """A planned cell; raises as `planned`."""
        if cell.hash is None:
            what, mend = cell.lacking or ("its data are not there", "Run `dvc repro`.")
            raise ConfigError(f"{cell.id}: {what}", mend)
        modules = self.workspace.methods.fingerprint(self.params.methods[cell.id.variant].method).modules
        done = self.store.done(cell.hash)
        metrics, run = (self.store.metrics(cell.hash), self.store.run(cell.hash)) if done else (None, None)
        return Side(f"planned {cell.id}", str(cell.id), cell.hash, cell.config, modules, metrics, run)

    def others(self, side: Side) -> list[Side]:
        """Stored cells of the same name with another hash, the latest first."""
        same = [hash for hash, id in self.store.cells().items() if str(id) == side.cell and hash != side.hash]
        found = [self.at(self.store.path(hash)) for hash in same]
        return sorted(found, key=lambda other: other.run.provenance.get("time", "") if other.run else "", reverse=True)

    def at(self, directory: Path) -> Side:
        """The cell in a directory of a store, or the results of one.

        Raises:
            ConfigError: neither lies there.
            KfbenchError: it is damaged.
        """
        if (directory / MANIFEST).is_file():
            return stored(directory)
        if (directory / METRICS).is_file():
            metrics = load_metrics(directory)
            home = self.store.path(metrics.hash)
            if (home / MANIFEST).is_file():
                return stored(home)
            return Side(f"results {metrics.cell}", str(metrics.cell), metrics.hash, metrics=metrics)
        raise ConfigError(f"{directory}: there is no cell in it", f"It has neither {MANIFEST} nor {METRICS}. {FORMS}")

    def _by_hash(self, prefix: str) -> Side:
        there = [hash for hash in self.store.hashes() if hash.startswith(prefix) and (self.store.path(hash) / MANIFEST).is_file()]
        if len(there) == 1:
            return stored(self.store.path(there[0]))
        planned = [] if there else [c for c in make_plan(self.params, self.workspace).cells if (c.hash or "").startswith(prefix)]
        if len(planned) == 1:
            return self.side(planned[0])
        if there or planned:
            named = ", ".join(hash[:12] for hash in there or [c.hash or "" for c in planned])
            raise ConfigError(f"{prefix} is the start of several hashes: {named}", "Give more of it.")
        raise ConfigError(f"no cell has a hash that starts with {prefix}", f"`kfbench cells list --all` lists them. {FORMS}")


def stored(directory: Path) -> Side:
    """A cell as it lies in a store.

    Raises:
        KfbenchError: its manifest cannot be read.
    """
    try:
        manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        id, hash, config = CellId(**manifest["cell"]), str(manifest["hash"]), dict(manifest["config"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise KfbenchError(f"{directory / MANIFEST}: not a cell: {error}", "`kfbench run` moves a damaged cell aside.") from None
    metrics, run = _results(directory)
    return Side(f"stored {id} ({hash[:12]})", str(id), hash, config, _modules(config, run), metrics, run)


def _results(directory: Path) -> tuple[Metrics | None, Run | None]:
    try:
        return load_metrics(directory), load_run(directory)
    except KfbenchError:
        return None, None


def _modules(config: Mapping[str, Any], run: Run | None) -> Mapping[str, str] | None:
    """As run.json lists them, or as its commit has them."""
    if run is None:
        return None
    if run.provenance.get("modules"):
        return dict(run.provenance["modules"])
    commit = run.provenance.get("git", {}).get("commit")
    return modules_at(commit, config["method"]["name"], config["code"]) if commit else None
