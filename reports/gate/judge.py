"""The verdict of a gate: what is now against the reference, block by block; what cannot be compared has failed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmark.result import CellId
from reports.bootstrap import Interval, f1
from reports.gate.current import Profile
from reports.gate.interval import difference
from reports.gate.pairing import Pair, pair
from reports.gate.reference import Block, Reference
from splits.errors import ConfigError

Exact = Literal["auto", "always", "never"]
Verdict = Literal["same", "held", "better", "changed", "worse", "unknown", "new"]
COMPARED: tuple[Verdict, ...] = ("same", "held", "better")
RED: tuple[Verdict, ...] = ("changed", "worse", "unknown")
LARGEST = 100.0  # a tolerance of F1 points below which nothing can fall is none


@dataclass(frozen=True, slots=True)
class Row:
    """A block: the runs of a corpus, a variant and a size.

    Attributes:
        verdict: `same` (byte for byte), `held`, `better` and `worse` (the interval is above 0, or below the tolerance),
            `changed` (not the same bytes where they were asked for), `unknown` (there is nothing to compare), `new`.
        before, after: F1 in [0, 1], the mean of the runs.
        difference: after - before.
        exact: how many of its `runs` had to be the same byte for byte.
        lacking: there is a run without a result: it must be made before anything can be said.
        reasons: why it is red; notes: what a reader should know either way.
    """

    block: Block
    verdict: Verdict
    runs: int
    before: float | None = None
    after: float | None = None
    difference: Interval | None = None
    exact: int = 0
    lacking: bool = False
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "/".join(map(str, self.block))


@dataclass(frozen=True, slots=True)
class Judgement:
    """Rows of the reference, then those of cells that it does not know."""

    rows: tuple[Row, ...]
    tolerance: float
    strict: bool = False

    @property
    def red(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.verdict in RED or (self.strict and row.notes))

    @property
    def passed(self) -> bool:
        """Nothing is red, and something was compared."""
        return not self.red and any(row.verdict in COMPARED for row in self.rows)


def judge(
    profile: Profile,
    reference: Reference,
    *,
    tolerance: float,
    exact: Exact = "auto",
    strict: bool = False,
    watch: Callable[[Sequence[Block]], Iterable[Block]] = iter,
) -> Judgement:
    """Compare what the profile gives now with what the reference holds.

    Args:
        tolerance: in points of F1: a block is worse when the whole interval of its difference lies below -tolerance.
        exact: whether the same bytes are asked for: `auto` where a cell was computed on the reference's machine.
        strict: new cells and notes are red too.
        watch: sees the blocks go by.

    Raises:
        ConfigError: a tolerance that nothing could fail.
        KfbenchError: the reference says of the same result that it has other counts.
    """
    check_tolerance(tolerance)
    rows = [_row(block, profile, reference, tolerance, exact) for block in watch(_ordered(profile, reference))]
    return Judgement((*rows, *_new(profile, reference)), tolerance, strict)


def check_tolerance(tolerance: float) -> None:
    """A number of F1 points that something could lose.

    Raises:
        ConfigError: it is none.
    """
    if not (math.isfinite(tolerance) and 0 <= tolerance < LARGEST):
        mend = f"Give one from 0 to below {LARGEST:.0f}; 1.0 is usual."
        raise ConfigError(f"a tolerance of {tolerance} F1 points could fail nothing", mend)


def _ordered(profile: Profile, reference: Reference) -> list[Block]:
    """The blocks of the reference in the order of the plan; those that are no longer planned come last."""
    planned = dict.fromkeys((id.corpus, id.variant, id.size) for id in profile.cells)
    return [block for block in planned if block in reference.blocks] + [block for block in reference.blocks if block not in planned]


def _row(block: Block, profile: Profile, reference: Reference, tolerance: float, exact: Exact) -> Row:
    ids = reference.blocks[block]
    found = {id: pair(id, profile, reference) for id in ids}
    pairs = [one for one in found.values() if isinstance(one, Pair)]
    asked = [one for one in pairs if exact == "always" or (exact == "auto" and one.same_machine)]
    reasons = _grouped([(id, why) for id, why in found.items() if isinstance(why, str)], len(ids))
    notes = _grouped([(one.id, note) for one in pairs for note in one.notes], len(ids))
    if len(pairs) < len(ids):
        planned = [profile.cells[id] for id in ids if id in profile.cells]
        lacking = any(now.done is None for now in planned)
        return Row(block, "unknown", len(ids), exact=len(asked), lacking=lacking, reasons=reasons, notes=notes)
    counts = np.stack([one.counts for one in pairs], axis=1).reshape(2, len({id.draw for id in ids}), -1, *pairs[0].counts.shape[1:])
    change = difference(*counts)
    after, before = (float(f1(side.sum(axis=-2)).mean()) for side in counts)
    verdict, why = _verdict(pairs, asked, before, change, tolerance)
    return Row(block, verdict, len(ids), before, after, change, len(asked), reasons=(*why, *reasons), notes=notes)


def _verdict(
    pairs: Sequence[Pair], asked: Sequence[Pair], before: float, change: Interval | None, tolerance: float
) -> tuple[Verdict, tuple[str, ...]]:
    if not pairs[0].counts[:, :, 2].any():
        return "unknown", ("the test split holds no entity",)
    if 100 * before <= tolerance:
        return "unknown", (f"the reference's F1 is {100 * before:.2f}: it cannot fall by more than {tolerance:g}",)
    if change is None:
        return "unknown", ("no interval can be had",)
    unlike = _grouped([(one.id, f"not the same bytes, which were due: {_extent(one)}") for one in asked if not one.same], len(pairs))
    if 100 * change.high < -tolerance:
        return "worse", (f"the whole interval of the difference lies below -{tolerance:g}", *unlike)
    if unlike:
        return "changed", unlike
    if all(one.same for one in pairs):
        return "same", ()
    return ("better", ()) if change.low > 0 else ("held", ())


def _extent(one: Pair) -> str:
    """How much of a result is another."""
    now, before = one.counts
    changed = int((now != before).any(axis=-1).sum())
    if changed == 0:
        return "the counts are the same, but not what else was predicted or counted"
    return f"{changed} of {len(now)} sentences are counted otherwise"


def _grouped(said: Sequence[tuple[CellId, str]], runs: int) -> tuple[str, ...]:
    """What is said of several runs is said once, and names none where all are meant."""
    rows: dict[str, list[CellId]] = {}
    for id, what in said:
        rows.setdefault(what, []).append(id)
    return tuple(what if len(ids) == runs else f"{', '.join(f'{id.draw}-{id.seed}' for id in ids)}: {what}" for what, ids in rows.items())


def _new(profile: Profile, reference: Reference) -> Iterator[Row]:
    """Cells that the reference does not know: nothing tells whether they are good."""
    extra: dict[Block, list[CellId]] = {}
    for id in profile.cells:
        if str(id) not in reference.cells:
            extra.setdefault((id.corpus, id.variant, id.size), []).append(id)
    for block, ids in extra.items():
        of = "" if block not in reference.blocks else f"{', '.join(f'{id.draw}-{id.seed}' for id in ids)}: "
        yield Row(block, "new", len(ids), notes=(f"{of}not in the reference, so nothing holds it",))
