"""index.md: the report for readers of Markdown."""

from __future__ import annotations

from reports.formats import markdown_escape, to_markdown
from reports.page import TITLE, Report


def markdown(report: Report) -> str:
    """The tables, and links to everything else."""
    parts = [
        f"# {TITLE}",
        "\n".join(f"- {name}: {markdown_escape(value)}" for name, value in report.facts),
        markdown_escape(report.conditions),
        "## Leaderboard",
        to_markdown(report.board),
    ]
    parts += ["## F1", to_markdown(report.main)]
    if report.reasons:
        parts += ["## Not applicable", "\n".join(f"- {markdown_escape(reason)}" for reason in report.reasons)]
    if report.gaps:
        parts += ["## Missing cells", "\n".join(f"- {markdown_escape(gap)}" for gap in report.gaps)]
    for table in report.more:
        parts += [f"## {markdown_escape(table.title)}", to_markdown(table)]
    for kind, title in (("sizes", "F1 over sample size"), ("shots", "F1 over shots"), ("curves", "Learning curves")):
        if figures := report.drawn(kind):
            parts += [f"## {title}", *(f"![{markdown_escape(figure.alt)}](figures/{figure.name}.svg)" for figure in figures)]
    if report.types:
        parts += ["## Per type", *(to_markdown(table) for table in report.types)]
    rest = (report.supplement, report.seen, report.errors, report.cost, report.synthesis, report.published)
    for table in (table for table in rest if table is not None):
        parts += [f"## {table.title}", to_markdown(table)]
    if report.audits:
        parts += ["## Corpora", "\n".join(f"- [audit of {audit.corpus}](audits/{audit.corpus}.md)" for audit in report.audits)]
    links = [f"[tables/{name}.{kind}](tables/{name}.{kind})" for name in report.tables for kind in ("md", "tex", "csv")]
    parts += ["## Files", "\n".join(f"- {link}" for link in ("[cells.csv](cells.csv)", *links))]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"
