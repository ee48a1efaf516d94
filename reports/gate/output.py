"""A judgement for readers: on the terminal, as Markdown for a pull request, as JUnit XML for a CI, as JSON."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, get_args
from xml.etree import ElementTree

from rich.box import SIMPLE_HEAD
from rich.table import Table as RichTable
from rich.text import Text

from reports.formats import Cell, Line, Table, to_markdown
from reports.gate.judge import Judgement, Row, Verdict
from reports.gate.sensitivity import SHARE, Seen

HEAD = ("corpus", "variant", "size", "before", "now", "diff", "interval", "verdict")
LABELS = 3  # columns that name a row
COLOURS = {"same": "green", "held": "green", "better": "bold green", "new": "yellow"}
GOOD, BAD = "✅", "❌"
NAMED = 4  # rows of which the same is said
SUITE = "kfbench gate"
UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")  # XML 1.0 has no way to write them


def headline(judgement: Judgement) -> str:
    """The verdict in a line."""
    counts = Counter(row.verdict for row in judgement.rows)
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in get_args(Verdict) if counts[verdict]) or "nothing to compare"
    return f"gate: {'green' if judgement.passed else 'red'}: {said}"


def advice(judgement: Judgement, reference: str) -> list[str]:
    """What to do about a red gate."""
    lines = []
    if any(row.lacking for row in judgement.rows):
        lines.append("`dvc repro -k`, or `kfbench run`, makes cells that are missing, stale or failed.")
    if any(not row.lacking for row in judgement.red):
        lines.append(
            f"If a change is meant, `kfbench gate --reference {reference} --update` accepts it: commit the reference with the change."
        )
    return lines


def cells(row: Row) -> tuple[str, ...]:
    """A row as text."""
    size = str(row.block[2])
    if row.before is None or row.after is None or row.difference is None:
        numbers = ("–", "–", "–", "–")
    else:
        change = row.difference
        numbers = (
            f"{100 * row.before:.2f}",
            f"{100 * row.after:.2f}",
            points(change.estimate),
            f"{points(change.low)}, {points(change.high)}",
        )
    return (row.block[0], row.block[1], size, *numbers, row.verdict)


def points(difference: float) -> str:
    """A difference of F1 in points; none has no sign of its own."""
    return f"{round(100 * difference, 2) + 0.0:+.2f}"


def remarks(judgement: Judgement) -> list[str]:
    """Why rows are red, then what else should be known; what is said of many is said once."""
    prefix = "red under --strict: " if judgement.strict else "note: "
    red = _together((row.name, reason) for row in judgement.rows for reason in row.reasons)
    return red + [prefix + note for note in _together((row.name, note) for row in judgement.rows for note in row.notes)]


def _together(said: Iterable[tuple[str, str]]) -> list[str]:
    rows: dict[str, list[str]] = {}
    for name, what in said:
        rows.setdefault(what, []).append(name)
    return [f"{', '.join(names[:NAMED])}{f' and {len(names) - NAMED} more' * (len(names) > NAMED)}: {what}" for what, names in rows.items()]


def sees_on_terminal(seen: Iterable[Seen], tolerance: float) -> RichTable:
    """What a gate can see, as a terminal shows it."""
    said = f"The smallest drop of F1 that is red in {100 * SHARE:g} % of trials at a tolerance of {tolerance:g}: entities missed at random."
    table = RichTable(caption=said, caption_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for i, name in enumerate(("corpus", "variant", "size", "entities", "F1", "drop")):
        table.add_column(name, justify="right" if i >= LABELS else "left", no_wrap=True)
    for row in seen:
        drop = "none" if row.drop is None else f"{100 * row.drop:.1f}"
        table.add_row(*map(Text, (*map(str, row.block), str(row.entities), f"{100 * row.f1:.2f}", drop)))
    return table


def on_terminal(judgement: Judgement) -> RichTable:
    """The table that a terminal shows."""
    table = RichTable(
        caption=caption(judgement), caption_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False
    )
    for i, name in enumerate(HEAD):
        table.add_column(name, justify="right" if LABELS <= i < len(HEAD) - 1 else "left", no_wrap=True)
    for row in judgement.rows:
        *rest, verdict = cells(row)
        colour = "bold red" if row in judgement.red else COLOURS.get(row.verdict, "")
        table.add_row(*map(Text, rest), Text(verdict, style=colour))
    return table


def caption(judgement: Judgement) -> str:
    """What the numbers are."""
    levels = {row.difference.level for row in judgement.rows if row.difference is not None}
    level = f"{100 * levels.pop():g} % interval" if len(levels) == 1 else "interval"
    exact = sum(row.exact for row in judgement.rows)
    runs = sum(row.runs for row in judgement.rows if row.verdict != "new")
    how = f"{exact} of {runs} runs had to be the same byte for byte" if exact else "no run had to be the same byte for byte"
    return f"F1 on test, paired {level}; worse: all of it below -{judgement.tolerance:g}. {how[0].upper()}{how[1:]}."


def markdown(judgement: Judgement, reference: str) -> str:
    """A summary for a pull request."""
    lines = tuple(Line(tuple(map(Cell, _marked(row, judgement)))) for row in judgement.rows)
    notes = tuple(remarks(judgement))
    table = Table("gate", headline(judgement), caption(judgement), HEAD, lines, (), labels=LABELS, notes=notes)
    mark = GOOD if judgement.passed else BAD
    return f"{mark} {to_markdown(table)}" + "".join(f"\n{line}\n" for line in advice(judgement, reference))


def _marked(row: Row, judgement: Judgement) -> tuple[str, ...]:
    *rest, verdict = cells(row)
    return (*rest, f"{BAD} {verdict}" if row in judgement.red else verdict)


def junit(judgement: Judgement, reference: str) -> str:
    """A test case a block; a new one that nothing asks for is skipped, with the reason."""
    suite = ElementTree.Element("testsuite", name=SUITE)
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("reference", reference), ("tolerance", f"{judgement.tolerance:g}"), ("strict", str(judgement.strict).lower())):
        ElementTree.SubElement(properties, "property", name=name, value=_xml(value))
    for row in judgement.rows:
        corpus, variant, size = map(str, row.block)
        case = ElementTree.SubElement(suite, "testcase", classname=_xml(f"gate.{corpus}"), name=_xml(f"{variant}/{size}"))
        said = "\n".join((*row.reasons, *row.notes))
        if row in judgement.red:
            failure = ElementTree.SubElement(case, "failure", type=row.verdict, message=_xml(f"{row.name}: {row.verdict}"))
            failure.text = _xml("\n".join((said, *advice(judgement, reference))))
        elif row.verdict == "new":
            ElementTree.SubElement(case, "skipped", message=_xml(said))
        out = ElementTree.SubElement(case, "system-out")
        out.text = _xml(", ".join(f"{name} {value}" for name, value in zip(HEAD, cells(row), strict=True)))
    if not judgement.passed and not judgement.red:
        case = ElementTree.SubElement(suite, "testcase", classname="gate", name="anything was compared")
        ElementTree.SubElement(case, "failure", type="empty", message="nothing was compared")
    return _document(suite)


def junit_error(error: str) -> str:
    """What a CI reads where there was nothing to judge."""
    suite = ElementTree.Element("testsuite", name=SUITE)
    case = ElementTree.SubElement(suite, "testcase", classname="gate", name="reference and profile can be read")
    ElementTree.SubElement(case, "error", type="error", message=_xml(error.splitlines()[0])).text = _xml(error)
    return _document(suite)


def _document(suite: ElementTree.Element) -> str:
    for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(list(suite.iter(tag)))))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _xml(text: str) -> str:
    return UNPRINTABLE.sub("?", text)


def as_json(judgement: Judgement, reference: str) -> dict[str, Any]:
    """What --json prints; F1 in [0, 1]."""
    rows: list[Mapping[str, Any]] = []
    for row in judgement.rows:
        corpus, variant, size = row.block
        values = asdict(row)
        del values["block"]
        rows.append({"corpus": corpus, "variant": variant, "size": size, **values, "red": row in judgement.red})
    return {
        "passed": judgement.passed,
        "reference": reference,
        "tolerance": judgement.tolerance,
        "strict": judgement.strict,
        "rows": rows,
    }
