"""Methods with one fault each, and a sound one: what the checks of a method must tell apart. None takes time."""

from __future__ import annotations

import json
import os
import random
import statistics
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from benchmark.method import FitInput, Fitted, Predicted, Tagger
from splits.schema import Sentence
from splits.source import CorpusInfo

Known = dict[tuple[str, ...], tuple[str, float | None]]
_kept_in_memory: list[Known] = []


class Words:
    """Every known surface form is an entity."""

    def __init__(self, known: Mapping[tuple[str, ...], tuple[str, float | None]]) -> None:
        self.known = dict(known)

    def predict(self, sentences: Sequence[Sentence]) -> list[list[Predicted]]:
        return [self.read(s) for s in sentences]

    def read(self, s: Sentence) -> list[Predicted]:
        spans = [(i, j) for i in range(len(s.text)) for j in range(i + 1, min(i + 4, len(s.text)) + 1)]
        return [Predicted(i, j, *self.known[s.text[i:j]]) for i, j in spans if s.text[i:j] in self.known]

    def save(self, directory: Path) -> None:
        (directory / "known.json").write_text(json.dumps([[list(k), *v] for k, v in self.known.items()]), encoding="utf-8")


def entities(sample: Iterable[Sentence], score: float) -> Known:
    return {s.surface(e): (e.label, score) for s in sample for e in s.entities}


