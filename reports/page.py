"""The report as a page: index.md and index.html, one file each, nothing fetched."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.config import Params
from reports.aggregate import Results
from reports.captions import encoder_name, protocol
from reports.figures import INK, PAPER, Figure
from reports.formats import Table, to_markdown

TITLE = "knowfree-bench: report"


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit of a prepared corpus: the figures that the page shows, and the whole of it as Markdown."""

    corpus: str
    sentences: dict[str, int]
    entities: int
    repeated: int
    shared: int  # test sentences that stand in train
    markdown: str


@dataclass(frozen=True)
class Report:
    """All that a page shows."""

    results: Results
    main: Table
    types: Sequence[Table]
    supplement: Table
    synthesis: Table | None
    figures: Sequence[Figure]
    audits: Sequence[Audit]
    absent_curves: int

    @property
    def params(self) -> Params:
        return self.results.params

    @property
    def downloads(self) -> list[str]:
        """Tables as files, without their suffixes."""
        return ["tables/f1", "tables/types", "tables/supplement", *["tables/synthesis"] * (self.synthesis is not None)]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The profile, a line a fact."""
        params = self.params
        cells = self.results.done
        encoders = [f"{corpus}: {encoder_name(params.encoders[corpus])}" for corpus in params.corpora]
        return [
            ("corpora", ", ".join(params.corpora)),
            ("variants", ", ".join(params.rows)),
            ("sizes", ", ".join(map(str, params.sizes))),
            ("draws", str(params.draws)),
            ("seeds", ", ".join(map(str, params.seeds))),
            ("protocol", protocol(params).removeprefix("Protocol ")),
            ("encoders", "; ".join(encoders)),
            ("cells", f"{cells} of {cells + len(self.results.gaps)}"),
        ]

    @property
    def reasons(self) -> list[str]:
        """Pairs that cannot be, and why."""
        return [f"{variant} on {corpus}: {reason}" for (corpus, variant), reason in self.results.reasons.items()]

    @property
    def gaps(self) -> list[str]:
        """Planned cells that are missing, and why."""
        return [f"{gap.cell}: {gap.why}" for gap in self.results.gaps]


def read_audits(params: Params, data: Path) -> list[Audit]:
    """Audits of the corpora that are prepared here; the others are left out."""
    audits = []
    for corpus in params.corpora:
        source, page = data / corpus / "audit.json", data / corpus / "audit.md"
        try:
            found = json.loads(source.read_text(encoding="utf-8"))
            splits = found["splits"]
            overlaps = {(o["split"], o["within"]): o["sentences"] for o in found["overlaps"]}
            audits.append(
                Audit(
                    corpus,
                    {name: splits[name]["sentences"] for name in splits},
                    sum(split["entities"] for split in splits.values()),
                    sum(split["repeated"] for split in splits.values()),
                    overlaps.get(("test", "train"), 0),
                    page.read_text(encoding="utf-8"),
                )
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return audits


def markdown(report: Report) -> str:
    """index.md: the tables, and links to everything else."""
    parts = [f"# {TITLE}", "\n".join(f"- {name}: {value}" for name, value in report.facts), "## F1", to_markdown(report.main)]
    if report.reasons:
        parts += ["## Not applicable", "\n".join(f"- {reason}" for reason in report.reasons)]
    if report.gaps:
        parts += ["## Missing cells", "\n".join(f"- {gap}" for gap in report.gaps)]
    if report.figures:
        parts += ["## Learning curves", *(f"![{figure.alt}](figures/{figure.name}.svg)" for figure in report.figures)]
    if report.types:
        parts += ["## Per type", *(to_markdown(table) for table in report.types)]
    parts += ["## Supplement", to_markdown(report.supplement)]
    if report.synthesis:
        parts += ["## Synthesis", to_markdown(report.synthesis)]
    if report.audits:
        parts += ["## Corpora", "\n".join(f"- [audit of {audit.corpus}](audits/{audit.corpus}.md)" for audit in report.audits)]
    links = [f"[{name}.{kind}]({name}.{kind})" for name in report.downloads for kind in ("md", "tex", "csv")]
    parts += ["## Files", "\n".join(f"- {link}" for link in ("[cells.csv](cells.csv)", *links))]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def html(report: Report) -> str:
    """index.html: the same, with its figures inside the file."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates", encoding="utf-8"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    images = [(figure, _data_uri(figure.svg)) for figure in report.figures]
    return environment.get_template("index.html").render(title=TITLE, report=report, images=images, downloads=report.downloads)


def _data_uri(svg: bytes) -> str:
    """A figure that follows the page into the dark: its ink becomes the current colour, its paper transparent.

    The file in figures/ keeps both, since it must look right where nobody sets colours.
    """
    text = svg.decode("utf-8").replace(INK, "currentColor").replace(f"fill: {PAPER}", "fill: none")
    style = f"<style>svg{{color:{INK}}}@media (prefers-color-scheme:dark){{svg{{color:#e4e7ee}}}}</style>"
    head, tag, rest = text.partition("<svg ")
    attributes, end, body = rest.partition(">")
    return "data:image/svg+xml;base64," + base64.b64encode(f"{head}{tag}{attributes}{end}{style}{body}".encode()).decode("ascii")
