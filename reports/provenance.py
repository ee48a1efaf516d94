"""Where every number comes from: the cells of each entry, their configurations, commits and hashes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.external import Declared
from benchmark.result import Run
from reports import links
from reports.aggregate import PROTOCOLS, Results, Row, Size
from reports.runs import Runs

ABSENT = "–"


@dataclass(frozen=True, slots=True)
class Source:
    """A cell as the page shows it; what only `run.json` knows is `ABSENT` where the store lacks it."""

    draw: int
    seed: int
    f1: Mapping[str, str]  # by protocol, in %
    hash: str
    commit: str
    dirty: bool
    time: str
    machine: str
    sample: str


@dataclass(frozen=True, slots=True)
class Block:
    """The cells of an entry, and the configuration that they share."""

    id: str
    variant: str
    size: Size
    cells: Sequence[Source]
    config: str  # JSON, without what differs between the cells; empty without a run
    packages: str
    declared: Sequence[Declared] = ()


@dataclass(frozen=True, slots=True)
class Commit:
    """A state of the code, and how many of the reported cells it gave."""

    commit: str
    dirty: bool
    cells: int


def blocks(results: Results, runs: Runs, corpus: str) -> Iterator[Block]:
    """The entries of a corpus that have a cell, in the order of tables."""
    for variant in results.variants_on(corpus):
        for size in results.params.sizes:
            by_protocol = {p: results.block(corpus, variant, size, p) for p in (*PROTOCOLS, "test")}
            rows = results.block(corpus, variant, size)
            if not rows:
                continue
            there = [runs[row.hash] for row in rows if row.hash in runs]
            yield Block(
                links.block_id(variant, size),
                variant,
                size,
                tuple(_source(row, by_protocol, runs.get(row.hash)) for row in rows),
                _dumped(shared([run.provenance.get("config") for run in there])),
                _dumped(shared([run.provenance.get("packages") for run in there])),
                tuple(d for d in results.declared if (d.cell.corpus, d.cell.variant, d.cell.size) == (corpus, variant, size)),
            )


def _source(row: Row, by_protocol: Mapping[str, Sequence[Row]], run: Run | None) -> Source:
    f1 = {p: f"{100 * other.score.micro.f1:.2f}" for p, rows in by_protocol.items() for other in rows if other.cell == row.cell}
    said: Mapping[str, Any] = run.provenance if run else {}
    git, machine = said.get("git") or {}, said.get("machine") or {}
    return Source(
        draw=row.cell.draw,
        seed=row.cell.seed,
        f1=f1,
        hash=row.hash,
        commit=str(git.get("commit") or ABSENT),
        dirty=bool(git.get("dirty")),
        time=str(said.get("time") or ABSENT),
        machine=", ".join(str(machine[key]) for key in ("gpu", "cpu", "platform") if machine.get(key)) or ABSENT,
        sample=str(said.get("draw") or ABSENT),
    )


def shared(values: Sequence[Any]) -> Any:
    """What is the same in all of several mappings, at any depth; None where nothing is."""
    if not values or any(not isinstance(value, Mapping) for value in values):
        return values[0] if values and all(value == values[0] for value in values) else None
    keys = [key for key in values[0] if all(key in value for value in values)]
    # A None that all agree on is a value; one that `shared` returns for a difference is not.
    found = {key: shared([value[key] for value in values]) for key in keys}
    return {key: value for key, value in found.items() if value is not None or all(v[key] is None for v in values)} or None


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) if value else ""


def commits(results: Results, runs: Runs) -> list[Commit]:
    """The states of the code that gave the reported cells, most cells first; cells without a run are under `ABSENT`."""
    planned = dict.fromkeys(row.hash for row in results.rows if row.cell.variant not in results.external)
    found: Counter[tuple[str, bool]] = Counter()
    for hash in planned:
        git = (runs[hash].provenance.get("git") or {}) if hash in runs else {}
        found[str(git.get("commit") or ABSENT), bool(git.get("dirty"))] += 1
    return [Commit(commit, dirty, n) for (commit, dirty), n in sorted(found.items(), key=lambda item: (-item[1], item[0]))]
