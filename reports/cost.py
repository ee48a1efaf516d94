"""What the numbers cost: training time, memory and speed of inference against F1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from reports import links
from reports.aggregate import VALUES, Results, Row, Size
from reports.figures import WIDE, Figure, canvas, legend, look, marker, save, title
from reports.formats import Cell, Line, Table
from reports.runs import Runs

NOTHING = "–"
HEAD = ("corpus", "size", "variant", "F1", "training (s)", "peak memory (MB)", "test sentences/s", "runs")


@dataclass(frozen=True, slots=True)
class Cost:
    """Means over the runs of an entry that this machine's store has."""

    corpus: str
    variant: str
    size: Size
    f1: float
    fit_seconds: float
    peak_memory_mb: float
    sentences_per_second: float
    runs: int


def costs(results: Results, runs: Runs) -> Iterator[Cost]:
    """Of every entry with a run; external systems have none."""
    params = results.params
    for corpus, size, variant in ((c, s, v) for c in params.corpora for s in params.sizes for v in params.rows):
        rows = [row for row in results.block(corpus, variant, size) if row.hash in runs]
        f1 = results.summary(VALUES["f1"], corpus, variant, size).mean
        if not rows or f1 is None:
            continue
        found = [runs[row.hash] for row in rows]
        yield Cost(
            corpus,
            variant,
            size,
            f1,
            fmean(run.seconds.get("fit", run.seconds.get("total", 0.0)) for run in found),
            fmean(run.peak_memory_mb for run in found),
            fmean(run.sentences_per_second for run in found),
            len(found),
        )


def machines(rows: Sequence[Row], runs: Runs) -> list[str]:
    """Where cells were computed, each machine once; times compare only within one of them."""
    return sorted({_machine(runs[row.hash].provenance) for row in rows if row.hash in runs} - {""})


def _machine(provenance: Mapping[str, object]) -> str:
    known, config = provenance.get("machine"), provenance.get("config")
    if not isinstance(known, Mapping):
        return ""
    training = config.get("training") if isinstance(config, Mapping) else None
    threads = training.get("threads") if isinstance(training, Mapping) else None
    where = str(known.get("gpu") or known.get("cpu") or "unknown processor")
    return where + (f", {threads} thread{'s' if threads != 1 else ''}" if threads and not known.get("gpu") else "")


def cost_table(results: Results, runs: Runs) -> Table | None:
    """A row an entry; None where the store has no runs."""
    lines, records, last = [], [], None
    for cost in costs(results, runs):
        head = (cost.corpus, cost.size)
        names = (Cell(cost.corpus if head != last else ""), Cell(str(cost.size) if head != last else ""), Cell(cost.variant))
        where = links.block(cost.corpus, cost.variant, cost.size)
        f1 = Cell(f"{100 * cost.f1:.1f}", href=where, value=cost.f1)
        numbers = [_number(value, where) for value in (cost.fit_seconds, cost.peak_memory_mb, cost.sentences_per_second, cost.runs)]
        about = {"corpus": cost.corpus, "size": str(cost.size), "variant": cost.variant}
        lines.append(Line((*names, f1, *numbers), rule=head != last, about=about))
        records.append({name: getattr(cost, name) for name in Cost.__slots__})
        last = head
    if not lines:
        return None
    there = machines(results.rows, runs)
    caption = (
        "Means over runs. training: seconds of fitting, evaluations on dev included; peak memory: of the process (GPU: of the device). "
        "Times compare only within one machine" + (f": {'; '.join(there)}." if there else ".")
    )
    return Table("cost", "Cost", caption, HEAD, tuple(lines), tuple(records), labels=3, sortable=True)


def _number(value: float, href: str) -> Cell:
    return Cell(f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}", href=href, value=value)


def draw_costs(results: Results, runs: Runs) -> Iterator[Figure]:
    """F1 against training time, a figure a corpus: a point an entry, larger samples further along a variant's line."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    there = list(costs(results, runs))
    for corpus in results.params.corpora:
        points = [cost for cost in there if cost.corpus == corpus and cost.fit_seconds > 0]
        if not points:
            continue
        with canvas(4.2, 3.7) as drawn:
            axes = drawn.subplots()
            handles = []
            for variant in results.params.rows:
                own = [cost for cost in points if cost.variant == variant]
                if not own:
                    continue
                style = look(results.variants, variant) | {"marker": marker(results.variants, variant), "markersize": 6, "linewidth": 1}
                axes.plot([cost.fit_seconds for cost in own], [100 * cost.f1 for cost in own], **style)
                handles.append(Line2D([], [], label=variant, **style))
            wide = max(cost.fit_seconds for cost in points) > WIDE * min(cost.fit_seconds for cost in points)
            if wide:
                axes.set_xscale("log")
                axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
                axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_xlabel("seconds of training" + " (log scale)" * wide)
            axes.margins(0.12)
            title(drawn, f"{corpus}: F1 on test (%) and its cost")
            legend(drawn, handles, columns=2)
            alt = f"F1 on test against seconds of training on {corpus}: {', '.join(dict.fromkeys(c.variant for c in points))}"
            yield save(drawn, f"cost-{corpus}", alt, corpus=corpus)
