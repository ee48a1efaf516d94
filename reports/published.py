"""Figures that publications report for cells of ours, to stand beside them under their own protocol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from reports import links
from reports.aggregate import VALUES, Results
from reports.formats import Cell, Line, Table
from reports.tables import NOTHING

FILE = Path(__file__).with_name("published.yaml")
PROTOCOLS = {"test": "selected on test", "dev": "selected on dev", "last": "last checkpoint"}
HEAD = ("corpus", "size", "system", "protocol", "F1", "conditions", "source")


class Published(BaseModel):
    """A published figure: F1 in %, how its checkpoint was chosen, and which methods of the suite it is compared with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    corpus: str
    size: int | str
    system: str
    beside: tuple[str, ...]
    f1: float
    protocol: str
    conditions: str = ""
    source: str
    url: str = ""


def read_published(path: Path = FILE) -> list[Published]:
    return [Published(**row) for row in yaml.safe_load(path.read_text(encoding="utf-8"))]


def published_table(results: Results, known: Sequence[Published]) -> Table | None:
    """Each published figure whose corpus and size the profile has, ours below it; None where there is none."""
    params, lines, records = results.params, [], []
    for figure in known:
        if figure.corpus not in params.corpora or figure.size not in params.sizes:
            continue
        about = {"corpus": figure.corpus, "size": str(figure.size)}
        head = (Cell(figure.corpus), Cell(str(figure.size)), Cell(f"{figure.system} (published)"))
        protocol = Cell(PROTOCOLS.get(figure.protocol, figure.protocol))
        number = Cell(f"{figure.f1:.2f}", value=figure.f1 / 100)
        lines.append(Line((*head, protocol, number, Cell(figure.conditions), Cell(figure.source, href=figure.url)), rule=True, about=about))
        records.append(
            about | {"system": figure.system, "ours": 0, "protocol": figure.protocol, "f1": figure.f1 / 100, "source": figure.source}
        )
        for variant in params.rows:
            if params.methods[variant].method not in figure.beside:
                continue
            found = results.summary(VALUES["f1"], figure.corpus, variant, figure.size)
            protocol = Cell(PROTOCOLS[params.protocol.select])
            where = links.block(figure.corpus, variant, figure.size)
            number = Cell(NOTHING, remark="not run")
            if found.mean is not None:
                spread = f"{100 * found.std:.2f}" if found.std is not None else ""
                number = Cell(f"{100 * found.mean:.2f}", spread, f"n={found.n}", where, found.mean)
            conditions = Cell(params.encoders[figure.corpus].name)
            lines.append(Line((Cell(""), Cell(""), Cell(variant), protocol, number, conditions, Cell("this report")), about=about))
            ours = {"system": variant, "ours": 1, "protocol": params.protocol.select, "f1": found.mean, "source": "this report"}
            records.append(about | ours)
    if not lines:
        return None
    caption = (
        "Figures of publications beside ours. The protocols differ, so a gap is no verdict: a checkpoint that was selected on test is "
        "scored too high."
    )
    text = frozenset(("system", "protocol", "conditions", "source"))
    return Table("published", "Published figures", caption, HEAD, tuple(lines), tuple(records), labels=3, text=text)
