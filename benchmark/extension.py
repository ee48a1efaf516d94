"""Training data beyond a sample's own labels: its fusion with extension labels, and synthetic sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmark.method import FitInput, Tagger
from splits.errors import CorpusError, KfbenchError
from splits.labels import Inventory, read_labels
from splits.sample import order
from splits.schema import Entity, Sentence, read_jsonl

PARTS = ("ext", "pos", "seg")  # extension entities, parts of speech, word segmentation: prefixes of label names
FUSION_LABELS, SYNTHETIC_LABELS = "labels.json", "labels.synthetic.json"  # the second counts both files
MEND = "Run `kfbench fuse` again: it belongs to another sample."


def on_fusion(given: FitInput, parts: Sequence[str] = PARTS) -> FitInput:
    """The same cell, its sample carrying the extension labels of the `fusion` artefact; dev stays as it is.

    Args:
        parts: which kinds of extension labels to keep.

    Raises:
        CorpusError: the artefact is damaged, or is not that of the sample.
    """
    path = given.artefacts["fusion"]
    labels = _of(parts, read_labels(path.with_name(FUSION_LABELS)), given.labels, path.with_name(FUSION_LABELS))
    fused = [_known(sentence, labels) for sentence in read_jsonl(path, split="train")]
    targets = set(given.labels.targets)
    if [(s.id, s.text, s.spans) for s in given.sample] != [(s.id, s.text, _targets(s, targets)) for s in fused]:
        raise CorpusError(path, None, "its sentences are not those of the sample", MEND)
    return replace(given, sample=fused, labels=labels)


def with_synthetic(given: FitInput, pseudo: Tagger | None, *, parts: Sequence[str] = PARTS, ratio: float) -> FitInput:
    """Fusion and synthetic sentences, whose targets a tagger supplies (KnowFREE, section 3.2).

    Args:
        pseudo: labels the synthetic sentences with targets; None leaves them without any.
        parts: as in `on_fusion`.
        ratio: at most so many synthetic sentences to a real one, the first in hash order.

    Raises:
        CorpusError: an artefact is damaged.
    """
    real = on_fusion(given, parts)
    path = given.artefacts["synthetic"]
    labels = _of(parts, read_labels(path.with_name(SYNTHETIC_LABELS)), given.labels, path.with_name(SYNTHETIC_LABELS))
    there = {sentence.id: _known(sentence, labels) for sentence in synthetic_sentences(path)}
    chosen = [there[id] for id in order(given.corpus.name, list(there), 0)[: int(ratio * len(given.sample))]]
    if pseudo is not None:
        rows = pseudo.predict([replace(sentence, entities=()) for sentence in chosen])
        chosen = [
            replace(sentence, entities=(*sentence.entities, *(Entity(p.start, p.end, p.label) for p in row)))
            for sentence, row in zip(chosen, rows, strict=True)
        ]
    return replace(real, sample=[*real.sample, *chosen], labels=labels)


def synthetic_sentences(path: Path) -> list[Sentence]:
    """The sentences of a `synthetic` artefact, which may hold none."""
    return read_jsonl(path, split="synthetic") if path.stat().st_size else []


def _of(parts: Sequence[str], labels: Inventory, corpus: Inventory, path: Path) -> Inventory:
    if labels.targets != corpus.targets:
        raise CorpusError(path, None, "its targets are not the labels of the corpus", MEND)
    if unknown := set(parts) - set(PARTS):
        raise KfbenchError(f"there is no part {sorted(unknown)[0]!r} of extension labels", f"Parts are {', '.join(PARTS)}.")
    kept = {f"{part}:" for part in parts}
    return Inventory(tuple(label for label in labels.labels if label.is_target or label.name[: label.name.find(":") + 1] in kept))


def _known(sentence: Sentence, labels: Inventory) -> Sentence:
    return replace(sentence, entities=tuple(e for e in sentence.entities if e.label in labels.index))


def _targets(sentence: Sentence, targets: set[str]) -> frozenset[tuple[int, int, str]]:
    return frozenset(span for span in sentence.spans if span[2] in targets)
