"""Methods that cost nothing and go wrong in a known way, or start from another cell."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from benchmark.method import FitInput, Fitted
from tests.benchmark.dictionary import Dictionary, Lookup


@dataclass(frozen=True)
class Logged(Dictionary):
    """A dictionary that says in `log` when a fit begins and when it ends."""

    name: ClassVar[str] = "logged"

    def fit(self, given: FitInput) -> Fitted:
        cell = f"{type(self).__name__} {len(given.sample)} {given.sample[0].id} {given.seed}"
        note(self.log, f"begin {cell}")
        fitted = self.learn(given)
        note(self.log, f"end {cell}")
        return fitted

    def learn(self, given: FitInput) -> Fitted:
        known: dict[tuple[str, ...], str] = {}
        for sentence in given.sample:
            known |= {sentence.surface(e): e.label for e in sentence.entities}
        time.sleep(self.seconds)
        tagger = Lookup(known)
        for _ in range(2):  # of two points at one step neither is lost
            given.monitor(tagger, step=1, epoch=1.0, loss=0.5)
        return Fitted(tagger, tagger)


def note(log: str, line: str) -> None:
    if log:
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(f"{time.time()} {line}\n")


@dataclass(frozen=True)
class Grown(Logged):
    """Knows what the cell that it starts from knows, and the first token of every line of an artefact."""

    name: ClassVar[str] = "grown"
    requires: ClassVar[str | None] = "logged"
    artefacts: ClassVar[tuple[str, ...]] = ("fusion",)

    def learn(self, given: FitInput) -> Fitted:
        assert given.upstream is not None
        tagger = Logged.load(given.upstream)
        assert isinstance(tagger, Lookup)
        for line in given.artefacts["fusion"].read_text(encoding="utf-8").splitlines():
            tagger.known[(json.loads(line)["text"][0],)] = given.labels.targets[0]
        given.monitor(tagger, step=1, epoch=1.0, loss=0.5)
        return Fitted(tagger, tagger)


@dataclass(frozen=True)
class Trapped(Logged):
    """Raises."""

    name: ClassVar[str] = "trapped"

    def learn(self, given: FitInput) -> Fitted:
        given.monitor(Lookup({}), step=1, epoch=1.0, loss=0.5)
        raise RuntimeError("the trap is set")


@dataclass(frozen=True)
class Heard(Logged):
    """Ends when somebody has said in `<log>.heard` that its point was seen."""

    name: ClassVar[str] = "heard"

    def learn(self, given: FitInput) -> Fitted:
        fitted = super().learn(given)
        end = time.monotonic() + 120
        while not Path(f"{self.log}.heard").exists():
            assert time.monotonic() < end, "nobody saw the point"
            time.sleep(0.05)
        return fitted


@dataclass(frozen=True)
class Mortal(Logged):
    """Takes its process with it, so often."""

    name: ClassVar[str] = "mortal"

    deaths: int = 1

    def learn(self, given: FitInput) -> Fitted:
        marks = Path(self.log).parent
        for i in range(self.deaths):
            mark = marks / f"{self.deaths}-{i}.dead"
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().learn(given)


@dataclass(frozen=True)
class Hungry(Logged):
    """Wants more memory than any GPU has, unless a batch goes through it a sentence at a time."""

    name: ClassVar[str] = "hungry"

    def learn(self, given: FitInput) -> Fitted:
        if given.budget.accumulate < given.budget.batch_size:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().learn(given)


@dataclass(frozen=True)
class Insatiable(Logged):
    """Wants more, always."""

    name: ClassVar[str] = "insatiable"

    def learn(self, given: FitInput) -> Fitted:
        raise torch.OutOfMemoryError("CUDA out of memory")


@dataclass(frozen=True)
class Orphan(Grown):
    """Starts from a cell that fails."""

    name: ClassVar[str] = "orphan"
    requires: ClassVar[str | None] = "trapped"
    artefacts: ClassVar[tuple[str, ...]] = ()


def variants(log: Path, names: list[str], **params: Any) -> dict[str, Any]:
    """`methods` of a profile, by the names of the classes."""
    file = Path(__file__)
    return {name: {"method": f"{file}:{name.capitalize()}", "params": {"log": str(log), **params}} for name in names}
