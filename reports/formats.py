"""A table as Markdown, LaTeX (booktabs) and CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tabulate import DataRow, TableFormat, tabulate
from tabulate import Line as Rule


@dataclass(frozen=True, slots=True)
class Cell:
    """A number with its interval, its spread and a remark (n, a hole, a footnote); or just text. `strong` is set in bold.

    The rest is for pages: `href` says where the number comes from (from the report's folder), `value` is what a column is
    sorted by, `bar` holds low, middle and high of an interval, `heat` is a share in [0, 1] that becomes a shade.
    """

    text: str
    spread: str = ""
    remark: str = ""
    href: str = ""
    value: float | None = None
    bar: tuple[float, float, float] | None = None
    heat: float | None = None
    interval: str = ""
    strong: bool = False

    @property
    def plain(self) -> str:
        """As a line of text: `71.2 [69.8, 72.6] ± 1.1 (10)`."""
        parts = (self.text, self.interval and f"[{self.interval}]", self.spread and f"± {self.spread}", self.remark and f"({self.remark})")
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Line:
    """A row. `rule`: one is drawn above it, a group begins; `aside`: it is about the rows above, not one of them.

    `about` is what pages filter by: corpus, size, variant, protocol, as far as the whole row is about one.
    """

    cells: tuple[Cell, ...]
    rule: bool = False
    aside: bool = False
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """Title, caption and lines for readers; `records` for machines, numbers unrounded and in [0, 1].

    `labels` says how many columns, from the left, name the row. `conditions` are the part of the caption that all tables of
    a report share: a page says them once. `text` columns hold words; `sortable` tables have no row that needs its neighbour.
    """

    name: str
    title: str
    caption: str
    head: tuple[str, ...]
    lines: tuple[Line, ...]
    records: tuple[Mapping[str, Any], ...]
    labels: int = 1
    notes: tuple[str, ...] = ()
    conditions: str = ""
    text: frozenset[str] = frozenset()
    sortable: bool = False

    @property
    def whole_caption(self) -> str:
        """What stands with the table where it stands alone."""
        return " ".join(part.strip() for part in (self.caption, self.conditions) if part)

    def only(self, **about: str) -> Table:
        """The rows about a corpus, size, variant or protocol, all labels written out, with the notes that they need."""
        keep = [line for line in filled(self.lines, self.labels) if all(line.about.get(key) == value for key, value in about.items())]
        said = " ".join(f"{cell.text} ({cell.remark})" for line in keep for cell in line.cells)
        others = {line.about[key] for line in self.lines for key, value in about.items() if line.about.get(key, value) != value}
        elsewhere = re.compile("|".join(rf"(?<!\w){re.escape(name)}†?(:| on )" for name in sorted(others)) or "(?!)")
        notes = [note for note in self.notes if (note[0].isalnum() or note.split(" ", 1)[0] in said) and not elsewhere.search(note)]
        return replace(self, lines=tuple(keep), notes=tuple(notes))


def filled(lines: Iterable[Line], labels: int) -> Iterator[Line]:
    """Rows that name themselves: a label that stands only in the first row of its group is repeated."""
    names: list[Cell] = []
    for line in lines:
        if line.aside:
            yield line
            continue
        head = line.cells[:labels]
        names = [cell if cell.text or not names else above for cell, above in zip(head, names or head, strict=True)]
        yield replace(line, cells=(*names, *line.cells[labels:]))


def to_markdown(table: Table) -> str:
    """A pipe table under its title and caption."""
    rows = [[_plain(cell) for cell in line.cells] for line in table.lines]
    align = ["left"] * table.labels + ["right"] * (len(table.head) - table.labels)
    body = tabulate(rows, [markdown_escape(h) for h in table.head], tablefmt="pipe", colalign=align, disable_numparse=True)
    notes = "".join(f"- {markdown_escape(note)}\n" for note in table.notes)
    return f"**{markdown_escape(table.title)}.** {markdown_escape(table.whole_caption)}\n\n{body}\n" + (f"\n{notes}" if notes else "")


def _plain(cell: Cell) -> str:
    text = markdown_escape(cell.text)
    return replace(cell, text=f"**{text}**" if cell.strong else text, remark=markdown_escape(cell.remark)).plain


def markdown_escape(text: str) -> str:
    """Text that Markdown leaves alone. An underscore inside a word means nothing to it and stays readable."""
    text = re.sub(r"([\\`*|<\[])", r"\\\1", " ".join(text.split()))
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)


# After `\\` LaTeX takes a bracket or a star for an option of the line break, also on the next line: hence the braces.
LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "±": r"$\pm$",
    "–": "--",
    "×": r"$\times$",
    "†": r"\textsuperscript{\textdagger}",
}


def latex_escape(text: str) -> str:
    """Text that LaTeX prints as it is, on one line. CJK stays: it needs XeLaTeX or LuaLaTeX and a font, no escape."""
    return "".join(LATEX.get(c, c) for c in " ".join(text.split()))


def to_latex(table: Table) -> str:
    """A `table` environment for `\\usepackage{booktabs}`; notes stand under the rule."""
    rows = [[_latex_cell(cell) for cell in line.cells] for line in table.lines]
    body = tabulate(rows, [latex_escape(h) for h in table.head], tablefmt=_booktabs(table), disable_numparse=True, stralign="left")
    lines = body.split("\n")
    first = len(lines) - 2 - len(rows)  # two lines close the table
    for i, line in reversed(list(enumerate(table.lines))):
        if line.rule and i:
            lines.insert(first + i, r"\midrule")
    needs = "booktabs" if body.isascii() else "booktabs; CJK needs XeLaTeX or LuaLaTeX with a font that has it"
    notes = [rf"\par\smallskip\footnotesize {latex_escape(note)}" for note in table.notes]
    return "\n".join(
        [
            f"% needs: {needs}",
            r"\begin{table}[htbp]",
            r"\centering\small",
            rf"\caption{{\textbf{{{latex_escape(table.title)}.}} {latex_escape(table.whole_caption)}}}",
            rf"\label{{tab:{re.sub(r'[^A-Za-z0-9:.-]+', '-', table.name)}}}",
            *lines,
            *notes,
            r"\end{table}",
            "",
        ]
    )


def _latex_cell(cell: Cell) -> str:
    text = latex_escape(cell.text)
    parts = [rf"\textbf{{{text}}}" if cell.strong else text]
    parts += [rf"{{\scriptsize [{latex_escape(cell.interval)}]}}"] if cell.interval else []
    parts += [rf"{{\scriptsize $\pm$ {latex_escape(cell.spread)}}}"] if cell.spread else []
    parts += [rf"{{\scriptsize ({latex_escape(cell.remark)})}}"] if cell.remark else []
    return " ".join(part for part in parts if part)


def _booktabs(table: Table) -> TableFormat:
    """tabulate's own `latex_booktabs` escapes cells, ours hold commands; `latex_raw` has no booktabs rules."""
    columns = "l" * table.labels + "r" * (len(table.head) - table.labels)
    row = DataRow("", " & ", r" \\")
    return TableFormat(
        lineabove=lambda *_: f"\\begin{{tabular}}{{{columns}}}\n\\toprule",
        linebelowheader=Rule(r"\midrule", "", "", ""),
        linebetweenrows=None,
        linebelow=lambda *_: "\\bottomrule\n\\end{tabular}",
        headerrow=row,
        datarow=row,
        padding=0,
        with_header_hide=None,
    )


def to_csv(records: Iterable[Mapping[str, Any]], head: Sequence[str] = ()) -> str:
    """Records with a header line; None is an empty field, a float has 6 decimals. `head` names the columns where there may be no record."""
    records = list(records)
    names = list(head) or list(dict.fromkeys(name for record in records for name in record))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({name: _field(value) for name, value in record.items()})
    return out.getvalue()


def _field(value: Any) -> Any:
    """As CSV has it; text that a spreadsheet would take for a formula gets the apostrophe that makes it text there."""
    if isinstance(value, float):
        return round(value, 6)
    return f"'{value}" if isinstance(value, str) and len(value) > 1 and value[0] in "=+-@\t\r" else value
