"""How many entities of each kind of error, a row an entry."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from reports import links
from reports.aggregate import LISTED, Results
from reports.errors import KINDS
from reports.formats import Cell, Line, Table
from reports.predictions import CellErrors, Errors
from reports.tables import named


def error_table(results: Results, errors: Errors, browsable: Collection[str]) -> Table | None:
    """Means over runs; None where no predictions were read.

    Args:
        browsable: corpora whose sentences the report shows; their numbers of errors lead to them.
    """
    blocks: dict[tuple[str, str, str], list[CellErrors]] = {}
    for cell in errors.cells:
        blocks.setdefault((cell.row.cell.corpus, str(cell.row.cell.size), cell.row.cell.variant), []).append(cell)
    lines: list[Line] = []
    records: list[dict[str, Any]] = []
    params = results.params
    for corpus, size in ((c, s) for c in params.corpora for s in params.sizes):
        first = True
        for variant in results.variants_on(corpus):
            cells = blocks.get((corpus, str(size), variant))
            if not cells:
                continue
            means = {kind: sum(cell.counts[kind] for cell in cells) / len(cells) for kind in KINDS}
            names = (Cell(corpus if first else ""), Cell(str(size) if first else ""), Cell(named(results, variant)))
            about = {"corpus": corpus, "size": str(size), "variant": variant}
            where = {kind: links.block(corpus, variant, size) for kind in KINDS}
            if corpus in browsable:
                where |= {kind: links.browse(corpus, variant, size, kind) for kind in KINDS if kind != "correct"}
            numbers = [_cell(kind, means, where[kind], 1 if len(cells) > 1 else 0) for kind in KINDS]
            runs = Cell(str(len(cells)), href=links.block(corpus, variant, size), value=len(cells))
            lines.append(Line((*names, *numbers, runs), rule=first, about=about))
            records.append(about | {"protocol": results.shown(corpus, variant)} | means | {"cells": len(cells)})
            first = False
    if not lines:
        return None
    head = ("corpus", "size", "variant", *KINDS, "runs")
    caption = (
        "Entities, mean over runs; in brackets the share of the gold entities in %, for spurious ones of the predicted. "
        + "; ".join(f"{kind}: {what}" for kind, what in KINDS.items())
        + ". Every entity is counted once."
    )
    notes = tuple(_left_out(errors.unread))
    return Table("errors", "Kinds of errors", caption, head, tuple(lines), tuple(records), labels=3, notes=notes, sortable=True)


def _left_out(unread: Sequence[str]) -> Iterator[str]:
    """What could not be read: the first few by name."""
    yield from (f"Left out: {why}." for why in unread[:LISTED])
    if len(unread) > LISTED:
        yield f"Left out: {len(unread) - LISTED} more."


def _cell(kind: str, means: Mapping[str, float], href: str, decimals: int) -> Cell:
    paired = sum(means[k] for k in ("correct", "type", "boundary", "both"))
    whole = paired + (means["spurious"] if kind == "spurious" else means["missed"])
    share = means[kind] / whole if whole else 0.0
    return Cell(f"{means[kind]:.{decimals}f}", remark=f"{100 * share:.1f}", href=href, value=means[kind])
