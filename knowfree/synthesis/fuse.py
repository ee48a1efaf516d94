"""Fusion: a sample with target and extension labels, and the synthetic sentences that its own sentences gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark.extension import FUSION_LABELS, PARTS, SYNTHETIC_LABELS
from knowfree.synthesis.explain import of_sources
from splits.errors import KfbenchError
from splits.labels import Inventory, Label, write_labels
from splits.schema import Entity, Sentence, Span, write_jsonl

Spans = Mapping[str, Iterable[Span]]  # id of a sentence -> its extension spans


@dataclass(frozen=True, slots=True)
class Fused:
    """What a cell with artefacts trains on.

    Attributes:
        fusion: the sample, targets and extensions in one list of entities.
        synthetic: sentences whose sources are in the sample, with extensions alone.
        labels: targets and the extension labels of `fusion`, with their counts in it.
        merged: the same of `fusion` and `synthetic` together.
    """

    fusion: list[Sentence]
    synthetic: list[Sentence]
    labels: Inventory
    merged: Inventory


def fuse(sample: Sequence[Sentence], explained: Sequence[Sentence], spans: Spans, targets: Inventory) -> Fused:
    """Lay extension spans on a sample and on its synthetic sentences.

    Args:
        explained: synthetic sentences of any source; those of other sentences are left out, so that a draw sees nothing
            that it did not give.
        spans: extension spans by sentence id.
        targets: the corpus's own labels.

    Raises:
        KfbenchError: a sentence was not annotated, a span lies outside its sentence, or a label is no extension label.
    """
    fusion = [_extended(sentence, spans) for sentence in sample]
    synthetic = [_extended(sentence, spans) for sentence in of_sources(explained, [s.id for s in sample])]
    return Fused(fusion, synthetic, _inventory(targets, fusion), _inventory(targets, [*fusion, *synthetic]))


def _extended(sentence: Sentence, spans: Spans) -> Sentence:
    if sentence.id not in spans:
        raise KfbenchError(f"sentence {sentence.id!r} was not annotated", "Run `kfbench annotate` again, then `kfbench fuse`.")
    added = sorted(set(spans[sentence.id]))
    for start, end, label in added:
        if not 0 <= start < end <= len(sentence.text):
            raise KfbenchError(f"{label} {start}:{end} is outside sentence {sentence.id!r}", "Run `kfbench annotate` again.")
        if label.partition(":")[0] not in PARTS:
            raise KfbenchError(f"{label!r} is no extension label", f"One starts with {', '.join(f'{p}:' for p in PARTS)}.")
    return replace(sentence, entities=(*sentence.entities, *(Entity(*span) for span in added)))


def _inventory(targets: Inventory, sentences: Iterable[Sentence]) -> Inventory:
    """Targets as they are, then extension labels by name with the number of their spans."""
    known = set(targets.names)
    counts = Counter(label for sentence in sentences for _, _, label in sentence.spans if label not in known)
    return Inventory((*targets.labels, *(Label(name, is_target=False, count=counts[name]) for name in sorted(counts))))


def write(fused: Fused, folder: Path) -> None:
    """train.fusion.jsonl, train.synthetic.jsonl, labels.json, labels.synthetic.json."""
    folder.mkdir(parents=True, exist_ok=True)
    write_jsonl(folder / "train.fusion.jsonl", fused.fusion)
    write_jsonl(folder / "train.synthetic.jsonl", fused.synthetic)
    write_labels(folder / FUSION_LABELS, fused.labels)
    write_labels(folder / SYNTHETIC_LABELS, fused.merged)


def statistics(fused: Fused) -> dict[str, Any]:
    """What a table of the synthesis shows: sentences, labels, and spans a sentence of each kind."""
    return {
        "fusion": _of(fused.fusion, fused.labels),
        "synthetic": _of(fused.synthetic, fused.merged),
        "synthetic_per_real": round(len(fused.synthetic) / max(len(fused.fusion), 1), 4),
    }


def _of(sentences: Sequence[Sentence], labels: Inventory) -> dict[str, Any]:
    targets = set(labels.targets)
    kinds = Counter("target" if label in targets else label.partition(":")[0] for s in sentences for _, _, label in s.spans)
    number = max(len(sentences), 1)
    return {
        "sentences": len(sentences),
        "tokens_per_sentence": round(sum(len(s.text) for s in sentences) / number, 2),
        "spans_per_sentence": {kind: round(kinds[kind] / number, 3) for kind in ("target", *PARTS)},
        "extension_labels": len(labels) - len(labels.targets),
    }
