"""A method on trial: fitted on small data as a cell fits it, watched, with what it needs made beside it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from benchmark.cell import Cell, fit_input, prepare_torch
from benchmark.conformance import material
from benchmark.conformance.verdict import Failed, Skipped
from benchmark.conformance.watching import Seen, watch
from benchmark.method import Budget, EncoderSpec, FitInput, Fitted, Method, Predicted, Tagger, build
from benchmark.reference import imported
from benchmark.result import CellId
from splits.corpus import Corpus
from splits.labels import Inventory
from splits.schema import Sentence
from splits.source import CorpusInfo

NAME = "tiny"
LANGUAGES = ("en", "zh", "ja", "ko", "und")  # a method may be made for one of them
ENCODER = EncoderSpec("scratch", layers=1, hidden=64, heads=2, max_length=48)
BATCH = 8
LEARNING = Budget(epochs=30, batch_size=BATCH, evaluate_every=18)  # 90 steps on the sample, five evaluations
SHORT = Budget(epochs=2, batch_size=BATCH)
F1S = (0.1, 0.2, 0.6, 0.6, 0.4)  # what the monitor answers, whatever the tagger: the third call is the first best

Spans = list[frozenset[tuple[int, int, str]]]


@dataclass(frozen=True)
class Call:
    """A call of the monitor, and what the tagger predicted then."""

    step: int
    epoch: float
    predictions: str


@dataclass
class Trial:
    """A fit, and what was seen of it."""

    given: FitInput
    fitted: Fitted
    calls: list[Call]
    seen: Seen = field(default_factory=Seen)
    touched: list[str] = field(default_factory=list)

    @property
    def answers(self) -> list[float]:
        """What the monitor answered to each call."""
        return [answer(i) for i in range(len(self.calls))]


def answer(call: int) -> float:
    """The F1 that the monitor makes up for a call."""
    return F1S[min(call, len(F1S) - 1)]


class Subject:
    """A method with its `test_config`, and the fits that several checks look at.

    Args:
        reference: as params name it.
        folder: where the suite keeps its files: a sandbox to work in, artefacts, saved taggers.
    """

    def __init__(self, reference: str, folder: Path) -> None:
        self.reference = reference
        self.folder = folder
        self.sandbox = folder / "profile"
        self._trials = 0
        self._failed = False
        self._base: Trial | None = None
        self._above: dict[str, Path] = {}

    @cached_property
    def cls(self) -> type[Method]:
        return imported(self.reference)

    @cached_property
    def method(self) -> Method:
        """Built as the tests of the suite build it.

        Raises:
            Skipped: it cannot be.
        """
        try:
            return build(self.reference, self.cls.test_config)
        except Exception as error:
            raise Skipped(f"it cannot be built with its test_config: {error}") from error

    @cached_property
    def info(self) -> CorpusInfo:
        """The first kind of corpus that the method supports: flat before nested, English before others.

        Raises:
            Skipped: it supports none.
        """
        kinds = [CorpusInfo(NAME, language, nested, redistributable=True) for nested in (False, True) for language in LANGUAGES]
        found = next((kind for kind in kinds if self.method.supports(kind) is None), None)
        if found is None:
            raise Skipped(f"it supports no corpus: {self.method.supports(kinds[0])}")
        return found

    @cached_property
    def corpus(self) -> Corpus:
        return material.corpus(nested=self.info.nested)

    @cached_property
    def sample(self) -> list[Sentence]:
        return self.corpus.splits["train"]

    @cached_property
    def probes(self) -> list[Sentence]:
        return material.probes(self.corpus)

    @property
    def base(self) -> Trial:
        """The fit that most checks look at.

        Raises:
            Skipped: it has failed before; the first time, what it raised comes through.
        """
        if self._base is None:
            try:
                self._base = self.fit(budget=LEARNING)
            except Skipped:
                raise
            except BaseException:
                self._failed = True
                raise
        return self._base

    @cached_property
    def again(self) -> Trial:
        """The same fit a second time, when all that it imports is there: what it does now is its own doing."""
        assert self.base
        return self.fit(budget=LEARNING)

    def fit(
        self,
        *,
        sample: Sequence[Sentence] | None = None,
        dev: Sequence[Sentence] | None = None,
        info: CorpusInfo | None = None,
        budget: Budget = SHORT,
        shake: bool = False,
        f1: Callable[[int], float] = answer,
    ) -> Trial:
        """A fit as a cell makes it: threads, seeds and kernels set, and nothing of test in reach.

        Args:
            info: another kind of corpus; then `sample` and `dev` are of it.
            shake: leave the global random generators in another state than a cell does.
            f1: what the monitor answers to its n-th call.
        """
        if self._failed:
            raise Skipped("there is no tagger: see `fits`")
        self._trials += 1
        chosen = list(self.sample if sample is None else sample)
        cell = self._cell(chosen, list(self.corpus.splits["dev"] if dev is None else dev), info or self.info, budget)
        if self.method.requires is not None:
            cell = replace(cell, upstream=self._upstream(cell))
        return trial(self.method, cell, self.sandbox, shake=shake, probes=self.probes, f1=f1)

    def _cell(self, sample: list[Sentence], dev: list[Sentence], info: CorpusInfo, budget: Budget) -> Cell:
        labels = Inventory.of_targets(material.LABELS)
        return Cell(
            id=CellId(corpus=NAME, variant=self.method.name, size=len(sample), draw=0, seed=0),
            hash="",
            method=self.method,
            sample=sample,
            dev=dev,
            test=(),
            train=(),
            labels=labels,
            corpus=info,
            encoder=ENCODER,
            budget=budget,
            artefacts=self._artefacts(self.method, sample, labels),
        )

    def _artefacts(self, method: Method, sample: list[Sentence], labels: Inventory) -> dict[str, Path]:
        unknown = sorted(set(method.artefacts) - {"fusion", "synthetic"})
        if unknown:
            raise Skipped(f"the suite cannot make the artefact {unknown[0]!r}")
        if not method.artefacts:
            return {}
        return material.make_artefacts(method.artefacts, sample, labels, self.folder / "artefacts" / str(self._trials))

    def _upstream(self, cell: Cell) -> Path:
        """The saved tagger of the method that this one requires, trained on the same sample, once."""
        key = repr((cell.sample, cell.corpus))
        if key not in self._above:
            required = str(self.method.requires)
            try:
                above = build(required, imported(required).test_config)
            except Exception as error:
                raise Skipped(f"it requires {required!r}, which cannot be trained here: {error}") from error
            budget = LEARNING if list(cell.sample) == self.sample else SHORT
            made = replace(cell, method=above, budget=budget, artefacts=self._artefacts(above, list(cell.sample), cell.labels))
            directory = self.folder / "upstream" / str(self._trials)
            directory.mkdir(parents=True)
            trial(above, made, self.sandbox, probes=[], shake=False, f1=answer).fitted.best.save(directory)
            self._above[key] = directory
        return self._above[key]

    @cached_property
    def used(self) -> Seen:
        """What predicting, saving and loading did beside their work; where one of them raises, what was seen until then."""
        tagger = self.base.fitted.last
        with suppress(Exception):  # for its imports: a library may write a cache or set a variable when it is loaded
            self.cls.load(self.save(tagger, "imported"))
        with suppress(Exception), watch(self.sandbox) as seen:
            tagger.predict(list(self.probes))
            self.cls.load(self.save(tagger, "used")).predict(list(self.probes))
        return seen

    @cached_property
    def loading(self) -> Seen:
        """What its file does when it is imported; of a registered method, nothing: its room was imported long ago."""
        with watch(self.sandbox) as seen:
            imported(self.reference)
        return seen

    def steady(self) -> None:
        """Pass over what cannot be told of a tagger that does not predict the same twice.

        Raises:
            Skipped: it is one.
        """
        fitted = self.base.fitted
        turns = [[text_of(tagger.predict(list(self.probes))) for tagger in (fitted.last, fitted.best)] for _ in range(2)]
        if turns[0] != turns[1]:
            raise Skipped("it does not predict the same twice: see `repeatable`")

    def save(self, tagger: Tagger, name: str) -> Path:
        """A tagger saved as a worker saves it: into a directory that is there and empty."""
        directory = self.folder / "saved" / name
        directory.mkdir(parents=True)
        tagger.save(directory)
        return directory


def trial(method: Method, cell: Cell, sandbox: Path, *, shake: bool, probes: Sequence[Sentence], f1: Callable[[int], float]) -> Trial:
    """One watched fit."""
    calls: list[Call] = []

    def monitor(tagger: Tagger, *, step: int, epoch: float, loss: float | None = None) -> float:
        calls.append(Call(step, epoch, text_of(tagger.predict(list(probes)))))
        return f1(len(calls) - 1)

    given = fit_input(cell, monitor)
    before = _inputs(given)
    prepare_torch(cell)
    if shake:
        _shake()
    with watch(sandbox) as seen:
        fitted = method.fit(given)
    if not all(hasattr(getattr(fitted, name, None), "predict") for name in ("best", "last")):
        raise Failed(
            f"`fit` returns {type(fitted).__name__}: {fitted!r:.80}", "Return Fitted(best=tagger, last=tagger); each has predict and save."
        )
    after = _inputs(given)
    return Trial(given, fitted, calls, seen, [name for name in before if before[name] != after[name]])


def _inputs(given: FitInput) -> dict[str, str]:
    """Everything that a method is given, as text."""
    names = ("sample", "dev", "labels", "corpus", "encoder", "budget", "artefacts", "upstream")
    found = {name: repr(getattr(given, name)) for name in names}
    files = {path.parent for path in given.artefacts.values()} | ({given.upstream} if given.upstream else set())
    return found | {f"files of {folder.name}": repr(material.contents(folder)) for folder in files}


def _shake() -> None:
    import numpy as np
    import torch

    torch.manual_seed(1234)
    np.random.seed(1234)
    random.seed(1234)


def text_of(rows: Sequence[Sequence[Predicted]]) -> str:
    """Predictions as text, scores in full: equal texts, equal predictions."""
    return "\n".join(
        repr([(int(p.start), int(p.end), str(p.label), None if p.score is None else float(p.score)) for p in row]) for row in rows
    )


def spans_of(rows: Sequence[Sequence[Predicted]]) -> Spans:
    """Predictions as sets of spans."""
    return [frozenset((int(p.start), int(p.end), str(p.label)) for p in row) for row in rows]


def first_difference(a: str, b: str, sentences: Sequence[Sentence]) -> str:
    """The first sentence on which two texts of predictions differ, with both."""
    left, right = a.split("\n"), b.split("\n")
    at = next((i for i, (one, other) in enumerate(zip(left, right, strict=False)) if one != other), None)
    if at is None or at >= len(sentences):
        return f"{len(left)} rows against {len(right)}"
    return f"sentence {' '.join(sentences[at].text)!r}: {left[at]:.160} against {right[at]:.160}"
