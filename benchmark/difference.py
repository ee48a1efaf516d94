"""Why two cells differ: in configuration, data, encoder, code, environment, and what that did to their scores."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from benchmark.hashing import canonical
from benchmark.result import Metrics, Run

Group = Literal["config", "data", "encoder", "code", "environment", "scores"]
GROUPS: tuple[Group, ...] = ("config", "data", "encoder", "code", "environment", "scores")
OF: Mapping[str, Group] = {"data": "data", "artefacts": "data", "upstream": "data", "encoder": "encoder", "code": "code"}
NAMED = 3  # modules that one line names
COUNTS = ("micro", "boundary", "unseen", "no_overlap")
UNKNOWN = "which modules changed is not recorded, and the commit of one side does not give its code back"
SHA = re.compile(r"[0-9a-f]{64}")


class Absent:
    """A key that one side does not have."""

    def __repr__(self) -> str:
        return "(absent)"


ABSENT = Absent()


@dataclass(frozen=True)
class Side:
    """A cell, planned or stored.

    Attributes:
        name: how it is spoken of.
        config: what its hash is of; None where only results are there.
        modules: sha256 of each module of its method's code; None where nobody knows.
    """

    name: str
    cell: str
    hash: str | None
    config: Mapping[str, Any] | None = None
    modules: Mapping[str, str] | None = None
    metrics: Metrics | None = None
    run: Run | None = None

    @property
    def commit(self) -> str | None:
        """Of the checkout that ran it."""
        found = self.run.provenance.get("git", {}).get("commit") if self.run else None
        return str(found) if found else None


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs; a side that does not have it is ABSENT."""

    group: Group
    key: str
    a: Any
    b: Any


@dataclass(frozen=True)
class Difference:
    """All that differs between two cells, grouped. `notes` say what could not be known, and how to see more."""

    a: Side
    b: Side
    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()

    @property
    def same_hash(self) -> bool:
        return self.a.hash is not None and self.a.hash == self.b.hash

    def of(self, group: Group) -> list[Change]:
        return [change for change in self.changes if change.group == group]

    def reasons(self) -> list[str]:
        """What makes the hashes differ, as one line may list it: `training.epochs 8 -> 9`, `code of benchmark.cell and 2 more`."""
        keys = [f"{c.key} {shown(c.a)} -> {shown(c.b)}" for c in self.changes if c.group in ("config", "data", "encoder")]
        modules = [change.key for change in self.of("code")]
        rest = f" and {len(modules) - NAMED} more" if len(modules) > NAMED else ""
        return keys + ([f"code of {', '.join(modules[:NAMED])}{rest}"] if modules else [])

    def to_json(self) -> dict[str, Any]:
        """For machines: a list of {key, a, b} for each group; a side that lacks a key has no entry for it."""
        rows: dict[str, Any] = {group: [] for group in GROUPS}
        for change in self.changes:
            sides = {name: value for name, value in (("a", change.a), ("b", change.b)) if value is not ABSENT}
            rows[change.group].append({"key": change.key} | sides)
        heads = {name: {"name": s.name, "cell": s.cell, "hash": s.hash} for name, s in (("a", self.a), ("b", self.b))}
        return heads | {"same_hash": self.same_hash, "differences": rows, "notes": list(self.notes)}


def compare(a: Side, b: Side) -> Difference:
    """What differs from one cell to the other; `time` and durations, which always do, are left out."""
    changes: list[Change] = []
    notes: list[str] = []
    if a.config is not None and b.config is not None:
        changes += [Change(OF.get(key.split(".")[0], "config"), key, x, y) for key, x, y in _differing(a.config, b.config)]
        if a.config.get("code") != b.config.get("code"):
            changes, notes = _code(a, b, changes)
        above, other = (str(side.get("upstream") or "")[:12] for side in (a.config, b.config))
        if above and other and above != other:
            notes.append(f"they start from cells that differ: kfbench cells diff {above} {other}")
    else:
        notes.append(f"{a.name if a.config is None else b.name} has results only: its configuration, data and code are not there")
    if a.run and b.run:
        changes += [Change("environment", key, x, y) for key, x, y in _differing(_environment(a.run), _environment(b.run))]
    if a.metrics and b.metrics:
        changes += [Change("scores", key, x, y) for key, x, y in _differing(_scores(a.metrics), _scores(b.metrics))]
        changes += _sentences(a.metrics, b.metrics)
    notes += [f"{side.name} has no results: it has not been run" for side in (a, b) if side.metrics is None]
    changes.sort(key=lambda change: GROUPS.index(change.group))
    return Difference(a, b, tuple(changes), tuple(notes))


def _code(a: Side, b: Side, changes: list[Change]) -> tuple[list[Change], list[str]]:
    """The fingerprint's change replaced by those of its modules, where both sides' are known."""
    if a.modules is None or b.modules is None:
        return changes, [UNKNOWN]
    rest = [change for change in changes if change.key != "code"]
    modules = [Change("code", key, x, y) for key, x, y in _differing(dict(a.modules), dict(b.modules), nested=False)]
    commits = [side.commit[:10] for side in (a, b) if side.commit]
    if not commits or len(set(commits)) < len(commits):
        return rest + modules, []
    files = [_file(change.key, {*a.modules, *b.modules}) for change in modules]
    return rest + modules, [f"git diff {' '.join(commits)} -- {' '.join(files)}"]


def _file(module: str, known: Collection[str]) -> str:
    path = module.replace(".", "/")
    return f"{path}/__init__.py" if any(other.startswith(f"{module}.") for other in known) else f"{path}.py"


def _environment(run: Run) -> dict[str, Any]:
    return {name: run.provenance[name] for name in ("git", "packages", "machine") if name in run.provenance}


def _scores(metrics: Metrics) -> dict[str, Any]:
    found: dict[str, Any] = {"protocol": metrics.protocol, "selected": dict(metrics.selected), "absent": list(metrics.absent)}
    for protocol, score in metrics.scores.items():
        found[protocol] = {f"{name} F1": getattr(score, name).f1 for name in COUNTS}
        found[protocol] |= {f"{label} F1": counts.f1 for label, counts in score.types.items()}
    return found


def _sentences(a: Metrics, b: Metrics) -> list[Change]:
    """How many test sentences are counted otherwise: F1 may agree where predictions do not."""
    found = []
    for protocol in a.scores.keys() & b.scores.keys():
        rows, others = a.scores[protocol].sentences, b.scores[protocol].sentences
        if len(rows) == len(others) and (moved := sum(x != y for x, y in zip(rows, others, strict=True))):
            found.append(Change("scores", f"{protocol}.sentences counted otherwise", 0, moved))
    return sorted(found, key=lambda change: change.key)


def _differing(a: Mapping[str, Any], b: Mapping[str, Any], *, nested: bool = True) -> Iterator[tuple[str, Any, Any]]:
    x, y = (dict(_flat(side)) if nested else dict(side) for side in (a, b))
    for key in dict.fromkeys([*x, *y]):
        left, right = x.get(key, ABSENT), y.get(key, ABSENT)
        if left is ABSENT or right is ABSENT or canonical(left) != canonical(right):
            yield key, left, right


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`{"training": {"epochs": 8}}` as `training.epochs`; lists stay whole."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def shown(value: Any, width: int = 60) -> str:
    """A value as a person reads it: hashes short, long lists cut."""
    if value is ABSENT:
        return repr(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return value[:12] if SHA.fullmatch(value) else value
    text = canonical(value)
    return text if len(text) <= width else f"{text[: width - 3]}..."