@dataclass(frozen=True)
class Good:
    """Learns a fifth of the sample more at each evaluation; keeps the best; obeys the budget, patience included."""

    name: ClassVar[str] = "good"
    artefacts: ClassVar[tuple[str, ...]] = ()
    requires: ClassVar[str | None] = None
    test_config: ClassVar[Mapping[str, Any]] = {}
    tagger: ClassVar[type[Words]] = Words

    def supports(self, corpus: CorpusInfo) -> str | None:
        return None

    def fit(self, given: FitInput) -> Fitted:
        return self.train(given, self.learn)

    def learn(self, given: FitInput, share: float) -> Known:
        return entities(given.sample[: max(1, round(share * len(given.sample)))], share)

    def train(self, given: FitInput, learn: Any) -> Fitted:
        budget = given.budget
        an_epoch = -(-len(given.sample) // budget.batch_size)
        total = self.steps(budget.steps or budget.epochs * an_epoch)
        every = budget.evaluate_every or an_epoch
        weight = torch.nn.Parameter(torch.zeros(1))
        optimiser = torch.optim.SGD([weight], lr=0.0)
        best, best_f1, worse = None, -1.0, 0
        last = self.tagger(learn(given, 1.0))
        for step in range(1, total + 1):
            weight.grad = torch.zeros(1)
            optimiser.step()
            if step % every == 0 or step == total:
                last = self.tagger(learn(given, step / total))
                f1 = given.monitor(last, step=self.said(step), epoch=step / an_epoch)
                worse = 0 if f1 > best_f1 else worse + 1
                if self.better(f1, best_f1):
                    best, best_f1 = last, f1
                if self.stops(worse, budget.patience):
                    break
        return Fitted(best=best or last, last=last)

    def steps(self, total: int) -> int:
        return total

    def said(self, step: int) -> int:
        return step

    def better(self, f1: float, best: float) -> bool:
        return f1 > best

    def stops(self, worse: int, patience: int | None) -> bool:
        return patience is not None and worse >= patience

    @classmethod
    def load(cls, directory: Path, *, device: str = "cpu") -> Tagger:
        rows = json.loads((directory / "known.json").read_text(encoding="utf-8"))
        return cls.tagger({tuple(surface): (label, score) for surface, label, score in rows})


# what it says of itself


@dataclass
class NotFrozen:
    name: ClassVar[str] = "not_frozen"
    artefacts: ClassVar[tuple[str, ...]] = ()
    requires: ClassVar[str | None] = None
    test_config: ClassVar[Mapping[str, Any]] = {}

    def supports(self, corpus: CorpusInfo) -> str | None:
        return None

    def fit(self, given: FitInput) -> Fitted:
        return Good().fit(given)

    @classmethod
    def load(cls, directory: Path, *, device: str = "cpu") -> Tagger:
        return Good.load(directory)


@dataclass(frozen=True)
class ArtefactsInAList(Good):
    name: ClassVar[str] = "artefacts_in_a_list"
    artefacts: ClassVar[Any] = []


@dataclass(frozen=True)
class UnknownFieldInTests(Good):
    name: ClassVar[str] = "unknown_field_in_tests"
    test_config: ClassVar[Mapping[str, Any]] = {"rate": 1}


@dataclass(frozen=True)
class FieldThatIsNoJson(Good):
    name: ClassVar[str] = "field_that_is_no_json"
    words: frozenset[str] = frozenset({"a"})


@dataclass(frozen=True)
class SaysFalse(Good):
    name: ClassVar[str] = "says_false"

    def supports(self, corpus: CorpusInfo) -> Any:
        return False if corpus.nested else None


def _load(directory: Path, *, device: str = "cpu") -> Tagger:
    return Good.load(directory)


@dataclass(frozen=True)
class LoadOfAnInstance(Good):
    name: ClassVar[str] = "load_of_an_instance"
    load = _load  # type: ignore[assignment]


# how it trains


@dataclass(frozen=True)
class CannotFit(Good):
    name: ClassVar[str] = "cannot_fit"

    def fit(self, given: FitInput) -> Fitted:
        raise RuntimeError("shapes do not match")


@dataclass(frozen=True)
class Exits(Good):
    name: ClassVar[str] = "exits"

    def fit(self, given: FitInput) -> Fitted:
        raise SystemExit(3)


@dataclass(frozen=True)
class ReturnsOneTagger(Good):
    name: ClassVar[str] = "returns_one_tagger"

    def fit(self, given: FitInput) -> Any:
        return super().fit(given).last


@dataclass(frozen=True)
class LearnsNothing(Good):
    name: ClassVar[str] = "learns_nothing"

    def learn(self, given: FitInput, share: float) -> Known:
        return {("nowhere",): ("PER", share)}


@dataclass(frozen=True)
class KeepsTheLast(Good):
    name: ClassVar[str] = "keeps_the_last"

    def better(self, f1: float, best: float) -> bool:
        return True


@dataclass(frozen=True)
class KeepsTheLastOfEquals(Good):
    name: ClassVar[str] = "keeps_the_last_of_equals"

    def better(self, f1: float, best: float) -> bool:
        return f1 >= best


@dataclass(frozen=True)
class BestIsLast(Good):
    name: ClassVar[str] = "best_is_last"

    def fit(self, given: FitInput) -> Fitted:
        best = super().fit(given).best
        return Fitted(best=best, last=best)


@dataclass(frozen=True)
class Unseeded(Good):
    name: ClassVar[str] = "unseeded"

    def learn(self, given: FitInput, share: float) -> Known:
        draw = random.Random(os.urandom(8))
        return {surface: (label, draw.random()) for surface, (label, _) in super().learn(given, share).items()}


@dataclass(frozen=True)
class SeededByOthers(Good):
    name: ClassVar[str] = "seeded_by_others"

    def learn(self, given: FitInput, share: float) -> Known:
        return {surface: (label, float(torch.rand(1))) for surface, (label, _) in super().learn(given, share).items()}


@dataclass(frozen=True)
class SeededByOthersInNumpy(Good):
    name: ClassVar[str] = "seeded_by_others_in_numpy"

    def learn(self, given: FitInput, share: float) -> Known:
        return {surface: (label, np.random.rand()) for surface, (label, _) in super().learn(given, share).items()}


@dataclass(frozen=True)
class OrderOfASet(Good):
    name: ClassVar[str] = "order_of_a_set"

    def learn(self, given: FitInput, share: float) -> Known:
        known = super().learn(given, share)
        places = {word: i / 100 for i, word in enumerate({word for s in given.sample for word in s.text})}
        return {surface: (label, places[surface[0]]) for surface, (label, _) in known.items()}


@dataclass(frozen=True)
class TrainsTenEpochs(Good):
    name: ClassVar[str] = "trains_ten_epochs"

    def steps(self, total: int) -> int:
        return 30


@dataclass(frozen=True)
class OneStepTooMany(Good):
    name: ClassVar[str] = "one_step_too_many"

    def steps(self, total: int) -> int:
        return total + 1


@dataclass(frozen=True)
class LiesOfItsSteps(Good):
    """Makes twice the steps and tells of half of them: the optimiser knows."""

    name: ClassVar[str] = "lies_of_its_steps"

    def steps(self, total: int) -> int:
        return 2 * total

    def said(self, step: int) -> int:
        return step // 2

    def train(self, given: FitInput, learn: Any) -> Fitted:
        def monitor(tagger: Tagger, *, step: int, epoch: float, loss: float | None = None) -> float:
            return given.monitor(tagger, step=step, epoch=epoch / 2)

        return super().train(replace(given, monitor=monitor), learn)


@dataclass(frozen=True)
class SameWhateverTheBudget(Good):
    name: ClassVar[str] = "same_whatever_the_budget"

    def steps(self, total: int) -> int:
        return min(total, 2)


@dataclass(frozen=True)
class BoastsToTheMonitor(Good):
    name: ClassVar[str] = "boasts_to_the_monitor"

    def said(self, step: int) -> int:
        return 1000 * step


@dataclass(frozen=True)
class NeverGivesUp(Good):
    name: ClassVar[str] = "never_gives_up"

    def stops(self, worse: int, patience: int | None) -> bool:
        return False


# how it predicts


class BeyondTheEnd(Words):
    def read(self, s: Sentence) -> list[Predicted]:
        return [*super().read(s), Predicted(0, len(s.text) + 1, "PER")]


class OtherLabels(Words):
    def read(self, s: Sentence) -> list[Predicted]:
        return [*super().read(s), Predicted(0, 1, "B-PER")]


class NoNumber(Words):
    def read(self, s: Sentence) -> list[Predicted]:
        return [Predicted(p.start, p.end, p.label, float("nan")) for p in super().read(s)]


class Logits(Words):
    def read(self, s: Sentence) -> list[Predicted]:
        return [Predicted(p.start, p.end, p.label, 7.5) for p in super().read(s)]


class NumpyNumbers(Words):
    def read(self, s: Sentence) -> list[Predicted]:
        return [Predicted(np.int64(p.start), np.int64(p.end), p.label) for p in super().read(s)]  # type: ignore[arg-type]


class DropsARow(Words):
    def predict(self, sentences: Sequence[Sentence]) -> list[list[Predicted]]:
        return super().predict(sentences)[: max(5, len(sentences) - 1)]


class ReadsAnswers(Words):
    def read(self, s: Sentence) -> list[Predicted]:
        return [*super().read(s), *(Predicted(e.start, e.end, e.label) for e in s.entities)]


class ReadsTags(Words):
    def read(self, s: Sentence) -> list[Predicted]:
        return super().read(s) if s.tags is None else []


class RemembersIds(Words):
    def read(self, s: Sentence) -> list[Predicted]:
        return super().read(s) if s.id.startswith(("train", "dev", "noise")) else []


class Moody(Words):
    def read(self, s: Sentence) -> list[Predicted]:
        return [Predicted(p.start, p.end, p.label, random.SystemRandom().random()) for p in super().read(s)]


class Tired(Words):
    """Predicts less each time, as a model that learns from what it reads."""

    def predict(self, sentences: Sequence[Sentence]) -> list[list[Predicted]]:
        self.known = {surface: (label, (score or 0) * 0.9) for surface, (label, score) in self.known.items()}
        return super().predict(sentences)


class Crowded(Words):
    """Scores by how many it reads at a time, as padding that leaks does."""

    def predict(self, sentences: Sequence[Sentence]) -> list[list[Predicted]]:
        longest = max((len(s.text) for s in sentences), default=0)
        return [[Predicted(p.start, p.end, p.label, len(s.text) / longest) for p in self.read(s)] for s in sentences]


class OneByOne(Words):
    """Remembers the sentence before."""

    def predict(self, sentences: Sequence[Sentence]) -> list[list[Predicted]]:
        before = [None, *sentences]
        return [self.read(s) if b is None or len(b.text) != 4 else [] for b, s in zip(before, sentences, strict=False)]


class NeedsSentences(Words):
    def predict(self, sentences: Sequence[Sentence]) -> list[list[Predicted]]:
        assert max(len(s.text) for s in sentences) >= 0
        return super().predict(sentences)


class NeedsWords(Words):
    def read(self, s: Sentence) -> list[Predicted]:
        assert s.text[0] is not None
        return super().read(s)


class NeedsTwoWords(Words):
    def read(self, s: Sentence) -> list[Predicted]:
        if len(s.text) == 1:
            raise IndexError("there is no word after the first")
        return super().read(s)


class Ascii(Words):
    def read(self, s: Sentence) -> list[Predicted]:
        "".join(s.text).encode("ascii")
        return super().read(s)


class BreaksOffAtAHundred(Words):
    def read(self, s: Sentence) -> list[Predicted]:
        if len(s.text) > 100:
            raise IndexError("position embeddings end at 100")
        return super().read(s)


# what it does beside its work


class SavesHalf(Words):
    def save(self, directory: Path) -> None:
        Words({k: v for i, (k, v) in enumerate(self.known.items()) if i % 2}).save(directory)


class SavesBeside(Words):
    def save(self, directory: Path) -> None:
        beside = directory.with_name(f"{directory.name}-weights")
        beside.mkdir()
        super().save(beside)
        super().save(directory)


class SavesItsPath(Words):
    def save(self, directory: Path) -> None:
        super().save(directory)
        (directory / "path").write_text(str(directory / "known.json"), encoding="utf-8")


@dataclass(frozen=True)
class LoadsWhereItWas(Good):
    name: ClassVar[str] = "loads_where_it_was"
    tagger: ClassVar[type[Words]] = SavesItsPath

    @classmethod
    def load(cls, directory: Path, *, device: str = "cpu") -> Tagger:
        return super().load(Path((directory / "path").read_text(encoding="utf-8")).parent)


class KeepsInMemory(Words):
    def save(self, directory: Path) -> None:
        _kept_in_memory.append(self.known)


@dataclass(frozen=True)
class LoadsFromMemory(Good):
    name: ClassVar[str] = "loads_from_memory"
    tagger: ClassVar[type[Words]] = KeepsInMemory

    @classmethod
    def load(cls, directory: Path, *, device: str = "cpu") -> Tagger:
        return Words(_kept_in_memory[-1])


class EmptiesTheList(Words):
    def predict(self, sentences: Sequence[Sentence]) -> list[list[Predicted]]:
        rows = super().predict(sentences)
        if isinstance(sentences, list):
            sentences.clear()
        return rows


@dataclass(frozen=True)
class Shuffles(Good):
    name: ClassVar[str] = "shuffles"

    def fit(self, given: FitInput) -> Fitted:
        random.Random(given.seed).shuffle(given.sample)  # type: ignore[arg-type]
        return super().fit(given)


@dataclass(frozen=True)
class LooksAtTest(Good):
    name: ClassVar[str] = "looks_at_test"

    def fit(self, given: FitInput) -> Fitted:
        path = Path("data") / given.corpus.name / "test.jsonl"
        if path.exists():
            path.read_text(encoding="utf-8")
        return super().fit(given)


class LooksForDev(Words):
    def predict(self, sentences: Sequence[Sentence]) -> list[list[Predicted]]:
        with suppress(OSError):
            Path("/somewhere/else/dev.jsonl").read_bytes()
        return super().predict(sentences)


@dataclass(frozen=True)
class WritesALog(Good):
    name: ClassVar[str] = "writes_a_log"

    def fit(self, given: FitInput) -> Fitted:
        Path("fit.log").write_text("fitted", encoding="utf-8")
        return super().fit(given)


@dataclass(frozen=True)
class RemovesAFile(Good):
    name: ClassVar[str] = "removes_a_file"

    def fit(self, given: FitInput) -> Fitted:
        Path("data/tiny/test.jsonl").unlink(missing_ok=True)
        return super().fit(given)


@dataclass(frozen=True)
class LeavesATemporaryFile(Good):
    name: ClassVar[str] = "leaves_a_temporary_file"

    def fit(self, given: FitInput) -> Fitted:
        os.close(tempfile.mkstemp(prefix="planted-")[0])
        return super().fit(given)


@dataclass(frozen=True)
class MovesAway(Good):
    name: ClassVar[str] = "moves_away"

    def fit(self, given: FitInput) -> Fitted:
        os.chdir("/")
        return super().fit(given)


@dataclass(frozen=True)
class SetsAVariable(Good):
    name: ClassVar[str] = "sets_a_variable"

    def fit(self, given: FitInput) -> Fitted:
        os.environ["PLANTED"] = "1"
        return super().fit(given)


@dataclass(frozen=True)
class TakesAllThreads(Good):
    name: ClassVar[str] = "takes_all_threads"

    def fit(self, given: FitInput) -> Fitted:
        torch.set_num_threads(2)
        return super().fit(given)


class TurnsGradientsOff(Words):
    def predict(self, sentences: Sequence[Sentence]) -> list[list[Predicted]]:
        torch.set_grad_enabled(False)
        return super().predict(sentences)


# which samples it survives


@dataclass(frozen=True)
class NeedsEveryLabel(Good):
    name: ClassVar[str] = "needs_every_label"

    def fit(self, given: FitInput) -> Fitted:
        seen = {e.label for s in given.sample for e in s.entities}
        if len(seen) == len(given.labels.targets) - 1:
            raise KeyError("a label without a prior")
        return super().fit(given)


@dataclass(frozen=True)
class NeedsAnEntity(Good):
    name: ClassVar[str] = "needs_an_entity"

    def fit(self, given: FitInput) -> Fitted:
        statistics.fmean(e.end - e.start for s in given.sample for e in s.entities)
        return super().fit(given)


@dataclass(frozen=True)
class NeedsTwoSentences(Good):
    name: ClassVar[str] = "needs_two_sentences"

    def fit(self, given: FitInput) -> Fitted:
        statistics.stdev(len(s.text) for s in given.sample)
        return super().fit(given)


@dataclass(frozen=True)
class NeedsALargeDev(Good):
    name: ClassVar[str] = "needs_a_large_dev"

    def fit(self, given: FitInput) -> Fitted:
        statistics.stdev(len(s.text) for s in given.dev)
        return super().fit(given)


@dataclass(frozen=True)
class FlatOnly(Good):
    name: ClassVar[str] = "flat_only"

    def fit(self, given: FitInput) -> Fitted:
        for s in given.sample:
            taken = [i for e in s.entities for i in range(e.start, e.end)]
            if len(taken) > len(set(taken)):
                raise ValueError("two entities share a word")
        return super().fit(given)


def _method(tagger: type[Words]) -> type[Good]:
    """The sound method with another tagger, under its name."""
    made = type(tagger.__name__, (Good,), {"name": tagger.__name__.lower(), "tagger": tagger, "__module__": __name__})
    return dataclass(frozen=True)(made)


for _tagger in Words.__subclasses__():  # a module's classes are its methods: each tagger becomes one
    globals()[_tagger.__name__] = _method(_tagger)
