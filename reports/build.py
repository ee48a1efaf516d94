"""A report in memory and on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table as RichTable
from rich.text import Text

from benchmark.config import Params
from benchmark.workspace import Workspace
from reports import aggregate, figures, page, tables
from reports.formats import Table, to_csv, to_latex, to_markdown
from reports.synthesis import synthesis_table
from splits.errors import KfbenchError
from splits.files import new_folder, write_bytes

MARK = "cells.csv"  # a folder that has it is a report and may be replaced


def build(params: Params, found: aggregate.Results, data: Path, store: Path) -> page.Report:
    """All parts of a report, in memory."""
    biases = output_biases(params)
    curves = list(figures.read_curves(found, store))
    return page.Report(
        results=found,
        main=tables.f1_table(found, aggregate.read_overlaps(params, data), biases),
        types=tables.type_tables(found, biases),
        supplement=tables.supplement(found, biases),
        synthesis=synthesis_table(params, data),
        figures=[figures.draw_curves(c, params.rows) for c in curves if c.runs],
        audits=page.read_audits(params, data),
        absent_curves=sum(c.absent for c in curves),
    )


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
    contents: dict[str, str | bytes] = {"index.md": page.markdown(made), "index.html": page.html(made)}
    contents[MARK] = to_csv(aggregate.long_form(made.results), aggregate.COLUMNS)
    synthesis = [made.synthesis] if made.synthesis else []
    for name, several in {"f1": [made.main], "types": made.types, "supplement": [made.supplement], "synthesis": synthesis}.items():
        if not several and name == "synthesis":
            continue
        contents[f"tables/{name}.md"] = "\n".join(to_markdown(table) for table in several)
        contents[f"tables/{name}.tex"] = "\n".join(to_latex(table) for table in several)
        contents[f"tables/{name}.csv"] = to_csv(record for table in several for record in table.records)
    for figure in made.figures:
        contents[f"figures/{figure.name}.svg"], contents[f"figures/{figure.name}.png"] = figure.svg, figure.png
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
        "figures": [asdict(figure)["name"] for figure in made.figures],
    }


def on_terminal(table: Table) -> RichTable:
    """A table as the terminal shows it."""
    shown = RichTable(title=table.title, caption="\n".join([table.whole_caption, *table.notes]), caption_justify="left")
    for i, name in enumerate(table.head):
        shown.add_column(Text(name), justify="left" if i < table.labels else "right")
    for line in table.lines:
        if line.rule and shown.rows:
            shown.add_section()
        cells = [" ".join(p for p in (c.text, f"± {c.spread}" * bool(c.spread), f"({c.remark})" * bool(c.remark)) if p) for c in line.cells]
        shown.add_row(*map(Text, cells), style="dim" if line.aside else None)
    return shown
