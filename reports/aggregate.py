"""From the cells of a profile to numbers: rows, and their mean and spread over draws."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from benchmark.config import Params
from benchmark.external import FOLDER, Declared, read_externals
from benchmark.result import METRICS, NOT_APPLICABLE, CellId, Counts, Metrics, Score, load_metrics
from splits.draw import load_draws
from splits.errors import KfbenchError

Size = int | str
Value = Callable[[Score], float | None]
PROTOCOLS = ("dev", "last")  # one run records both
COLUMNS = (  # of the long form
    *("corpus", "variant", "size", "draw", "seed", "protocol", "measure", "type"),
    *("tp", "pred", "gold", "precision", "recall", "f1", "hash"),
)
LISTED = 5  # missing cells that an error names; it counts all


@dataclass(frozen=True, slots=True)
class Row:
    """A cell under one protocol. `absent` are the types that its sample lacks."""

    cell: CellId
    protocol: str
    score: Score
    hash: str
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """A planned cell without a result, and why."""

    cell: CellId
    why: str


@dataclass(frozen=True, slots=True)
class Summary:
    """A value over draws; seeds of one draw were averaged first, so `n` draws are the replicates.

    All five statistics are None without a draw, `std` (n - 1) also with a single one. `cells` of `planned` runs are in.
    """

    mean: float | None
    std: float | None
    median: float | None
    min: float | None
    max: float | None
    n: int
    cells: int
    planned: int

    @property
    def complete(self) -> bool:
        return self.cells == self.planned


@dataclass(frozen=True, slots=True)
class Overlap:
    """The share of its sentences that a draw has in common with another; `expected` is None for k-shot sizes."""

    expected: float | None
    observed: float | None
    flagged: bool


@dataclass(frozen=True)
class Results:
    """What is there of a profile's plan.

    `reasons` holds the pairs (corpus, variant) that cannot be; their cells are neither rows nor gaps. `declared` says what
    is known of the rows of other systems, which are in `rows` under the protocol that they declare, and in no plan.
    """

    params: Params
    rows: tuple[Row, ...]
    gaps: tuple[Gap, ...]
    reasons: Mapping[tuple[str, str], str]
    declared: tuple[Declared, ...] = ()

    @cached_property
    def external(self) -> frozenset[str]:
        """Names of the systems that are not ours."""
        return frozenset(one.cell.variant for one in self.declared)

    @cached_property
    def variants(self) -> tuple[str, ...]:
        """The rows of a table: the profile's variants, then the external systems by name."""
        return (*self.params.rows, *sorted(self.external))

    def variants_on(self, corpus: str) -> tuple[str, ...]:
        """As `variants`, without external systems that have nothing on the corpus."""
        there = {one.cell.variant for one in self.declared if one.cell.corpus == corpus}
        return tuple(variant for variant in self.variants if variant not in self.external or variant in there)

    @cached_property
    def done(self) -> int:
        """How many planned cells are in."""
        return len({row.cell for row in self.rows if row.cell.variant not in self.external})

    def shown(self, corpus: str, variant: str) -> str:
        """The protocol under which a table shows a row: the profile's, or what an external system declares."""
        ours = self.params.protocol.select
        return next((d.protocol for d in self.declared if (d.cell.corpus, d.cell.variant) == (corpus, variant)), ours)

    def protocols(self, corpus: str, variant: str) -> tuple[str, ...]:
        """The protocols under which a row has scores."""
        return (self.shown(corpus, variant),) if variant in self.external else PROTOCOLS

    @cached_property
    def _blocks(self) -> Mapping[tuple[str, str, Size, str], list[Row]]:
        blocks: defaultdict[tuple[str, str, Size, str], list[Row]] = defaultdict(list)
        for row in self.rows:
            blocks[row.cell.corpus, row.cell.variant, row.cell.size, row.protocol].append(row)
        return blocks

    def block(self, corpus: str, variant: str, size: Size, protocol: str | None = None) -> Sequence[Row]:
        """The rows of one entry of a table; `protocol` None: the one that a table shows."""
        return self._blocks.get((corpus, variant, size, protocol or self.shown(corpus, variant)), ())

    def summary(self, value: Value, corpus: str, variant: str, size: Size, protocol: str | None = None) -> Summary:
        """A value's mean and spread in one entry of a table."""
        rows = self.block(corpus, variant, size, protocol)
        planned = len(rows) if variant in self.external else self.params.draws * len(self.params.seeds)
        return summarise(rows, value, planned=planned)


