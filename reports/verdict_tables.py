"""Tables of what the statistics say: differences to the baseline, ranks with their ties, where variance comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from reports import links
from reports.aggregate import VALUES, Results, Size
from reports.bootstrap import Interval
from reports.captions import conditions, coverage
from reports.formats import Cell, Line, Table
from reports.significance import Comparison, Verdicts
from reports.tables import NOTHING, externals, named

ALL = "all"  # sizes taken together
POINTS = 100


def difference_table(results: Results, judged: Verdicts, biases: Mapping[str, str]) -> Table | None:
    """Every variant against the baseline: a row a corpus, size and variant; None without anything to compare."""
    if not judged.comparisons:
        return None
    params, baseline = results.params, judged.baseline
    lines, last = [], None
    for found in judged.comparisons:
        size = ALL if found.size is None else str(found.size)
        group = (found.corpus, size)
        first = group != last
        names = (Cell(found.corpus if first else ""), Cell(size if first else ""), Cell(named(results, found.variant)))
        about = {"corpus": found.corpus, "variant": found.variant} | ({} if found.size is None else {"size": size})
        lines.append(Line((*names, *_compared(found)), rule=first, about=about))
        last = group
    tested = any(found.draws > 1 for found in judged.comparisons)
    caption = (
        f"F1 points on the draws that a variant and {baseline} both have: mean difference"
        + (f" [{POINTS * judged.level:.0f} % interval]. {coverage(params, 'difference')} " if tested else ". ")
        + "p: sign flips of whole draws, two-sided; Holm p: corrected for the variants of the rows between two lines; floor: the "
        "smallest p that so few draws can give. better: how often a run beats one of the baseline on the same draw."
        + (f" Bold: Holm p at most {1 - judged.level:.2g} and an interval without 0." if tested else "")
        + (f" {ALL}: jointly over sizes, a draw flipped in all of them." if any(found.size is None for found in judged.comparisons) else "")
    )
    return Table(
        name="differences",
        title=f"Difference to {baseline}",
        caption=caption,
        head=("corpus", "size", "variant", "difference", "p", "Holm p", "floor", "better", "draws"),
        lines=tuple(lines),
        records=tuple(map(_difference_record, judged.comparisons)),
        labels=3,
        notes=tuple(_powerless(judged)) + tuple(_unpaired(results, judged)) + externals(results, params.corpora),
        conditions=conditions(params, params.corpora, biases),
        sortable=True,
    )


def _compared(found: Comparison) -> tuple[Cell, ...]:
    interval = found.difference
    href = "" if found.size is None else links.block(found.corpus, found.variant, found.size)
    strong = interval is not None and interval.excludes_zero and found.p_holm <= 1 - interval.level
    difference = Cell(
        f"{POINTS * found.mean:+.1f}",
        interval="" if interval is None else f"{POINTS * interval.low:+.1f}, {POINTS * interval.high:+.1f}",
        strong=strong,
        href=href,
        value=found.mean,
    )
    better = Cell(f"{POINTS * found.improvement:.0f} %", value=found.improvement)
    n = Cell(str(found.draws), value=found.draws)
    if found.draws < 2:
        return (difference, Cell("n/a"), Cell("n/a"), Cell("n/a"), better, n)
    p = (Cell(probability(x), value=x) for x in (found.p, found.p_holm, found.smallest_p))
    return (difference, *p, better, n)


def probability(p: float) -> str:
    """`0.0312`, `0.24`, `<0.001`."""
    return "<0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def _powerless(judged: Verdicts) -> Iterator[str]:
    """Where even the clearest difference could not be significant, a table must say so."""
    families: dict[tuple[str, Size | None], list[Comparison]] = {}
    for found in judged.comparisons:
        families.setdefault((found.corpus, found.size), []).append(found)
    alpha = 1 - judged.level
    lost: dict[tuple[int, int], list[str]] = {}
    for (corpus, size), members in families.items():
        draws = max(found.draws for found in members)
        tested = sum(found.draws > 1 for found in members)
        if draws < 2 or tested * min(found.smallest_p for found in members) > alpha:
            lost.setdefault((draws, tested), []).append(f"{corpus} {ALL if size is None else size}")
    for (draws, tested), where in lost.items():
        count = f"{draws} draw{'s' if draws > 1 else ''}"
        reach = "no test is possible" if draws < 2 else f"no difference of {tested} can be significant at {alpha:.2g}, however clear"
        yield f"{', '.join(where)}: with {count} {reach}."


def _unpaired(results: Results, judged: Verdicts) -> Iterator[str]:
    for corpus in results.params.corpora:
        if (reason := results.reasons.get((corpus, judged.baseline))) is not None:
            yield f"{corpus}: the baseline cannot be here: {reason}."


def _difference_record(found: Comparison) -> dict[str, Any]:
    interval: Interval | None = found.difference
    head = {"corpus": found.corpus, "size": ALL if found.size is None else found.size, "variant": found.variant, "baseline": found.baseline}
    ends = {
        "difference": found.mean,
        "low": interval and interval.low,
        "high": interval and interval.high,
        "level": interval and interval.level,
    }
    tested = found.draws > 1
    p = {"p": found.p if tested else None, "p_holm": found.p_holm if tested else None, "smallest_p": found.smallest_p if tested else None}
    return head | ends | p | {"improvement": found.improvement, "draws": found.draws}


def rank_table(results: Results, judged: Verdicts, biases: Mapping[str, str]) -> Table | None:
    """Each column of the F1 table, best first, with the places that evidence leaves open; None where nothing is ranked."""
    params = results.params
    lines: list[Line] = []
    records: list[dict[str, Any]] = []
    for (corpus, size), groups in judged.groups.items():
        if sum(map(len, groups)) < 2:
            continue
        for i, (variant, number, first_place, last_place) in enumerate(_places(results, corpus, size, groups)):
            entry = (corpus, variant, size)
            mean, inner, rank = results.summary(VALUES["f1"], *entry).mean, judged.interquartile[entry], judged.ranks.get(entry)
            place = NOTHING if first_place is None else "–".join(dict.fromkeys((str(first_place), str(last_place))))
            names = (Cell(corpus if i == 0 else ""), Cell(str(size) if i == 0 else ""), Cell(named(results, variant)))
            numbers = (_number(mean, POINTS, links.block(corpus, variant, size)), _number(inner, POINTS), _number(rank))
            about = {"corpus": corpus, "size": str(size), "variant": variant}
            lines.append(Line((*names, Cell(place, value=first_place), *numbers), rule=i == 0, about=about))
            record = {"corpus": corpus, "size": size, "variant": variant, "tie_group": number}
            record |= {"first_place": first_place, "last_place": last_place}
            records.append(record | {"mean": mean, "interquartile_mean": inner, "mean_rank": rank})
    if not lines:
        return None
    columns = {(corpus, size) for corpus, _, size in judged.ranks}
    if len(columns) > 1:
        for i, (variant, rank) in enumerate(sorted(judged.overall_ranks.items(), key=lambda one: one[1])):
            names = (Cell(ALL if i == 0 else ""), Cell(ALL if i == 0 else ""), Cell(named(results, variant)))
            empty = [Cell(NOTHING)] * 3
            lines.append(Line((*names, *empty, _number(rank)), rule=i == 0, about={"variant": variant}))
            records.append({"corpus": ALL, "size": ALL, "variant": variant, "mean_rank": rank})
    caption = (
        "Best first. place: variants that share places are tied: a line between two places stands only where every variant above is "
        "separable from every one below, by sign flips and by the interval, corrected for all pairs (Holm). interquartile mean: of F1 "
        f"(%) over draws; mean rank: over the draws that all variants have. {ALL}: mean over all corpora and sizes."
        + (
            " External systems that lack one of our draws have no place."
            if any(record.get("tie_group", 1) is None for record in records)
            else ""
        )
    )
    return Table(
        name="ranks",
        title="Ranks and ties",
        caption=caption,
        head=("corpus", "size", "variant", "place", "F1", "interquartile mean", "mean rank"),
        lines=tuple(lines),
        records=tuple(records),
        labels=3,
        notes=externals(results, params.corpora),
        conditions=conditions(params, params.corpora, biases),
        sortable=True,
    )


def _places(
    results: Results, corpus: str, size: Size, groups: Sequence[Sequence[str]]
) -> Iterator[tuple[str, int | None, int | None, int | None]]:
    """Variants, best first, with their group, first and last place; then external systems that have none."""
    above = 0
    for number, group in enumerate(groups, 1):
        yield from ((variant, number, above + 1, above + len(group)) for variant in group)
        above += len(group)
    ranked = {variant for group in groups for variant in group}
    yield from ((v, None, None, None) for v in results.variants_on(corpus) if v not in ranked and results.block(corpus, v, size))


def _number(value: float | None, scale: float = 1, href: str = "") -> Cell:
    return Cell(NOTHING) if value is None else Cell(f"{scale * value:.1f}", href=href, value=value)


def variance_table(results: Results, judged: Verdicts, biases: Mapping[str, str]) -> Table | None:
    """Standard deviations by source, where several seeds were run; None where none were."""
    params = results.params
    lines: list[Line] = []
    records: list[dict[str, Any]] = []
    last = None
    for (corpus, variant, size), found in judged.variances.items():
        if found.seed is None or found.residual is None:
            continue
        first = (corpus, size) != last
        names = (Cell(corpus if first else ""), Cell(str(size) if first else ""), Cell(named(results, variant)))
        parts = [Cell(f"{POINTS * part**0.5:.1f}", value=part**0.5) for part in (found.draw, found.seed, found.residual, found.sentences)]
        runs = Cell(f"{found.draws} × {found.seeds}")
        lines.append(Line((*names, *parts, runs), rule=first, about={"corpus": corpus, "size": str(size), "variant": variant}))
        deviations = {f"{name}_sd": part**0.5 for name, part in asdict(found).items() if name not in ("draws", "seeds")}
        head: dict[str, Any] = {"corpus": corpus, "size": size, "variant": variant}
        records.append(head | deviations | {"draws": found.draws, "seeds": found.seeds})
        last = (corpus, size)
    if not lines:
        return None
    caption = (
        "Standard deviations (F1 points) of a single run, by source. draw: the sample; seed: what a seed does on all draws alike; rest: "
        "seed and draw together; test sentences: what another test split of this size would move, the same for all runs. Estimates "
        "below zero are shown as zero."
    )
    return Table(
        name="variances",
        title="Where the variance comes from",
        caption=caption,
        head=("corpus", "size", "variant", "draw", "seed", "rest", "test sentences", "draws × seeds"),
        lines=tuple(lines),
        records=tuple(records),
        labels=3,
        conditions=conditions(params, params.corpora, biases),
        sortable=True,
    )
