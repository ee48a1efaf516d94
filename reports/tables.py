"""The tables of a report: F1, per type, supplement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from reports import links
from reports.aggregate import VALUES, Overlap, Results, Size, Summary, Value, type_f1
from reports.captions import conditions, intervals
from reports.formats import Cell, Line, Table
from reports.significance import Verdicts

NOTHING = "–"
DAGGER = "†"  # of an external system
SUPPLEMENT = {
    "precision": "P",
    "recall": "R",
    "f1": "F1",
    "boundary_f1": "boundary F1",
    "unseen_f1": "unseen F1",
    "no_overlap_f1": "no-overlap F1",
}
OTHER = {"dev": "last", "last": "dev"}


@dataclass
class Footnotes:
    """Letters for reasons, in the order of their first use."""

    reasons: dict[str, str] = field(default_factory=dict)

    def mark(self, reason: str) -> str:
        return self.reasons.setdefault(reason, _letter(len(self.reasons)))

    def notes(self) -> tuple[str, ...]:
        return tuple(f"({letter}) {reason}" for reason, letter in self.reasons.items())


def _letter(i: int) -> str:
    return chr(ord("a") + i) if i < 26 else _letter(i // 26 - 1) + chr(ord("a") + i % 26)


def f1_table(
    results: Results, overlaps: Mapping[tuple[str, Size], Overlap], biases: Mapping[str, str], judged: Verdicts | None = None
) -> Table:
    """Mean, interval, standard deviation and n of F1: a row a variant of a corpus, a column a size.

    Bold is a number that is separable from every other of its column; without a test of the difference it would say more
    than is known.
    """
    params = results.params
    footnotes, lines = Footnotes(), []
    for corpus in params.corpora:
        for i, variant in enumerate(results.variants_on(corpus)):
            cells = [
                _judged(_entry(results, VALUES["f1"], corpus, variant, size, footnotes, n=True), judged, corpus, variant, size)
                for size in params.sizes
            ]
            names = (Cell(corpus if i == 0 else ""), Cell(named(results, variant)))
            lines.append(Line((*names, *cells), rule=i == 0, about={"corpus": corpus, "variant": variant}))
        shares = [_share(overlaps.get((corpus, size))) for size in params.sizes]
        if params.draws > 1 and any(share != NOTHING for share in shares):
            lines.append(Line((Cell(""), Cell("(shared by two draws)"), *map(Cell, shares)), aside=True, about={"corpus": corpus}))
    flagged = params.draws > 1 and any(overlap.flagged for overlap in overlaps.values())
    shared = "Shared by two draws: the share of their sentences. " if any(line.aside for line in lines) else ""
    return Table(
        name="f1",
        title="F1 on test",
        caption=f"Micro F1 (%) on spans and types: {intervals(params, judged)} {shared}" + _holes(results),
        conditions=conditions(params, params.corpora, biases),
        head=("corpus", "variant", *(_size(size) for size in params.sizes)),
        lines=tuple(lines),
        records=tuple(_f1_records(results, overlaps, judged)),
        labels=2,
        notes=footnotes.notes()
        + externals(results, params.corpora)
        + (("! two draws share more than half of their sentences: their spread is smaller than that of independent samples.",) * flagged),
    )


def _judged(cell: Cell, judged: Verdicts | None, corpus: str, variant: str, size: Size) -> Cell:
    interval = judged.intervals.get((corpus, variant, size)) if judged else None
    if judged is None or interval is None:
        return cell
    return replace(cell, interval=f"{_percent(interval.low)}, {_percent(interval.high)}", strong=judged.best(corpus, size) == variant)


def _f1_records(results: Results, overlaps: Mapping[tuple[str, Size], Overlap], judged: Verdicts | None) -> Iterator[dict[str, Any]]:
    params = results.params
    for corpus, variant, size in ((c, v, s) for c in params.corpora for v in results.variants_on(c) for s in params.sizes):
        overlap = overlaps.get((corpus, size), Overlap(None, None, False))
        beside = {"overlap_expected": overlap.expected, "overlap_observed": overlap.observed, "overlap_flagged": int(overlap.flagged)}
        for protocol in results.protocols(corpus, variant):
            shown = protocol == results.shown(corpus, variant)
            verdict = _verdict(judged if shown else None, corpus, variant, size)
            yield _record(results, VALUES["f1"], corpus, variant, size, protocol) | verdict | beside


def _verdict(judged: Verdicts | None, corpus: str, variant: str, size: Size) -> dict[str, Any]:
    entry = (corpus, variant, size)
    interval = judged.intervals.get(entry) if judged else None
    return {
        "low": interval and interval.low,
        "high": interval and interval.high,
        "level": interval and interval.level,
        "tie_group": judged and judged.tie_group(*entry),
        "mean_rank": judged and judged.ranks.get(entry),
        "interquartile_mean": judged and judged.interquartile.get(entry),
    }


def type_tables(results: Results, biases: Mapping[str, str]) -> list[Table]:
    """F1 per type: a table a corpus and size, a row a type by how often test has it, a column a variant."""
    params = results.params
    tables = []
    for corpus, size in ((c, s) for c in params.corpora for s in params.sizes):
        gold, absent = _types(results, corpus, size)
        variants = results.variants_on(corpus)
        footnotes, lines, records = Footnotes(), [], []
        for label in sorted(gold, key=lambda label: (-gold[label], label)):
            value = type_f1(label)
            cells = [_entry(results, value, corpus, variant, size, footnotes) for variant in variants]
            lacking = str(absent.get(label) or NOTHING)
            cells = [replace(cell, heat=cell.value) for cell in cells]
            about = {"corpus": corpus, "size": str(size)}
            lines.append(Line((Cell(label), Cell(str(gold[label]), value=gold[label]), Cell(lacking), *cells), about=about))
            head = {"type": label, "gold": gold[label], "draws_without_it": absent.get(label, 0)}
            records += [
                head | _record(results, value, corpus, variant, size, protocol)
                for variant in variants
                for protocol in results.protocols(corpus, variant)
            ]
        if lines:
            caption = (
                f"F1 (%) per type on {corpus}, {_size(size)}, mean ± standard deviation over draws. gold: entities in test; "
                "lacking: draws whose sample has no such entity. " + _holes(results)
            )
            names = ("type", "gold", "lacking", *(named(results, variant) for variant in variants))
            title = f"{corpus}, {_size(size)}: F1 per type"
            notes = footnotes.notes() + externals(results, [corpus])
            said = conditions(params, [corpus], biases)
            name = f"types-{corpus}-{size}"
            tables.append(Table(name, title, caption, names, tuple(lines), tuple(records), notes=notes, conditions=said, sortable=True))
    return tables


def _types(results: Results, corpus: str, size: Size) -> tuple[dict[str, int], dict[str, int]]:
    """Gold entities of each type in test, and in how many draws the sample lacks the type; both the same for all variants."""
    gold: dict[str, int] = {}
    without: dict[str, set[int]] = {}
    for variant in results.variants:
        for row in results.block(corpus, variant, size):
            gold |= {label: counts.gold for label, counts in row.score.types.items()}
            for label in row.absent:
                without.setdefault(label, set()).add(row.cell.draw)
    return gold, {label: len(draws) for label, draws in without.items()}


def supplement(results: Results, biases: Mapping[str, str]) -> Table:
    """Precision, recall, boundaries, unseen surfaces, without overlapping sentences, and the other protocol."""
    params = results.params
    shown = params.protocol.select
    other, f1 = OTHER[shown], VALUES["f1"]
    footnotes, lines, records = Footnotes(), [], []
    for corpus, size in ((c, s) for c in params.corpora for s in params.sizes):
        for i, variant in enumerate(results.variants_on(corpus)):
            cells = [_entry(results, VALUES[name], corpus, variant, size, footnotes) for name in SUPPLEMENT]
            cells.append(
                Cell(NOTHING) if variant in results.external else _entry(results, f1, corpus, variant, size, footnotes, protocol=other)
            )
            names = (Cell(corpus if i == 0 else ""), Cell(str(size) if i == 0 else ""), Cell(named(results, variant)))
            lines.append(Line((*names, *cells), rule=i == 0, about={"corpus": corpus, "size": str(size), "variant": variant}))
            records += [
                {"value": name} | _record(results, VALUES[name], corpus, variant, size, protocol)
                for name in SUPPLEMENT
                for protocol in results.protocols(corpus, variant)
            ]
    caption = (
        "All in %, mean ± standard deviation over draws. boundary: types ignored; unseen: entities whose surface form is not an entity of "
        "the sample; no-overlap: without test sentences that also stand in train; "
        f"{other} F1: F1 under the protocol {other} of the same runs. " + _holes(results)
    )
    head = ("corpus", "size", "variant", *SUPPLEMENT.values(), f"{other} F1")
    notes = footnotes.notes() + externals(results, params.corpora)
    said = conditions(params, params.corpora, biases)
    title = "Supplement"
    return Table("supplement", title, caption, head, tuple(lines), tuple(records), labels=3, notes=notes, conditions=said, sortable=True)


def named(results: Results, variant: str) -> str:
    """A variant as tables name it: external systems with a dagger."""
    return f"{variant}{DAGGER}" if variant in results.external else variant


def externals(results: Results, corpora: Iterable[str]) -> tuple[str, ...]:
    """A note for each external system of a corpus: what is declared of it."""
    notes = []
    for corpus, variant in ((c, v) for c in corpora for v in results.variants_on(c) if v in results.external):
        rows = [one for one in results.declared if (one.cell.corpus, one.cell.variant) == (corpus, variant)]
        runs = "; ".join(
            f"size {size}: {', '.join(f'{r.cell.draw}-{r.cell.seed}' for r in rows if r.cell.size == size)}"
            for size in dict.fromkeys(r.cell.size for r in rows)
        )
        more = "".join(f"; {text}" for text in dict.fromkeys(text for r in rows for text in (r.note, r.url)) if text)
        notes.append(
            f"{DAGGER} {variant} on {corpus}: external predictions, scored here. Declared, not checked: protocol {rows[0].protocol}, "
            f"draw-seed of {runs}{more}."
        )
    return tuple(notes)


def _holes(results: Results) -> str:
    return "(2/10): two of ten planned runs are in. " if results.gaps else ""


def _entry(
    results: Results,
    value: Value,
    corpus: str,
    variant: str,
    size: Size,
    footnotes: Footnotes,
    *,
    protocol: str | None = None,
    n: bool = False,
) -> Cell:
    reason = results.reasons.get((corpus, variant))
    if reason is not None:
        return Cell("n/a", remark=footnotes.mark(f"{variant} on {corpus}: {reason}"))
    found = results.summary(value, corpus, variant, size, protocol)
    hole = "" if found.complete else f"{found.cells}/{found.planned}"
    if found.mean is None:
        return Cell(NOTHING, remark=hole)
    spread = _percent(found.std) if found.std is not None else ""
    return Cell(_percent(found.mean), spread, hole or (str(found.n) if n else ""), links.block(corpus, variant, size), found.mean)


def _record(results: Results, value: Value, corpus: str, variant: str, size: Size, protocol: str) -> dict[str, Any]:
    found: Summary = results.summary(value, corpus, variant, size, protocol)
    head = {"corpus": corpus, "variant": variant, "size": size, "protocol": protocol}
    return head | asdict(found) | {"not_applicable": results.reasons.get((corpus, variant), "")}


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _share(overlap: Overlap | None) -> str:
    if overlap is None:
        return NOTHING
    share = overlap.expected if overlap.expected is not None else overlap.observed
    if share is None:
        return NOTHING
    return f"{100 * share:.0f}%" + (" !" if overlap.flagged else "")


def _size(size: Size) -> str:
    return f"{size[1:]}-shot" if isinstance(size, str) else f"{size} sentences"
