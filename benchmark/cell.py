"""One run of the grid: a method is fitted on a sample, its taggers are scored on test."""

from __future__ import annotations

import json
import math
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmark.method import Budget, EncoderSpec, FitInput, Fitted, Method, Monitor, Precision, Predicted, Tagger
from benchmark.result import CellId, Metrics, Score
from benchmark.scoring import micro_f1, score
from splits.errors import KfbenchError
from splits.labels import Inventory
from splits.schema import Sentence, Span, surfaces
from splits.source import CorpusInfo

Point = dict[str, Any]
DIGITS = 6  # of a prediction's score in a file


class MethodError(KfbenchError):
    """A method gave back something that cannot be scored: a bug of the method, not of its user."""


@dataclass(frozen=True)
class Cell:
    """A cell with its data, ready to run.

    `method` is the built class, its hyper-parameters set; `train` is the corpus's whole train split, which only scoring
    sees, for the sentences that test shares with it.
    """

    id: CellId
    hash: str
    method: Method
    sample: Sequence[Sentence]
    dev: Sequence[Sentence]
    test: Sequence[Sentence]
    train: Sequence[Sentence]
    labels: Inventory
    corpus: CorpusInfo
    encoder: EncoderSpec
    budget: Budget
    precision: Precision = "fp32"
    threads: int = 1
    device: str = "cpu"
    protocol: str = "dev"
    artefacts: Mapping[str, Path] = field(default_factory=dict)
    upstream: Path | None = None

    @cached_property
    def absent(self) -> list[str]:
        """Target types that the sample does not hold."""
        present = {entity.label for sentence in self.sample for entity in sentence.entities}
        return [label for label in self.labels.targets if label not in present]


@dataclass(frozen=True)
class Outcome:
    """What a run found, and what it took.

    `predictions` holds the JSONL of each protocol; `fitted` the taggers, for a checkpoint.
    """

    metrics: Metrics
    predictions: Mapping[str, str]
    curve: list[Point]
    seconds: dict[str, float]
    sentences_per_second: float
    peak_memory_mb: float
    fitted: Fitted


def bare(sentence: Sentence) -> Sentence:
    """A sentence without its answers: what a tagger may see."""
    return replace(sentence, entities=(), tags=None, repaired=0, extra={})


def run_cell(cell: Cell, watch: Callable[[Point], None] = lambda point: None) -> Outcome:
    """Fit, predict, score.

    Args:
        watch: sees every point of the learning curve as it comes.

    Raises:
        MethodError: predictions that are no entities of the sentence, or a score that is not a number.
    """
    started = time.perf_counter()
    forget_peak()
    prepare_torch(cell)
    monitor = Curve(cell, watch)
    fitted = cell.method.fit(fit_input(cell, monitor))
    fit_done = time.perf_counter()
    found = {"dev": predict(fitted.best, cell.test, cell.labels)}
    predict_seconds = time.perf_counter() - fit_done
    found["last"] = found["dev"] if fitted.last is fitted.best else predict(fitted.last, cell.test, cell.labels)
    metrics = Metrics(
        cell=cell.id,
        hash=cell.hash,
        protocol=cell.protocol,
        scores={name: _score(cell, rows) for name, rows in found.items()},
        selected=monitor.selected,
        absent=cell.absent,
    )
    return Outcome(
        metrics=metrics,
        predictions={name: to_jsonl(cell.test, rows) for name, rows in found.items()},
        curve=monitor.points,
        seconds={"fit": fit_done - started, "predict": predict_seconds, "total": time.perf_counter() - started},
        sentences_per_second=len(cell.test) / max(predict_seconds, 1e-9),
        peak_memory_mb=peak_memory_mb(cell.device),
        fitted=fitted,
    )


def fit_input(cell: Cell, monitor: Monitor) -> FitInput:
    """What the cell's method is given: all but test."""
    return FitInput(
        sample=cell.sample,
        dev=cell.dev,
        labels=cell.labels,
        corpus=cell.corpus,
        encoder=cell.encoder,
        seed=cell.id.seed,
        monitor=monitor,
        budget=cell.budget,
        precision=cell.precision,
        threads=cell.threads,
        device=cell.device,
        artefacts=cell.artefacts,
        upstream=cell.upstream,
    )


