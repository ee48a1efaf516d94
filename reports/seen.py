"""Entities whose surface form stands in the training sample against those that are new."""

from __future__ import annotations

from typing import Any

from benchmark.result import Counts, Score
from reports import links
from reports.aggregate import Results, Summary, Value
from reports.formats import Cell, Line, Table
from reports.tables import named

NOTHING = "–"


def seen(score: Score) -> Counts:
    """What is left without the unseen: gold and predictions were both divided by their surface form."""
    pairs = {key: getattr(score.micro, key) - getattr(score.unseen, key) for key in ("tp", "pred", "gold")}
    return Counts(**pairs)


def seen_f1(score: Score) -> float | None:
    counts = seen(score)
    return counts.f1 if counts.gold else None


def unseen_f1(score: Score) -> float | None:
    return score.unseen.f1 if score.unseen.gold else None


def seen_recall(score: Score) -> float | None:
    counts = seen(score)
    return counts.recall if counts.gold else None


def unseen_recall(score: Score) -> float | None:
    return score.unseen.recall if score.unseen.gold else None


def unseen_share(score: Score) -> float | None:
    return score.unseen.gold / score.micro.gold if score.micro.gold else None


COLUMNS: dict[str, tuple[str, Value]] = {
    "unseen_share": ("unseen in gold", unseen_share),
    "seen_f1": ("seen F1", seen_f1),
    "unseen_f1": ("unseen F1", unseen_f1),
    "seen_recall": ("seen R", seen_recall),
    "unseen_recall": ("unseen R", unseen_recall),
}


def seen_table(results: Results) -> Table:
    """A row an entry under the protocol that tables show."""
    params = results.params
    lines: list[Line] = []
    records: list[dict[str, Any]] = []
    for corpus, size in ((c, s) for c in params.corpora for s in params.sizes):
        first = True
        for variant in results.variants_on(corpus):
            found = {name: results.summary(value, corpus, variant, size) for name, (_, value) in COLUMNS.items()}
            if found["unseen_share"].mean is None:
                continue
            names = (Cell(corpus if first else ""), Cell(str(size) if first else ""), Cell(named(results, variant)))
            cells = [_cell(summary, links.block(corpus, variant, size)) for summary in found.values()]
            about = {"corpus": corpus, "size": str(size), "variant": variant}
            lines.append(Line((*names, *cells), rule=first, about=about))
            means = {name: summary.mean for name, summary in found.items()}
            records.append(about | {"protocol": results.shown(corpus, variant)} | means)
            first = False
    caption = (
        "All in %, mean ± standard deviation over draws. unseen: the entity's surface form is no entity of the training sample; "
        "unseen in gold: their share of the test entities."
    )
    head = ("corpus", "size", "variant", *(name for name, _ in COLUMNS.values()))
    return Table("seen", "Seen and unseen entities", caption, head, tuple(lines), tuple(records), labels=3, sortable=True)


def _cell(found: Summary, href: str) -> Cell:
    if found.mean is None:
        return Cell(NOTHING)
    return Cell(f"{100 * found.mean:.1f}", f"{100 * found.std:.1f}" if found.std is not None else "", href=href, value=found.mean)