def read_results(params: Params, results: Path, external: Path | None = None) -> Results:
    """Exactly the cells that the profile plans, and external rows of its grid; what else lies there is not looked at.

    A damaged result, or one of another protocol than the profile's, is a gap: it must be run again before it counts.

    Args:
        external: where rows of other systems lie; None: `external/` beside `results`.

    Raises:
        KfbenchError: an external row is damaged, has a variant's name, or was scored on another test split.
    """
    rows: list[Row] = []
    gaps: list[Gap] = []
    reasons: dict[tuple[str, str], str] = {}
    for corpus, variant in ((c, v) for c in params.corpora for v in params.rows):
        reason = _reason(results / corpus / variant / NOT_APPLICABLE)
        if reason is not None:
            reasons[corpus, variant] = reason
            continue
        for cell in cells_of(params, corpus, variant):
            try:
                metrics = _metrics(results / str(cell), cell, params)
            except KfbenchError as error:
                gaps.append(Gap(cell, error.what))
                continue
            rows += [Row(cell, p, metrics.scores[p], metrics.hash, tuple(metrics.absent)) for p in PROTOCOLS if p in metrics.scores]
    declared = []
    for one in read_externals(external or results.parent / FOLDER):
        cell = one.declared.cell
        if cell.corpus not in params.corpora or cell.size not in params.sizes or cell.draw >= params.draws:
            continue
        _same_test(one.score, cell, params, rows)
        rows.append(Row(cell, one.declared.protocol, one.score, one.metrics.hash, tuple(one.metrics.absent)))
        declared.append(one.declared)
    return Results(params, tuple(rows), tuple(gaps), reasons, tuple(declared))


def _same_test(found: Score, cell: CellId, params: Params, rows: Iterable[Row]) -> None:
    """An external row may stand beside ours.

    Raises:
        KfbenchError: its name is a variant's, or its gold is not that of the other rows of the corpus.
    """
    if cell.variant in params.rows:
        raise KfbenchError(f"{FOLDER}/{cell}: the profile has a variant of this name", "Rename the external row, or the variant.")
    other = next((row for row in rows if row.cell.corpus == cell.corpus), None)
    if other is not None and [row[2] for row in other.score.sentences] != [row[2] for row in found.sentences]:
        raise KfbenchError(
            f"{FOLDER}/{cell}: scored on another test split than {other.cell}",
            "Put the row on the board again with `kfbench score --as`, from the same prepared corpus.",
        )


def cells_of(params: Params, corpus: str, variant: str) -> Iterator[CellId]:
    """The cells of a pair, in the order of the plan."""
    for size in params.sizes:
        for draw in range(params.draws):
            for seed in params.seeds:
                yield CellId(corpus=corpus, variant=variant, size=size, draw=draw, seed=seed)


def require_all(results: Results) -> None:
    """No gap.

    Raises:
        KfbenchError: planned cells are missing; says how many, and names the first.
    """
    if not results.gaps:
        return
    planned = len(results.gaps) + results.done
    named = "\n  ".join(f"{gap.cell}: {gap.why}" for gap in results.gaps[:LISTED])
    more = f"\n  and {len(results.gaps) - LISTED} more" if len(results.gaps) > LISTED else ""
    raise KfbenchError(
        f"{len(results.gaps)} of {planned} planned cells have no result:\n  {named}{more}",
        "`dvc repro -k` (or `kfbench run`) makes them; `kfbench report --partial` reports what there is, the holes marked.",
    )


