"""Whole training steps and evaluation, encoder included."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.optim import AdamW

from benchmark.method import Precision
from benchmark.nn.encoder import Window
from benchmark.nn.heap import kept_memory
from benchmark.nn.precision import autocast
from benchmark.nn.span_model import SpanModel
from benchmark.nn.tagger import NeuralTagger
from benchmark.training import Recipe, steps
from perf.measure import alternate, in_child, medians, ratio
from perf.plain import PlainModel
from perf.tables import Table
from perf.workload import BATCH, ENCODERS, Kind, encoder, few_entities, fit_input, labels, model, sentences, weibo_lengths
from splits.labels import Inventory
from splits.schema import Sentence

RECIPE = Recipe(encoder_lr=2e-5, head_lr=1e-3)  # the paper's rates; what they are does not move the clock
SENTENCES = 32  # eight steps, in the suite one pool of lengths
QUICK_SENTENCES, QUICK_LONGEST = 8, 12
MODELS: tuple[tuple[Kind, str], ...] = (*(("knowfree", name) for name in ENCODERS), ("cnn_ner", "6x384"))
QUICK: tuple[tuple[Kind, str], ...] = (("knowfree", "tiny"), ("cnn_ner", "tiny"))
PLAIN_BATCHES = (4, 8)
Seconds = dict[str, list[float]]  # runs of each formulation


def train_jobs(kind: Kind, name: str, count: int, device: str = "cpu") -> dict[str, Callable[[], object]]:
    """An epoch over the same sentences: padded in random order, and as the suite's own loop goes."""
    names = labels()
    sample = sample_of(names, count, seed=1)
    # a model each: what the fast path sets up in its encoder must not help the plain one
    plain = PlainModel(model(kind, encoder(name, packs=False), names).to(device), padding_keys=True).train()
    suite = model(kind, encoder(name), names).to(device)
    windows = suite.encoder.windows([s.text for s in sample])
    in_encoder = {id(p) for p in plain.encoder.parameters()}
    rates = [(RECIPE.encoder_lr, True), (RECIPE.head_lr, False)]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in plain.parameters() if (id(p) in in_encoder) == inner], "lr": rate} for rate, inner in rates
    ]
    optimiser = AdamW(groups, weight_decay=RECIPE.weight_decay)
    random = np.random.default_rng(0)

    def dense_steps(precision: Precision) -> Iterator[object]:
        while True:
            order = random.permutation(len(windows))
            for at in range(0, len(order), BATCH):
                batch = plain.collate([windows[i] for i in order[at : at + BATCH]], sample)
                with autocast(device, precision):
                    loss = plain.loss(batch) / len(batch.lengths)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                optimiser.zero_grad()
                yield None

    def dense(precision: Precision) -> Callable[[], float]:
        return partial(_epoch, dense_steps(precision), len(windows), nullcontext)

    def endless(precision: Precision) -> Callable[[], float]:
        return suite_epoch(suite, windows, sample, names, precision, device)

    jobs: dict[str, Callable[[], object]] = {"plain": dense("fp32"), "fast": endless("fp32"), "fast bf16": endless("bf16")}
    return jobs if device == "cpu" else {"plain": jobs["plain"], "plain bf16": dense("bf16"), **jobs}


def suite_epoch(
    suite: SpanModel, windows: Sequence[Window], sample: Sequence[Sentence], names: Inventory, precision: Precision, device: str
) -> Callable[[], float]:
    """Seconds of an epoch of the suite's own loop, as often as it is called."""
    going = steps(suite, windows, fit_input(sample, names, precision=precision, device=device), RECIPE)
    return partial(_epoch, going, len(windows), kept_memory)  # as `train` does


def _epoch(going: Iterator[object], count: int, memory: Callable[[], AbstractContextManager[None]]) -> float:
    """Seconds of an epoch's steps, after as many that do not count: they take back the memory that the other jobs' turns took.

    A training has hundreds of steps in a row, a turn only a few.
    """
    steps = math.ceil(count / BATCH)
    with memory():
        for _ in range(steps):
            next(going)
        _finish()
        started = time.perf_counter()
        for _ in range(steps):
            next(going)
        _finish()
        return time.perf_counter() - started


