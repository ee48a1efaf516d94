"""Annotations as JSONL: ids and spans, no text, because not every corpus may be passed on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from splits import plain_json
from splits.errors import CorpusError
from splits.files import text_lines, write_text
from splits.schema import Span

FORM = 'A line is {"id": ID, "spans": [[start, end, label], ...]}; `end` is exclusive. `kfbench` writes the file again.'


@dataclass(frozen=True, slots=True)
class Annotation:
    """Extension spans of a sentence, in text order, and how much was refused, by reason."""

    id: str
    spans: tuple[Span, ...]
    rejected: Mapping[str, int] = field(default_factory=Counter, compare=False)


def write_annotations(path: str | Path, annotations: Iterable[Annotation]) -> None:
    """Write annotations a line each, whole or not at all; what was refused is not in the file."""
    rows = ({"id": a.id, "spans": [list(span) for span in a.spans]} for a in annotations)
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_annotations(path: str | Path) -> list[Annotation]:
    """The annotations of a file.

    Raises:
        CorpusError: the file is missing or empty, a line is no annotation, a label is no extension label, or two lines share
            an id; names file and line.
    """
    found: dict[str, Annotation] = {}
    for number, line in text_lines(path):
        try:
            row = plain_json.loads(line)
        except ValueError:
            raise CorpusError(path, number, "not JSON", FORM) from None
        if not isinstance(row, dict) or not isinstance(row.get("id"), str) or not isinstance(row.get("spans"), list):
            raise CorpusError(path, number, "expected an object with a string `id` and a list `spans`", FORM)
        if row["id"] in found:
            raise CorpusError(path, number, f"id {row['id']!r} stands twice", "Ids must be unique in a file.")
        found[row["id"]] = Annotation(row["id"], tuple(_span(span, path, number) for span in row["spans"]))
    return list(found.values())


def _span(span: Any, path: str | Path, line: int) -> Span:
    if not isinstance(span, list) or len(span) != 3:
        raise CorpusError(path, line, f"expected [start, end, label], found {str(span)[:60]}", FORM)
    start, end, label = span
    if type(start) is not int or type(end) is not int or not 0 <= start < end:
        raise CorpusError(path, line, f"span {str(span)[:60]} has no place in a sentence", FORM)
    if not isinstance(label, str) or not label.startswith(("ext:", "pos:", "seg:")):
        raise CorpusError(path, line, f"{str(label)[:60]!r} is no extension label", "It begins with ext:, pos: or seg:.")
    return start, end, label