def _reason(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["reason"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise KfbenchError(f'{path}: not {{"reason": ...}}', "Run `kfbench run --record` for the pair again.") from None


def _metrics(directory: Path, cell: CellId, params: Params) -> Metrics:
    if not (directory / METRICS).is_file():
        raise KfbenchError("not run")
    metrics = load_metrics(directory)
    if metrics.cell != cell:
        raise KfbenchError(f"its {METRICS} is of cell {metrics.cell}")
    if (metrics.shown, metrics.protocol) != (params.protocol.select, params.protocol.name):
        raise KfbenchError(f"obtained under protocol {metrics.protocol!r}, the profile asks for {params.protocol.name!r}")
    if metrics.shown not in metrics.scores:
        raise KfbenchError(f"its {METRICS} has no score under {metrics.shown!r}")
    return metrics


def by_draw(rows: Iterable[Row], value: Value) -> dict[int, float]:
    """A value per draw, the mean of its seeds. A draw for which the value is undefined is left out."""
    found: defaultdict[int, list[float]] = defaultdict(list)
    for row in rows:
        number = value(row.score)
        if number is not None:
            found[row.cell.draw].append(number)
    return {draw: fmean(numbers) for draw, numbers in sorted(found.items())}


def summarise(rows: Sequence[Row], value: Value, *, planned: int) -> Summary:
    """Mean and spread over draws of the rows of one protocol."""
    numbers = list(by_draw(rows, value).values())
    if not numbers:
        return Summary(None, None, None, None, None, 0, len(rows), planned)
    std = stdev(numbers) if len(numbers) > 1 else None
    return Summary(fmean(numbers), std, median(numbers), min(numbers), max(numbers), len(numbers), len(rows), planned)


def _of(counts: Callable[[Score], Counts], number: Callable[[Counts], float]) -> Value:
    def value(score: Score) -> float | None:
        found = counts(score)
        # Without a gold entity there is nothing to find: 0 would look like a method that finds nothing.
        return number(found) if found.gold else None

    return value


VALUES: Mapping[str, Value] = {
    "f1": _of(lambda s: s.micro, lambda c: c.f1),
    "precision": _of(lambda s: s.micro, lambda c: c.precision),
    "recall": _of(lambda s: s.micro, lambda c: c.recall),
    "boundary_f1": _of(lambda s: s.boundary, lambda c: c.f1),
    "unseen_f1": _of(lambda s: s.unseen, lambda c: c.f1),
    "no_overlap_f1": _of(lambda s: s.no_overlap, lambda c: c.f1),
}


def type_f1(label: str) -> Value:
    """F1 of one type; undefined where the test split has no entity of it."""
    nothing = Counts(tp=0, pred=0, gold=0)
    return _of(lambda s: s.types.get(label, nothing), lambda c: c.f1)


def long_form(results: Results) -> list[dict[str, Any]]:
    """Everything counted, a record for each cell, protocol and measure (`micro`, `boundary`, ..., or `type` with its label)."""
    records = []
    for row in results.rows:
        head: dict[str, Any] = row.cell.model_dump() | {"protocol": row.protocol}
        measures = [(name, "", getattr(row.score, name)) for name in ("micro", "boundary", "unseen", "no_overlap")]
        measures += [("type", label, counts) for label, counts in sorted(row.score.types.items())]
        for measure, label, counts in measures:
            numbers = {"precision": counts.precision, "recall": counts.recall, "f1": counts.f1}
            records.append(head | {"measure": measure, "type": label} | counts.model_dump() | numbers | {"hash": row.hash})
    return records


def read_overlaps(params: Params, data: Path) -> dict[tuple[str, Size], Overlap]:
    """How much the draws of each corpus and size share, from `data/draws/`; a corpus that was not drawn here is left out."""
    overlaps: dict[tuple[str, Size], Overlap] = {}
    for corpus in params.corpora:
        path = data / "draws" / f"{corpus}.json"
        if not path.is_file():
            continue
        for (size, _), drawn in load_draws(path).drawn.items():
            overlaps[corpus, size] = Overlap(drawn.expected_overlap, drawn.observed_overlap, drawn.flagged)
    return overlaps