def _finish() -> None:
    """Wait for what a GPU still has to do."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def sample_of(names: Inventory, count: int, seed: int) -> list[Sentence]:
    lengths = weibo_lengths(count, seed)
    return sentences([min(n, QUICK_LONGEST) for n in lengths] if count == QUICK_SENTENCES else lengths, names)


def _each(
    seconds: Callable[[Kind, str, int, int], Seconds], count: int, repeats: int, threads: int, *, quick: bool
) -> Iterator[tuple[Kind, str, Seconds]]:
    """Each model with its seconds, a fresh process each; none where it died for want of memory."""
    for kind, name in QUICK if quick else MODELS:
        yield kind, name, in_child(threads, seconds, kind, name, count, repeats) or {}


def train_seconds(kind: Kind, name: str, count: int, repeats: int) -> Seconds:
    """Of an epoch over so many sentences."""
    return alternate(train_jobs(kind, name, count), repeats)


def training(repeats: int, threads: int, *, quick: bool) -> list[Table]:
    """Seconds a training step: encoder, head, AdamW."""
    count = QUICK_SENTENCES if quick else SENTENCES
    rows: list[dict[str, Any]] = []
    runs: dict[str, Any] = {}
    for kind, name, found in _each(train_seconds, count, repeats, threads, quick=quick):
        runs[f"{kind} {name}"] = found
        step = {key: value / (count // BATCH) for key, value in medians(found).items()}
        row: dict[str, Any] = {"model": kind, "encoder": name} | {f"{key} s": value for key, value in step.items()}
        rows.append(
            row | {"ratio": ratio(step.get("plain"), step.get("fast")), "ratio bf16": ratio(step.get("plain"), step.get("fast bf16"))}
        )
        print(rows[-1], flush=True)
    note = (
        f"Mean seconds a step over as many steps as an epoch of {count} sentences has, median of {repeats} turns, batch {BATCH}; each turn "
        "begins with an epoch that is not counted. "
        "Plain: fp32, padded, in random order; fast: the suite's training loop with its own order. "
        "Encoders are untrained, dropout is on."
    )
    return [Table("Training step", rows, note, runs)]


def evaluation_seconds(kind: Kind, name: str, count: int, repeats: int) -> Seconds:
    """Of finding the entities of so many sentences."""
    names = labels()
    sample = sample_of(names, count, seed=2)
    suite = model(kind, encoder(name), names)
    few_entities(suite, sample)
    plain = PlainModel(suite, padding_keys=True).eval()

    @torch.inference_mode()
    def dense(size: int) -> None:
        windows = suite.encoder.windows([s.text for s in sample])
        for at in range(0, len(windows), size):
            plain.read(plain.collate(windows[at : at + size], sample))

    jobs: dict[str, Callable[[], object]] = {f"plain batch {size}": partial(dense, size) for size in PLAIN_BATCHES}
    fast: tuple[tuple[str, Precision], ...] = (("fast", "fp32"), ("fast bf16", "bf16"))
    for label, precision in fast:
        jobs[label] = partial(NeuralTagger(suite, precision=precision).predict, sample)
    return alternate(jobs, repeats)


def evaluation(repeats: int, threads: int, *, quick: bool) -> list[Table]:
    """Sentences a second, decoding included."""
    count = QUICK_SENTENCES if quick else SENTENCES
    rows: list[dict[str, Any]] = []
    runs: dict[str, Any] = {}
    for kind, name, found in _each(evaluation_seconds, count, repeats, threads, quick=quick):
        runs[f"{kind} {name}"] = found
        rate = {key: count / value for key, value in medians(found).items()}
        row: dict[str, Any] = {"model": kind, "encoder": name} | {f"{key} /s": value for key, value in rate.items()}
        for fast in ("fast", "fast bf16"):
            for size in PLAIN_BATCHES:
                row[f"ratio{fast.removeprefix('fast')} to {size}"] = ratio(rate.get(fast), rate.get(f"plain batch {size}"))
        rows.append(row)
        print(rows[-1], flush=True)
    note = (
        f"Sentences a second over {count} sentences, median of {repeats} runs, tokenisation to entities. "
        "Plain: fp32, padded, in the order given, decoding in Python loops; fast: the suite's tagger. "
        "About one cell a gold entity is found."
    )
    return [Table("Evaluation", rows, note, runs)]
