"""What the error browser reads: a file with a corpus's test sentences, and a file a run with what its variants got wrong.

A page opened from a disk may not fetch, so the files are scripts that call `kfbench.sentences` and `kfbench.run`. They hold
data alone: strings are JSON, and whatever corpora and models wrote reaches the page as text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.errors import KINDS, Finding, order
from reports.links import file_name
from reports.predictions import CellErrors, Errors, TestSplit

FOLDER = "errors"
KIND_NUMBERS = {kind: i for i, kind in enumerate(KINDS)}
JOINED = ("zh", "ja")  # languages that are written without blanks


@dataclass(frozen=True, slots=True)
class Browser:
    """The error browser of a corpus: what its page offers to choose, and its data by file name."""

    corpus: str
    language: str
    variants: Sequence[str]
    runs: Mapping[str, Sequence[str]]  # size -> draw-seed
    labels: Sequence[str]
    files: Mapping[str, str]

    @property
    def choices(self) -> dict[str, Any]:
        return {"variants": list(self.variants), "runs": {size: list(runs) for size, runs in self.runs.items()}, "kinds": list(KINDS)}


def browsers(errors: Errors, variants: Sequence[str], shown: Sequence[str]) -> Iterator[Browser]:
    """Of every corpus in `shown` whose predictions were read.

    Args:
        variants: in the order of tables.
    """
    for corpus in shown:
        cells = [cell for cell in errors.cells if cell.row.cell.corpus == corpus]
        if cells:
            yield _browser(corpus, errors.tests[corpus], cells, variants)


def _browser(corpus: str, test: TestSplit, cells: Sequence[CellErrors], variants: Sequence[str]) -> Browser:
    gold = {span[2] for sentence in test.sentences for span in sentence.spans}
    predicted = {f.predicted[2] for cell in cells for found in cell.sentences.values() for f in found if f.predicted}
    labels = sorted(gold | predicted)
    numbers = {label: i for i, label in enumerate(labels)}
    folder = f"{FOLDER}/{file_name(corpus)}"
    files = {f"{folder}/sentences.js": _call("sentences", _sentences(test, labels, numbers))}
    runs: dict[str, list[str]] = {}
    grouped: dict[tuple[str, str], list[CellErrors]] = {}
    for cell in cells:
        key = (str(cell.row.cell.size), f"{cell.row.cell.draw}-{cell.row.cell.seed}")
        grouped.setdefault(key, []).append(cell)
    for (size, run), own in grouped.items():
        runs.setdefault(size, []).append(run)
        rows = [[cell.row.cell.variant, _wrong(cell, numbers)] for cell in own]
        files[f"{folder}/{file_name(size)}/{run}.js"] = _call("run", size, run, rows)
    there = {cell.row.cell.variant for cell in cells}
    ordered = {size: sorted(names, key=lambda run: tuple(map(int, run.split("-")))) for size, names in runs.items()}
    return Browser(corpus, test.info.language, [v for v in variants if v in there], ordered, labels, files)


def _sentences(test: TestSplit, labels: Sequence[str], numbers: Mapping[str, int]) -> dict[str, Any]:
    """Rows are [id, tokens, gold]: tokens of one letter each are one string, gold is start, end, label of each span in turn."""
    rows = []
    for sentence in test.sentences:
        text = "".join(sentence.text) if all(len(token) == 1 for token in sentence.text) else list(sentence.text)
        gold = [part for start, end, label in sorted(sentence.spans, key=order) for part in (start, end, numbers[label])]
        rows.append([sentence.id, text, gold])
    joined = test.info.language in JOINED
    return {"language": test.info.language, "blank": "" if joined else " ", "labels": list(labels), "rows": rows}


def _wrong(cell: CellErrors, numbers: Mapping[str, int]) -> dict[str, Any]:
    return {str(i): _row(findings, numbers) for i, findings in cell.sentences.items()}


def _row(findings: Sequence[Finding], numbers: Mapping[str, int]) -> list[Any]:
    """[kinds of the gold spans as digits, start, end, label, kind and gold partner (or -1) of each predicted span in turn]."""
    gold = sorted((f.gold for f in findings if f.gold), key=order)
    kinds = {f.gold: KIND_NUMBERS[f.kind] for f in findings if f.gold}
    predicted: list[int] = []
    for finding in sorted((f for f in findings if f.predicted), key=lambda f: order(f.predicted) if f.predicted else (0, 0, "")):
        if finding.predicted:
            start, end, label = finding.predicted
            partner = gold.index(finding.gold) if finding.gold else -1
            predicted += [start, end, numbers[label], KIND_NUMBERS[finding.kind], partner]
    return ["".join(str(kinds[span]) for span in gold), predicted]


def _call(name: str, *values: Any) -> str:
    return f"kfbench.{name}({', '.join(script_json(value) for value in values)});\n"


def script_json(value: Any) -> str:
    """JSON that neither ends a script element nor opens a comment in one, wherever it stands."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
