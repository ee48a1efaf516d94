#!/usr/bin/env python3
"""An estimate of what a profile costs before it is run: time and disk, from cells that were measured elsewhere.

    python perf/estimate.py --cells perf/comparison

Operations are counted (encoder, span grid; training, evaluation on dev, prediction on test), and measured cells say how many of them a core
does in a second. A GPU's rate and its seconds a step are assumed unless they are given. Language models are not in it.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tabulate import tabulate

from benchmark.config import Encoder, Params, load_params
from benchmark.method import SCRATCH_LAYERS, find
from benchmark.places import PARAMS
from benchmark.plan import make_plan
from benchmark.result import CellId, Run
from benchmark.store import Store
from benchmark.workspace import Workspace
from splits import corpora
from splits.download import fetch
from splits.prepare import load
from splits.schema import Sentence

TFLOPS = 10.0  # of a GPU on batches of 4 in fp32: assumed, a fraction of what data sheets say
STEP = 0.05  # seconds that a training step takes however fast the GPU is, for launches and Python: assumed
TRAINING = 3  # a forward and a backward pass, in forward passes
HEADS, DIMS, CHANNELS = 4, 50, 50  # of the biaffine: heads, and dimensions in and out of each
ATTENDED, LAYERS = 7, 3  # keys of a query in KnowFREE's window; convolutions of CNN-NER
SHAPES = {  # layers, hidden size, vocabulary: the config.json of each
    "google-bert/bert-base-chinese": (12, 768, 21128),
    "google-bert/bert-base-uncased": (12, 768, 30522),
    "google-bert/bert-base-multilingual-cased": (12, 768, 119547),
    "klue/bert-base": (12, 768, 32000),
}
SCRATCH_VOCABULARY = 1000
MIRROR = Path(os.environ["KFBENCH_MIRROR"]) if os.environ.get("KFBENCH_MIRROR") else None
BYTES = 4  # a parameter in a checkpoint


@dataclass(frozen=True, slots=True)
class Shape:
    """What of an encoder its cost follows from."""

    layers: int
    hidden: int
    vocabulary: int

    @property
    def parameters(self) -> int:
        """Words, and per layer four projections and a feed-forward of four times the size."""
        return self.vocabulary * self.hidden + self.layers * 12 * self.hidden**2

    def forward(self, lengths: Iterable[int]) -> float:
        """Floating-point operations over sentences; a word counts as one piece."""
        return sum(self.layers * n * (24 * self.hidden**2 + 4 * n * self.hidden) for n in lengths)


def shape(encoder: Encoder) -> Shape:
    """Of an encoder as params name it: scratch, a directory with its config.json, or a hub id of SHAPES."""
    name = os.path.expandvars(encoder.name)
    if name == "scratch":
        return Shape(encoder.layers or SCRATCH_LAYERS, encoder.hidden, SCRATCH_VOCABULARY)
    config = Path(name) / "config.json"
    if config.is_file():
        values = json.loads(config.read_text(encoding="utf-8"))
        return Shape(encoder.layers or values["num_hidden_layers"], values["hidden_size"], values["vocab_size"])
    if name not in SHAPES:
        raise SystemExit(f"estimate: encoder {encoder.name!r} is no directory here and not among {', '.join(SHAPES)}")
    layers, hidden, vocabulary = SHAPES[name]
    return Shape(encoder.layers or layers, hidden, vocabulary)


def grid(method: str, size: int, lengths: Iterable[int], *, upper: bool = False) -> float:
    """Floating-point operations of a span grid over sentences; `upper`: the cells that are spans."""
    if method == "bert_crf":
        return 0.0
    biaffine = 2 * HEADS * DIMS * CHANNELS * (size / (HEADS * DIMS)) ** 2
    fused = 8 * size**2 + 4 * ATTENDED * size if method.startswith("knowfree") else 2 * LAYERS * 9 * size**2
    cells = sum(n * (n + 1) / 2 if upper else n * n for n in lengths)
    return cells * (biaffine + fused)


@dataclass(frozen=True, slots=True)
class Work:
    """What a cell computes.

    Attributes:
        operations: of training, of all evaluations on dev, of predicting test.
        steps: of the optimiser.
        test: sentences that are predicted.
    """

    training: float
    evaluation: float
    prediction: float
    steps: int
    test: int

    @property
    def operations(self) -> float:
        return self.training + self.evaluation + self.prediction


class Profile:
    """A profile: its params, and the lengths of its corpora, prepared in it or read from upstream or a mirror."""

    def __init__(self, folder: Path) -> None:
        self.params: Params = load_params(folder / PARAMS)
        self.workspace = Workspace(folder)
        self._lengths: dict[str, dict[str, list[int]]] = {}
        self._work: dict[CellId, Work] = {}

    def lengths(self, corpus: str) -> dict[str, list[int]]:
        """Words of each sentence, by split."""
        if corpus not in self._lengths:
            folder = self.workspace.root / "data" / corpus
            read = load(folder) if folder.is_dir() else corpora.read(corpus, fetch(corpus, mirror=MIRROR))
            self._lengths[corpus] = {split: _words(sentences) for split, sentences in read.splits.items()}
        return self._lengths[corpus]

    def work(self, cell: CellId) -> Work:
        """What a cell of the profile computes; a draw has its train split's lengths, synthetic text too and as much as there may be."""
        first = cell.model_copy(update={"draw": 0, "seed": 0})
        if first not in self._work:
            self._work[first] = self._count(first)
        return self._work[first]

    def _count(self, cell: CellId) -> Work:
        variant, training = self.params.methods[cell.variant], self.params.training_of(cell.variant)
        cls: Any = find(variant.method)
        made = cls(**variant.params)
        words, encoder = self.lengths(cell.corpus), shape(self.params.encoders[cell.corpus])
        dev = words["dev"][: self.params.protocol.dev_size]
        if not isinstance(cell.size, int):
            raise SystemExit(f"estimate: {cell}: k-shot draws have no fixed number of sentences")
        count = round(cell.size * (1 + (made.ratio if "synthetic" in cls.artefacts else 0)))
        epoch = -(-count // training.batch_size)
        steps = training.steps or training.epochs * epoch
        evaluations = -(-steps // (training.evaluate_every or epoch))
        size = getattr(made, "size", 0)

        def forward(lengths: Sequence[int], *, upper: bool) -> float:
            return encoder.forward(lengths) + grid(variant.method, size, lengths, upper=upper)

        mean = forward(words["train"], upper=False) / len(words["train"])
        return Work(
            TRAINING * mean * steps * training.batch_size,
            evaluations * forward(dev, upper=True),
            2 * forward(words["test"], upper=True),  # by the best checkpoint and by the last
            steps,
            len(words["test"]),
        )

    def parameters(self, cell: CellId) -> int:
        """Of a checkpoint, nearly: the encoder's."""
        return shape(self.params.encoders[cell.corpus]).parameters

    def measured(self) -> Iterator[tuple[CellId, Run, int]]:
        """Finished cells: which, what was measured, bytes without checkpoints."""
        store = Store(self.workspace.store)
        for hash, cell in sorted(store.cells().items(), key=lambda item: str(item[1])):
            known = cell.variant in self.params.methods and cell.corpus in self.params.encoders
            if known and store.done(hash):
                yield cell, store.run(hash), sum(f.stat().st_size for f in store.path(hash).iterdir() if f.is_file())


def _words(sentences: Sequence[Sentence]) -> list[int]:
    return [len(s.text) for s in sentences]


@dataclass(frozen=True, slots=True)
class Rates:
    """What measured cells tell.

    Attributes:
        operations: a second, by method: the median over cells.
        spread: the slowest and the fastest cell's.
        bytes: of a cell's files, a test sentence.
        cells: how many were measured.
    """

    operations: dict[str, float]
    spread: dict[str, tuple[float, float]]
    bytes: float
    cells: int

    def of(self, method: str) -> float:
        """A method's rate; of one that was not measured, the median over methods."""
        return self.operations.get(method) or median(self.operations.values())


def rates(profiles: Iterable[Profile]) -> Rates:
    """Operations a second and bytes a test sentence, over the finished cells of profiles."""
    speeds: defaultdict[str, list[float]] = defaultdict(list)
    sizes = []
    for profile in profiles:
        for cell, run, size in profile.measured():
            work = profile.work(cell)
            speeds[profile.params.methods[cell.variant].method].append(work.operations / (run.seconds["fit"] + run.seconds["predict"]))
            sizes.append(size / work.test)
    if not sizes:
        raise SystemExit("estimate: none of the folders holds a finished cell; `kfbench run` there first, or name others with --cells")
    return Rates({m: median(v) for m, v in speeds.items()}, {m: (min(v), max(v)) for m, v in speeds.items()}, median(sizes), len(sizes))


def table(target: Profile, found: Rates, tflops: float, step: float) -> tuple[list[list[Any]], dict[str, float]]:
    """A row a corpus and variant, and the sums: cells, core hours, GPU hours, share of evaluation, GB of cells and of checkpoints."""
    plan = make_plan(target.params, target.workspace)
    upstream = {(c.id.corpus, _required(target, c.id)) for c in plan.cells}
    rows: dict[tuple[str, str], list[float]] = {}
    for planned in plan.cells:
        cell, work = planned.id, target.work(planned.id)
        rate = found.of(target.params.methods[cell.variant].method)
        gpu = max(work.training / (tflops * 1e12), work.steps * step) + (work.evaluation + work.prediction) / (tflops * 1e12)
        kept = BYTES * target.parameters(cell) if (cell.corpus, cell.variant) in upstream or target.params.checkpoints else 0
        added = [1, work.operations / rate / 3600, gpu / 3600, work.evaluation / rate / 3600, found.bytes * work.test / 1e9, kept / 1e9]
        row = rows.setdefault((cell.corpus, cell.variant), [0.0] * len(added))
        rows[cell.corpus, cell.variant] = [a + b for a, b in zip(row, added, strict=True)]
    names = ("cells", "core hours", "GPU hours", "of them evaluation", "GB of cells", "GB of checkpoints")
    sums = {name: sum(row[k] for row in rows.values()) for k, name in enumerate(names)}
    shown = [[*pair, *row[:3], row[4], row[5]] for pair, row in rows.items()]
    shown.append(["all", "", sums["cells"], sums["core hours"], sums["GPU hours"], sums["GB of cells"], sums["GB of checkpoints"]])
    return shown, sums


def _required(target: Profile, cell: CellId) -> str | None:
    """The variant whose checkpoint a cell starts from."""
    variant = target.params.methods[cell.variant]
    return variant.requires or find(variant.method).requires


def main() -> None:
    """Print the estimate with what it assumes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", type=Path, default=Path(), help="the profile whose cost is estimated (default: the directory's)")
    parser.add_argument("--cells", type=Path, nargs="+", required=True, help="profiles with finished cells")
    parser.add_argument("--tflops", type=float, default=TFLOPS, help="10^12 operations a second of the GPU (assumed: %(default)s)")
    parser.add_argument("--step", type=float, default=STEP, help="seconds a training step takes at least on a GPU (assumed: %(default)s)")
    args = parser.parse_args()
    found = rates(map(Profile, args.cells))
    rows, sums = table(Profile(args.of), found, args.tflops, args.step)
    head = ["corpus", "variant", "cells", "core hours", "GPU hours", "GB of cells", "GB of checkpoints"]
    print(tabulate(rows, head, tablefmt="github", floatfmt=("", "", ".0f", ",.0f", ",.1f", ".2f", ".1f")))
    print(f"\nAn estimate, from {found.cells} measured cells; 10^9 operations a second on a core, median (slowest to fastest):")
    for method, rate in found.operations.items():
        low, high = found.spread[method]
        print(f"  {method}: {rate / 1e9:.1f} ({low / 1e9:.1f} to {high / 1e9:.1f})")
    print(f"Evaluation on dev is {sums['of them evaluation'] / sums['core hours']:.0%} of the core hours.")
    print(f"Assumed of the GPU: {args.tflops:g} x 10^12 operations a second, {args.step:g} s a training step at least.")


if __name__ == "__main__":
    main()
