"""The leaderboard: every entry with its interval, its tie group and its difference to the baseline, best first."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from reports import links
from reports.aggregate import VALUES, Results, Size, Summary
from reports.formats import Cell, Line, Table
from reports.significance import Verdicts
from reports.tables import NOTHING, externals, named

HEAD = ("corpus", "size", "variant", "F1", "interval", "tie group", "against {baseline}", "p (Holm)", "better in", "n", "protocol")
LABELS = 3
BASELINE = "baseline"
CAPTION = (  # of the columns that are there
    ("F1", "Micro F1 (%) on test, mean ± standard deviation over draws, best first."),
    ("interval", "interval: {level:.0f} %, over draws and test sentences."),
    ("tie group", "Variants of one tie group cannot be told apart."),
    ("against {baseline}", "against {baseline}: paired difference with its interval."),
    ("p (Holm)", "p: sign flips of whole draws, corrected for the variants; in brackets the smallest that so few draws can reach."),
    ("better in", "better in: the chance that a run beats one of the baseline on the same draw."),
    ("n", "n: draws."),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """What the statistics say of an entry; None where nothing can be said."""

    interval: tuple[float, float] | None = None
    group: int | None = None  # 1: no better one can be told from it
    difference: tuple[float, float, float] | None = None  # to the baseline: estimate, low, high
    p: float | None = None
    smallest_p: float | None = None
    improvement: float | None = None


NO_WORD = Judged()


def judge(verdicts: Verdicts, entry: tuple[str, str, Size]) -> Judged:
    """What the verdicts say of (corpus, variant, size) under the protocol that tables show."""
    corpus, variant, size = entry
    interval, compared = verdicts.intervals.get(entry), verdicts.comparison(corpus, variant, size)
    group = next((i for i, names in enumerate(verdicts.groups.get((corpus, size), ()), 1) if variant in names), None)
    between = compared.difference if compared else None
    tested = compared is not None and compared.draws > 1
    return Judged(
        interval=(interval.low, interval.high) if interval else None,
        group=group if interval else None,
        difference=(between.estimate, between.low, between.high) if between else None,
        p=compared.p_holm if compared and tested else None,
        smallest_p=compared.smallest_p if compared and tested else None,
        improvement=compared.improvement if compared and tested else None,
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """A row: a variant on a corpus at a size under a protocol; `shown` if tables show it under this one."""

    corpus: str
    size: Size
    protocol: str
    variant: str
    shown: bool
    summary: Summary
    judged: Judged

    @property
    def about(self) -> dict[str, str]:
        return {"corpus": self.corpus, "size": str(self.size), "variant": self.variant}


def entries(results: Results, verdicts: Verdicts) -> Iterator[Entry]:
    """All entries that have a number: by corpus, size and protocol (the shown one first), the best first."""
    params = results.params
    for corpus, size in ((c, s) for c in params.corpora for s in params.sizes):
        rows = []
        for variant in results.variants_on(corpus):
            for protocol in results.protocols(corpus, variant):
                found = results.summary(VALUES["f1"], corpus, variant, size, protocol)
                shown = protocol == results.shown(corpus, variant)
                judged = judge(verdicts, (corpus, variant, size)) if shown else NO_WORD
                if found.mean is not None:
                    rows.append(Entry(corpus, size, protocol, variant, shown, found, judged))
        yield from sorted(rows, key=lambda e: (not e.shown, -(e.summary.mean or 0.0), results.variants.index(e.variant)))


def board(results: Results, verdicts: Verdicts) -> Table:
    """The leaderboard as a table; columns of which nothing can be said are left out."""
    params, baseline = results.params, verdicts.baseline
    lines: list[Line] = []
    last: tuple[str, Size, bool] | None = None
    found = list(entries(results, verdicts))
    scale = _scale(found)
    for entry in found:
        group = (entry.corpus, entry.size, entry.shown)
        # What an external system declares stands beside the profile's protocol, whatever it is: filters must not part them.
        protocol = params.protocol.select if entry.shown else entry.protocol
        lines.append(Line(_cells(entry, results, baseline, scale), rule=group != last, about=entry.about | {"protocol": protocol}))
        last = group
    said = [i for i in range(len(HEAD)) if i < LABELS or any(line.cells[i].text not in (NOTHING, BASELINE) for line in lines)]
    head = tuple(HEAD[i].format(baseline=baseline) for i in said)
    lines = [replace(line, cells=tuple(line.cells[i] for i in said)) for line in lines]
    there = {HEAD[i] for i in said}
    caption = " ".join(text.format(baseline=baseline, level=100 * verdicts.level) for name, text in CAPTION if name in there)
    reasons = tuple(f"n/a: {variant} on {corpus}: {reason}" for (corpus, variant), reason in results.reasons.items())
    notes = reasons + externals(results, params.corpora)
    records = tuple(map(_record, found))
    text = frozenset({"protocol"})
    return Table("board", "Leaderboard", caption, head, tuple(lines), records, LABELS, notes, text=text, sortable=True)


def _scale(found: list[Entry]) -> tuple[float, float]:
    """What the bars of intervals span, in whole tenths."""
    ends = [end for entry in found for end in entry.judged.interval or ()]
    return (math.floor(10 * min(ends)) / 10, math.ceil(10 * max(ends)) / 10) if ends else (0.0, 1.0)


def _cells(entry: Entry, results: Results, baseline: str, scale: tuple[float, float]) -> tuple[Cell, ...]:
    found, judged = entry.summary, entry.judged
    href = links.block(entry.corpus, entry.variant, entry.size)
    hole = "" if found.complete else f"{found.cells}/{found.planned}"
    mean = found.mean or 0.0
    number = Cell(_percent(mean), _percent(found.std) if found.std is not None else "", hole, href, mean)
    interval = against = p = better = Cell(NOTHING)
    if judged.interval:
        low, high = judged.interval
        a, m, b = ((end - scale[0]) / ((scale[1] - scale[0]) or 1.0) for end in (low, mean, high))
        interval = Cell(f"{_percent(low)} to {_percent(high)}", href=href, value=low, bar=(a, m, b))
    if entry.variant == baseline and entry.shown:
        against = Cell(BASELINE)
    if judged.difference:
        estimate, low, high = judged.difference
        against = Cell(f"{100 * estimate:+.1f}", remark=f"{100 * low:+.1f} to {100 * high:+.1f}", href=href, value=estimate)
    if judged.p is not None:
        p = Cell(_p(judged.p, judged.smallest_p), value=judged.p)
    if judged.improvement is not None:
        better = Cell(f"{100 * judged.improvement:.0f} %", value=judged.improvement)
    group = Cell(str(judged.group) if judged.group else NOTHING, value=judged.group)
    ours = results.params.protocol
    protocol = ours.name if entry.protocol == ours.select else entry.protocol
    names = (Cell(entry.corpus), Cell(str(entry.size)), Cell(named(results, entry.variant)))
    return (*names, number, interval, group, against, p, better, Cell(str(found.n), value=found.n), Cell(protocol))


def _record(entry: Entry) -> dict[str, Any]:
    judged, found = entry.judged, entry.summary
    low, high = judged.interval or (None, None)
    difference = dict(zip(("difference", "difference_low", "difference_high"), judged.difference or (None,) * 3, strict=True))
    rest = {"p_holm": judged.p, "smallest_p": judged.smallest_p, "improvement": judged.improvement, "n": found.n}
    about = entry.about | {"protocol": entry.protocol}
    return about | {"mean": found.mean, "std": found.std, "low": low, "high": high, "tie_group": judged.group} | difference | rest


def _p(p: float, smallest: float | None) -> str:
    text = f"{p:.3f}" if p >= 0.001 else "<0.001"
    return f"{text} (≥ {smallest:.2g})" if smallest is not None and smallest > 0.001 else text


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