class Curve:
    """The harness's monitor: predicts dev, scores it, keeps the point."""

    def __init__(self, cell: Cell, watch: Callable[[Point], None]) -> None:
        self.points: list[Point] = []
        self._gold = cell.dev
        self._asked = [bare(sentence) for sentence in cell.dev]
        self._labels = cell.labels
        self._watch = watch
        self._started = time.perf_counter()

    def __call__(self, tagger: Tagger, *, step: int, epoch: float, loss: float | None = None) -> float:
        rows = predict(tagger, self._asked, self._labels)
        f1 = micro_f1(self._gold, [spans_of(row) for row in rows])
        seconds = round(time.perf_counter() - self._started, 3)
        point = {"step": step, "epoch": round(epoch, 4), "loss": loss, "dev_f1": f1, "seconds": seconds}
        self.points.append(point)
        self._watch(point)
        return f1

    @property
    def selected(self) -> Point:
        """The first point with the best F1: the one that a method must have taken as `best`."""
        if not self.points:
            return {"step": None, "epoch": None, "dev_f1": None}
        best = max(self.points, key=lambda point: point["dev_f1"])  # of equals, max takes the first
        return {name: best[name] for name in ("step", "epoch", "dev_f1")}


def predict(tagger: Tagger, sentences: Sequence[Sentence], labels: Inventory) -> list[list[Predicted]]:
    """A tagger's entities of each sentence, checked; the sentences go to it without theirs.

    Raises:
        MethodError: a row too few or too many, a span outside its sentence, a label that is no target, a score that is
            not a number.
    """
    rows = tagger.predict([bare(sentence) for sentence in sentences])
    if len(rows) != len(sentences):
        raise _bug(tagger, f"gave {len(rows)} rows of entities for {len(sentences)} sentences")
    targets = set(labels.targets)
    for sentence, row in zip(sentences, rows, strict=True):
        for p in row:
            if not 0 <= p.start < p.end <= len(sentence.text):
                raise _bug(tagger, f"predicts {p.start}:{p.end} in sentence {sentence.id!r} of {len(sentence.text)} tokens")
            if p.label not in targets:
                raise _bug(tagger, f"predicts {p.label!r} in sentence {sentence.id!r}; targets are {', '.join(labels.targets)}")
            if p.score is not None and not math.isfinite(p.score):
                raise _bug(tagger, f"gives {p.start}:{p.end} of sentence {sentence.id!r} the score {p.score}")
    return rows


def _bug(tagger: Tagger, what: str) -> MethodError:
    return MethodError(f"{type(tagger).__module__}.{type(tagger).__name__} {what}", "This is a bug of the method: mend its `predict`.")


def spans_of(row: Sequence[Predicted]) -> frozenset[Span]:
    """What of predictions is scored."""
    return frozenset((p.start, p.end, p.label) for p in row)


def _score(cell: Cell, rows: Sequence[Sequence[Predicted]]) -> Score:
    return score(
        cell.test,
        [spans_of(row) for row in rows],
        labels=cell.labels.targets,
        known=set(surfaces(cell.sample)),
        trained={sentence.text for sentence in cell.train},
    )


def to_jsonl(sentences: Sequence[Sentence], rows: Sequence[Sequence[Predicted]]) -> str:
    """Predictions, a line a sentence, entities in text order; one that stands twice is written once."""
    lines = []
    for sentence, row in zip(sentences, rows, strict=True):
        once = {(p.start, p.end, p.label): p.score for p in reversed(row)}
        entities = [
            {"start": start, "end": end, "entity": label, "score": None if value is None else round(float(value), DIGITS)}
            for (start, end, label), value in sorted(once.items(), key=lambda item: item[0])
        ]
        lines.append(json.dumps({"id": sentence.id, "entities": entities}, ensure_ascii=False) + "\n")
    return "".join(lines)


def prepare_torch(cell: Cell) -> None:
    """Threads, seeds and deterministic kernels, whatever the method sets for itself."""
    if cell.device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with it
    import numpy as np
    import torch

    torch.set_num_threads(cell.threads)
    torch.set_deterministic_debug_mode("error")  # not use_deterministic_algorithms: it imports the compiler, 1.5 s a process
    torch.manual_seed(cell.id.seed)
    np.random.seed(cell.id.seed % 2**32)
    random.seed(cell.id.seed)
    if cell.device == "cuda":
        if not torch.cuda.is_available():
            raise KfbenchError("device is cuda, but torch sees no GPU", "Set `training.device: cpu`, or install a CUDA build of torch.")
        torch.cuda.reset_peak_memory_stats()


def forget_peak() -> None:
    """Let the process's peak start anew, so that a cell is not charged for those before it; Linux alone can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory_mb(device: str) -> float:
    """Peak of the GPU, or of the process since `forget_peak`; where that does nothing, of the largest cell so far."""
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() / 2**20
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
