"""A sample with its fusion and synthetic sentences, as files that a cell is given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmark.method import FitInput
from splits.labels import Inventory, Label, write_labels
from splits.schema import Entity, Sentence, write_jsonl
from tests.neural import TARGETS, fit_input, toy

EXTENSIONS = ("ext:PLACE", "pos:NOUN", "seg:WORD")
FUSED = Inventory((*TARGETS.labels, *(Label(name, False, 7) for name in EXTENSIONS)))
MERGED = Inventory((*FUSED.labels, Label("pos:VERB", False, 2)))
SAMPLE = toy(5)


def extended(sentence: Sentence, *labels: str) -> Sentence:
    return replace(sentence, entities=(*sentence.entities, *(Entity(0, 1, label) for label in labels)))


def with_artefacts(folder: Path) -> FitInput:
    """Two synthetic sentences to a real one."""
    synthetic = [Sentence(f"{s.id}#{k}", ("New", "words", str(k))) for s in SAMPLE for k in range(2)]
    write_jsonl(folder / "train.fusion.jsonl", [extended(s, *EXTENSIONS) for s in SAMPLE])
    write_jsonl(folder / "train.synthetic.jsonl", [extended(s, "pos:VERB", "seg:WORD") for s in synthetic])
    write_labels(folder / "labels.json", FUSED)
    write_labels(folder / "labels.synthetic.json", MERGED)
    return fit_input(SAMPLE, artefacts={name: folder / f"train.{name}.jsonl" for name in ("fusion", "synthetic")})
