"""The pages of a report: templates filled in, nothing computed and nothing fetched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from benchmark.config import Params
from reports import links
from reports.aggregate import Results
from reports.audits import Audit, Facts
from reports.error_browser import Browser, script_json
from reports.figures import Figure
from reports.formats import Table, filled
from reports.provenance import Block, Commit

if TYPE_CHECKING:
    from jinja2 import Environment

TITLE = "knowfree-bench: report"
HERE = Path(__file__).parent
STATIC = ("site.css", "tables.js", "errors.js")
ASSETS = "assets"


@dataclass(frozen=True)
class Report:
    """All that the pages show.

    `browsers` are those of the corpora whose sentences may be shown; `withheld` names the others with predictions, left out
    since the report is `public`. `conditions` is what every number's caption would say.
    """

    results: Results
    board: Table
    main: Table
    types: Sequence[Table]
    supplement: Table
    seen: Table
    errors: Table | None
    cost: Table | None
    synthesis: Table | None
    published: Table | None
    figures: Sequence[Figure]
    audits: Sequence[Audit]
    facts_of: Mapping[str, Facts]
    sources: Mapping[str, Sequence[Block]]
    commits: Sequence[Commit]
    browsers: Sequence[Browser]
    withheld: Sequence[str]
    conditions: str
    absent_curves: int
    public: bool = False
    warnings: Sequence[str] = ()
    more: Sequence[Table] = ()  # of the statistics

    @property
    def params(self) -> Params:
        return self.results.params

    @property
    def baseline(self) -> str:
        """The variant that the others are compared with."""
        return self.params.baseline or self.params.rows[0]

    @property
    def tables(self) -> dict[str, list[Table]]:
        """What stands in `tables/`, by file name."""
        single = [self.board, self.main, *self.more, self.supplement, self.seen, self.errors, self.cost, self.synthesis, self.published]
        found = {table.name: [table] for table in single if table is not None}
        return found | ({"types": list(self.types)} if self.types else {})

    @property
    def confidential(self) -> list[str]:
        """Corpora whose sentences the pages show though they may not be redistributed."""
        return [b.corpus for b in self.browsers if b.corpus not in self.facts_of or not self.facts_of[b.corpus].redistributable]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The profile, a line a fact."""
        params = self.params
        cells = self.results.done
        return [
            ("corpora", ", ".join(params.corpora)),
            ("variants", ", ".join(params.rows)),
            ("sizes", ", ".join(map(str, params.sizes))),
            ("draws", str(params.draws)),
            ("seeds", ", ".join(map(str, params.seeds))),
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

    @property
    def largest(self) -> str:
        """The size that stands for all where there is room for one."""
        return str(largest(self.params))

    def drawn(self, kind: str, corpus: str = "", size: str = "") -> list[Figure]:
        """Figures of a kind (`sizes`, `shots`, `curves`, `cost`, `types`), of a corpus and size if given."""
        return [
            figure
            for figure in self.figures
            if figure.name.startswith(f"{kind}-") and corpus in ("", figure.corpus) and size in ("", figure.size)
        ]


def largest(params: Params) -> int | str:
    """The largest number of sentences; of shots, where a profile has nothing else."""
    return max(params.sizes, key=lambda size: (isinstance(size, int), int(str(size).removeprefix("k"))))


def pages(report: Report) -> Iterator[tuple[str, str]]:
    """Every HTML page with its name; what they share is in `assets/`."""
    environment = _environment()

    def page(name: str, template: str, **values: Any) -> tuple[str, str]:
        root = "../" * name.count("/")
        return name, environment.get_template(template).render(report=report, root=root, name=name, **values)

    yield page("index.html", "index.html", title=TITLE)
    browsers = {browser.corpus: browser for browser in report.browsers}
    audits = {audit.corpus: audit for audit in report.audits}
    for corpus in report.params.corpora:
        known = report.facts_of.get(corpus)
        here = {"corpus": corpus, "audit": audits.get(corpus), "facts": known, "browser": browsers.get(corpus)}
        yield page(_file(links.corpus_page(corpus)), "corpus.html", title=f"Corpus {corpus}", **here)
        if corpus in browsers or corpus in report.withheld:
            yield page(_file(links.errors_page(corpus)), "errors.html", title=f"Errors on {corpus}", **here)
        if report.sources.get(corpus):
            title = f"Provenance on {corpus}"
            yield page(_file(links.provenance_page(corpus)), "provenance.html", title=title, corpus=corpus, blocks=report.sources[corpus])
    for variant in report.results.variants:
        blocks = [(corpus, block) for corpus, found in report.sources.items() for block in found if block.variant == variant]
        yield page(_file(links.method_page(variant)), "method.html", title=f"Method {variant}", variant=variant, blocks=blocks)


def assets() -> Iterator[tuple[str, str]]:
    """Style sheet and scripts."""
    for name in STATIC:
        yield f"{ASSETS}/{name}", (HERE / "static" / name).read_text(encoding="utf-8")


def _file(link: str) -> str:
    """The file that a link names; links quote what a file system need not."""
    from urllib.parse import unquote

    return unquote(link)


def _environment() -> Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates", encoding="utf-8"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {"links": links, "filled": filled}
    environment.filters |= {"quoted": lambda text: quote(str(text), safe=""), "script_json": _script}
    return environment


def _script(value: Any) -> Any:
    """Data for a script element."""
    from markupsafe import Markup

    return Markup(script_json(value))  # `<`, `>` and `&` are escaped in it
