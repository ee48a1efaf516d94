"""What the reported cells predicted on test, held against the corpus that is prepared here."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmark.config import Params
from benchmark.external import FOLDER
from benchmark.result import PREDICTIONS
from reports.aggregate import Results, Row
from reports.errors import KINDS, Finding, compare
from splits import prepare
from splits.errors import KfbenchError
from splits.schema import Sentence, Span, read_jsonl
from splits.source import CorpusInfo


@dataclass(frozen=True)
class TestSplit:
    """The test sentences of a corpus and what may be done with them."""

    info: CorpusInfo
    sentences: Sequence[Sentence]

    @cached_property
    def gold(self) -> list[int]:
        """Entities of each sentence: what every result of the corpus must agree on."""
        return [len(sentence.spans) for sentence in self.sentences]


@dataclass(frozen=True, slots=True)
class CellErrors:
    """A cell's entities by kind (`KINDS`), and the findings of each sentence with an error, by its row in the split."""

    row: Row
    counts: Mapping[str, int]
    sentences: Mapping[int, Sequence[Finding]]


@dataclass(frozen=True, slots=True)
class Errors:
    """Of all reported cells. `unread` says what could not be read, and why."""

    tests: Mapping[str, TestSplit]
    cells: Sequence[CellErrors]
    unread: Sequence[str]


def read_tests(params: Params, data: Path) -> dict[str, TestSplit]:
    """Test splits by corpus; one that is not prepared here is left out."""
    tests = {}
    for corpus in params.corpora:
        try:
            tests[corpus] = TestSplit(prepare.info(data / corpus), read_jsonl(data / corpus / "test.jsonl"))
        except KfbenchError:
            continue
    return tests


def read_errors(results: Results, tests: Mapping[str, TestSplit], folder: Path) -> Errors:
    """Every cell's errors under the protocol that tables show.

    Args:
        folder: `results/`; external rows lie in `external/` beside it.
    """
    cells, unread = [], []
    for row in results.rows:
        corpus, variant = row.cell.corpus, row.cell.variant
        if corpus not in tests or row.protocol != results.shown(corpus, variant):
            continue
        root = folder.parent / FOLDER if variant in results.external else folder
        try:
            cells.append(cell_errors(row, tests[corpus], root / str(row.cell) / PREDICTIONS))
        except KfbenchError as error:
            unread.append(f"{row.cell}: {error.what}")
    return Errors(tests, tuple(cells), tuple(unread))


def cell_errors(row: Row, test: TestSplit, path: Path) -> CellErrors:
    """One cell's errors.

    Raises:
        KfbenchError: no predictions, or they are not those of the result, or the result is of another test split.
    """
    if [gold for _, _, gold in row.score.sentences] != test.gold:
        raise KfbenchError("obtained on another test split than the one that is prepared here")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise KfbenchError(f"{PREDICTIONS}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None
    if len(lines) != len(test.sentences):
        raise KfbenchError(f"{PREDICTIONS}: {len(lines)} lines for {len(test.sentences)} sentences")
    counts = dict.fromkeys(KINDS, 0)
    sentences = {}
    for i, (line, sentence, (tp, pred, gold)) in enumerate(zip(lines, test.sentences, row.score.sentences, strict=True)):
        if tp == pred == gold:  # all is said, and most sentences of a good tagger are so
            counts["correct"] += tp
            continue
        findings = compare(sentence.spans, _spans(line, i, sentence, (tp, pred)))
        for finding in findings:
            counts[finding.kind] += 1
        sentences[i] = findings
    return CellErrors(row, counts, sentences)


def _spans(line: str, i: int, sentence: Sentence, expected: tuple[int, int]) -> Collection[Span]:
    try:
        found: dict[str, Any] = json.loads(line)
        spans = {(int(e["start"]), int(e["end"]), str(e["entity"])) for e in found["entities"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise KfbenchError(f"{PREDICTIONS}:{i + 1}: not a line of predictions") from None
    inside = all(0 <= start < end <= len(sentence.text) for start, end, _ in spans)
    if found.get("id") != sentence.id or not inside or (len(spans & sentence.spans), len(spans)) != expected:
        raise KfbenchError(f"{PREDICTIONS}:{i + 1}: not the predictions that were scored")
    return spans
