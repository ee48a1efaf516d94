"""What the language models and analysers gave: labels, spans and synthetic sentences of each corpus."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmark.config import Params
from reports.formats import Cell, Line, Table

NOTHING = "–"
PARTS = {"ext": "entities", "pos": "parts of speech", "seg": "words"}
HEAD = ("corpus", "annotator", "size", *PARTS.values(), "labels", "synthetic", "per real")


def synthesis_table(params: Params, data: Path) -> Table | None:
    """Spans a sentence of each kind of extension label, and synthetic sentences, a row a corpus, annotator and size.

    Of the annotators that variants of the profile name; None where no artefact has been made.
    """
    lines: list[Line] = []
    records: list[dict[str, Any]] = []
    notes: list[str] = []
    for corpus in params.corpora:
        rows = list(_rows(params, corpus, data))
        for i, row in enumerate(rows):
            numbers = [f"{row[part]:.2f}" for part in PARTS]
            synthetic = [f"{row['synthetic']:.0f}", f"{row['per_real']:.2f}"] if row["synthetic"] else [NOTHING, NOTHING]
            texts = [corpus if i == 0 else "", row["annotator"], str(row["size"]), *numbers, f"{row['labels']:.0f}", *synthetic]
            lines.append(Line(tuple(map(Cell, texts)), rule=i == 0, about={"corpus": corpus, "size": str(row["size"])}))
            records.append(row)
        notes += _notes(corpus, data) if rows else []
    if not lines:
        return None
    caption = (
        "Means over draws. entities, parts of speech, words: extension spans a sentence of the sample; labels: extension labels; "
        "synthetic: sentences that the sample's own explanations gave, in all and to a real sentence."
    )
    return Table("synthesis", "Synthesis", caption, HEAD, tuple(lines), tuple(records), labels=3, notes=tuple(notes))


def _rows(params: Params, corpus: str, data: Path) -> Iterator[dict[str, Any]]:
    used = dict.fromkeys(params.methods[row].annotator or params.annotator for row in params.rows)
    report = _read(data / "fused" / corpus / "report.json")
    for annotator in used:
        for size, draws in report.get("annotators", {}).get(annotator, {}).items():
            if any(draw["fusion"]["extension_labels"] for draw in draws.values()):
                yield _row(corpus, annotator, size, list(draws.values()))


def _row(corpus: str, annotator: str, size: str, draws: list[Mapping[str, Any]]) -> dict[str, Any]:
    fusion = [draw["fusion"] for draw in draws]

    def mean(values: Iterable[float]) -> float:
        return round(fmean(values), 4)

    return (
        {"corpus": corpus, "annotator": annotator, "size": size}
        | {part: mean(f["spans_per_sentence"][part] for f in fusion) for part in PARTS}
        | {
            "labels": mean(f["extension_labels"] for f in fusion),
            "synthetic": mean(d["synthetic"]["sentences"] for d in draws),
            "per_real": mean(d["synthetic_per_real"] for d in draws),
        }
    )


def _notes(corpus: str, data: Path) -> Iterator[str]:
    """What became of the model's sentences, and what was refused of its annotations."""
    explained = _read(data / "explained" / corpus / "report.json")
    if explained.get("asked"):
        removed = ", ".join(f"{reason} {count}" for reason, count in explained["removed"].items()) or "none"
        yield (
            f"{corpus}: {explained['model']} explained {explained['sources']} sentences; {explained['kept']} of {explained['sentences']} "
            f"sentences kept; removed: {removed}."
        )
    annotated = _read(data / "annotated" / corpus / "report.json")
    if quality := annotated.get("quality_of_morph_on_dev"):
        figures = f"words P {100 * quality['precision']:.1f}, R {100 * quality['recall']:.1f}, F1 {100 * quality['f1']:.1f}"
        tags = "" if quality["pos_accuracy"] is None else f"; parts of speech {100 * quality['pos_accuracy']:.1f} %"
        yield f"{corpus}: morph against the words that the corpus's own files mark, dev: {figures}{tags}."
    for annotator, counts in annotated.get("annotators", {}).items():
        if annotator != "morph" and counts["rejected"]:
            refused = ", ".join(f"{reason} {count}" for reason, count in counts["rejected"].items())
            yield f"{corpus}: refused of {annotator}: {refused}."


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError, RecursionError):  # a profile without synthesis
        return {}
