"""A report in memory and on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table as RichTable
from rich.text import Text

from benchmark.config import Params
from benchmark.workspace import Workspace
from reports import aggregate, curves, fonts, page, tables
from reports.audits import read_audits, read_facts
from reports.board import board
from reports.captions import conditions
from reports.cost import cost_table, draw_costs
from reports.error_browser import browsers
from reports.error_table import error_table
from reports.figures import Figure
from reports.formats import Table, to_csv, to_latex, to_markdown
from reports.heat import draw_types
from reports.markdown import markdown
from reports.predictions import read_errors, read_tests
from reports.provenance import blocks, commits
from reports.published import published_table, read_published
from reports.runs import Runs, read_runs
from reports.seen import seen_table
from reports.significance import Verdicts, verdicts
from reports.size_curves import draw_sizes, lines_of
from reports.synthesis import synthesis_table
from reports.verdict_tables import difference_table, rank_table, variance_table
from splits.errors import KfbenchError
from splits.files import new_folder, write_bytes

MARK = "cells.csv"  # a folder that has it is a report and may be replaced


def build(
    params: Params, found: aggregate.Results, data: Path, store: Path, *, results: Path = Path("results"), public: bool = False
) -> page.Report:
    """All parts of a report, in memory.

    Args:
        results: where the cells' predictions lie.
        public: leave out sentences of corpora that may not be redistributed.
    """
    biases = output_biases(params)
    runs = read_runs(found, store)
    facts = {corpus: known for corpus in params.corpora if (known := read_facts(corpus, data))}
    errors = read_errors(found, read_tests(params, data), results)
    there = list(dict.fromkeys(cell.row.cell.corpus for cell in errors.cells))
    withheld = [corpus for corpus in there if public and not errors.tests[corpus].info.redistributable]
    shown = [corpus for corpus in there if corpus not in withheld]
    types = tables.type_tables(found, biases)
    judged = verdicts(found)
    more = (difference_table(found, judged, biases), rank_table(found, judged, biases), variance_table(found, judged, biases))
    found_curves = list(curves.read_curves(found, runs))
    figures = [*drawn(found, runs, types, judged), *(curves.draw_curves(c, params.rows) for c in found_curves if c.runs)]
    return page.Report(
        results=found,
        board=board(found, judged),
        main=tables.f1_table(found, aggregate.read_overlaps(params, data), biases, judged),
        more=[table for table in more if table is not None],
        types=types,
        supplement=tables.supplement(found, biases),
        seen=seen_table(found),
        errors=error_table(found, errors, shown),
        cost=cost_table(found, runs),
        synthesis=synthesis_table(params, data),
        published=published_table(found, read_published()),
        figures=figures,
        audits=read_audits(params, data),
        facts_of=facts,
        sources={corpus: list(blocks(found, runs, corpus)) for corpus in params.corpora},
        commits=commits(found, runs),
        browsers=list(browsers(errors, found.variants, shown)),
        withheld=withheld,
        conditions=conditions(params, params.corpora, biases),
        absent_curves=sum(c.absent for c in found_curves),
        public=public,
        warnings=_warnings(found, types),
    )


def drawn(found: aggregate.Results, runs: Runs, types: list[Table], judged: Verdicts) -> list[Figure]:
    """The figures but for learning curves over training."""
    params = found.params
    bands = {entry: (interval.low, interval.high) for entry, interval in judged.intervals.items()}
    lines = {corpus: lines_of(found, corpus, bands) for corpus in params.corpora}
    band = f"{100 * judged.level:.0f} % intervals"
    sizes = [figure for corpus, own in lines.items() for figure in draw_sizes(corpus, own, found, band)]
    heat = []
    for table in types:
        about = table.lines[0].about
        if about["size"] == str(page.largest(params)) and (figure := draw_types(table, about["corpus"], about["size"])):
            heat.append(figure)
    return [*sizes, *draw_costs(found, runs), *heat]


def _warnings(found: aggregate.Results, types: list[Table]) -> list[str]:
    """What a reader of the figures must know."""
    names = [*found.params.corpora, *found.variants, *(line.cells[0].text for table in types for line in table.lines)]
    if letters := fonts.lacking(names):
        some = letters[:20] + ("…" if len(letters) > 20 else "")
        what = f"No installed font has {some}: the PDF figures show boxes for them. Pages and SVG use the reader's fonts."
        return [f"{what} To mend it, {fonts.MEND}."]
    return []


def output_biases(params: Params) -> dict[str, str]:
    """Variant -> its `output_bias`, as params or the method's own default say; methods without one are left out.

    A recipe may decide the bias, so only the built method knows. Where it was never built and cannot be (a machine
    that only reports has no torch), what params say must do.
    """
    biases, methods = {}, Workspace().methods
    for variant in params.rows:
        chosen = params.methods[variant]
        try:
            bias = methods.declared(chosen.method, chosen.params).params.get("output_bias")
        except ImportError:
            bias = chosen.params.get("output_bias")
        if bias is not None:
            biases[variant] = str(bias)
    return biases


def write(made: page.Report, out: Path) -> None:
    """The whole report or nothing: a folder beside `out` that takes its place when it is complete.

    Raises:
        KfbenchError: `out` holds something that is no report, or cannot be written.
    """
    out = out.resolve()
    if out.exists() and not (out / MARK).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise KfbenchError(f"{out}: exists and is not a report", "Name another folder with --out, or remove this one.")
    try:
        with new_folder(out) as fresh:
            for name, content in files(made).items():
                write_bytes(fresh / name, content if isinstance(content, bytes) else content.encode())
    except OSError as error:
        raise KfbenchError(f"{out}: cannot be written: {error.strerror}", "Check space and permissions.") from error


def files(made: page.Report) -> dict[str, str | bytes]:
    """Name -> content of every file of a report; the same for the same results."""
    contents: dict[str, str | bytes] = {"index.md": markdown(made), **dict(page.pages(made)), **dict(page.assets())}
    contents[MARK] = to_csv(aggregate.long_form(made.results), aggregate.COLUMNS)
    for browser in made.browsers:
        contents |= browser.files
    for name, several in made.tables.items():
        contents[f"tables/{name}.md"] = "\n".join(to_markdown(table) for table in several)
        contents[f"tables/{name}.tex"] = "\n".join(to_latex(table) for table in several)
        contents[f"tables/{name}.csv"] = to_csv(record for table in several for record in table.records)
    for figure in made.figures:
        contents[f"figures/{figure.name}.svg"], contents[f"figures/{figure.name}.pdf"] = figure.svg, figure.pdf
    for audit in made.audits:
        contents[f"audits/{audit.corpus}.md"] = audit.markdown
    return contents


def summary(made: page.Report, out: Path) -> Mapping[str, Any]:
    """What --json prints."""
    found = made.results
    return {
        "out": str(out),
        "cells": found.done,
        "missing": [{"cell": str(gap.cell), "why": gap.why} for gap in found.gaps],
        "not_applicable": [{"corpus": c, "variant": v, "reason": reason} for (c, v), reason in found.reasons.items()],
        "protocol": found.params.protocol.name,
        "f1": [record for record in made.main.records if record["protocol"] == found.shown(record["corpus"], record["variant"])],
        **{table.name: list(table.records) for table in made.more},
        "withheld": list(made.withheld),
        "warnings": list(made.warnings),
        "figures": [figure.name for figure in made.figures],
    }


def on_terminal(table: Table) -> RichTable:
    """A table as the terminal shows it."""
    shown = RichTable(title=table.title, caption="\n".join([table.whole_caption, *table.notes]), caption_justify="left")
    for i, name in enumerate(table.head):
        shown.add_column(Text(name), justify="left" if i < table.labels else "right")
    for line in table.lines:
        if line.rule and shown.rows:
            shown.add_section()
        cells = [Text(cell.plain, style="bold" if cell.strong else "") for cell in line.cells]
        shown.add_row(*cells, style="dim" if line.aside else None)
    return shown
