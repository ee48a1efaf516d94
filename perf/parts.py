"""The CRF, collation and scoring, each against its plain form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from seqeval.metrics import classification_report
from torch import Tensor

from benchmark.nn.crf import ConstrainedCRF, bio_constraints, to_bio
from benchmark.nn.encoder import WordEncoder
from benchmark.scoring import score
from perf import plain_crf
from perf.measure import alternate, medians, ratio
from perf.plain import PlainModel
from perf.tables import Table
from perf.workload import BATCH, encoder, labels, model, sentences, weibo_lengths
from splits.schema import Entity, Sentence

SCORED, QUICK_SCORED = 2000, 50
KEPT = 0.7  # of the gold entities that random predictions repeat


def measure(repeats: int, threads: int, *, quick: bool) -> list[Table]:
    """All of them, in this process."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        jobs = crf(*((2, 12) if quick else (8, 128))) | collation(8 if quick else 64) | scoring(QUICK_SCORED if quick else SCORED)
        rows, runs = [], {}
        for name, (plain, suite) in jobs.items():
            runs[name] = alternate({"plain": plain, "suite": suite}, repeats)
            time = medians(runs[name])
            row: dict[str, Any] = {"what": name} | {f"{key} ms": 1000 * value for key, value in time.items()}
            rows.append(row | {"ratio": ratio(time["plain"], time["suite"])})
            print(rows[-1], flush=True)
    finally:
        torch.set_num_threads(before)
    note = (
        "CRF: loops over words and tags. Collation: a tokeniser call a word and dense targets against `windows` and `batch`, "
        "the suite's targets being a few positions; `known words` has tokenised them before. "
        "Scoring: seqeval's report against all of the suite's counts."
    )
    return [Table("Parts", rows, note, runs)]


Pair = tuple[Callable[[], object], Callable[[], object]]


def crf(batch: int, n: int) -> dict[str, Pair]:
    """Likelihood with its gradient, and decoding, of eight types as BIO."""
    torch.manual_seed(0)
    tags, allowed, starts = bio_constraints(labels(8, 0).targets)
    layer = ConstrainedCRF(allowed, starts)
    emissions = torch.randn(batch, n, len(tags), requires_grad=True)
    keep = torch.ones(batch, n, dtype=torch.bool)
    gold = torch.tensor(layer.decode(torch.randn(batch, n, len(tags)), keep))

    def backward(likelihood: Callable[[], Tensor]) -> None:
        emissions.grad = None
        layer.zero_grad()
        likelihood().sum().backward()  # type: ignore[no-untyped-call]

    size = f"batch {batch}, n = {n}, {len(tags)} tags"
    return {
        f"CRF forward and backward, {size}": (
            partial(backward, partial(plain_crf.log_likelihood, layer, emissions, gold, keep)),
            partial(backward, partial(layer.log_likelihood, emissions, gold, keep)),
        ),
        f"CRF decode, {size}": (partial(plain_crf.decode, layer, emissions, keep), partial(layer.decode, emissions, keep)),
    }


def collation(count: int) -> dict[str, Pair]:
    """Text to tensors, batch by batch."""
    names = labels()
    sample = sentences(weibo_lengths(count, seed=3), names)
    texts = [s.text for s in sample]
    known = encoder("tiny")
    padded = PlainModel(model("knowfree", known, names))

    def dense() -> None:
        for s in sample:
            for word in s.text:
                known.tokenizer(word, add_special_tokens=False)
        windows = known.windows(texts)
        for at in range(0, count, BATCH):
            padded.collate(windows[at : at + BATCH], sample)

    def suite(fresh: bool) -> None:
        used = WordEncoder(known.model, known.tokenizer, known.spec) if fresh else known
        windows = used.windows(texts)
        for at in range(0, count, BATCH):
            used.batch(windows[at : at + BATCH])

    return {
        f"collation of {count} sentences{which}": (dense, partial(suite, fresh))
        for which, fresh in ((", new words", True), (", known words", False))
    }


def scoring(count: int) -> dict[str, Pair]:
    """Random predictions, some of them gold."""
    names = labels(8, 0)
    gold = sentences(weibo_lengths(count, seed=4), names)
    predicted = [_guess(s, names.targets, k) for k, s in enumerate(gold)]
    tags, _, _ = bio_constraints(names.targets)

    def rows(entities: list[tuple[Entity, ...]]) -> list[list[str]]:
        return [[tags[t] for t in to_bio(es, len(s.text), names.targets)] for es, s in zip(entities, gold, strict=True)]

    expected, found = rows([s.entities for s in gold]), rows(predicted)
    spans = [{e.span for e in es} for es in predicted]
    report = classification_report(expected, found, output_dict=True)
    if abs(report["micro avg"]["f1-score"] - score(gold, spans).micro.f1) > 1e-12:
        raise RuntimeError("seqeval's F1 is not the suite's")
    return {
        f"scoring of {count} sentences": (
            partial(classification_report, expected, found, output_dict=True),
            partial(score, gold, spans, labels=names.targets),
        )
    }


def _guess(sentence: Sentence, names: tuple[str, ...], seed: int) -> tuple[Entity, ...]:
    """Gold entities, some left out, some relabelled."""
    random = np.random.default_rng(seed)
    kept = [e for e in sentence.entities if random.random() < KEPT]
    return tuple(Entity(e.start, e.end, e.label if random.random() < KEPT else names[int(random.integers(len(names)))]) for e in kept)
