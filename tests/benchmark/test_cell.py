"""One run: what a method sees, what is refused, what is written."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from benchmark.cell import Cell, Curve, MethodError, bare, forget_peak, peak_memory_mb, run_cell, to_jsonl
from benchmark.method import Budget, EncoderSpec, FitInput, Fitted, Predicted
from benchmark.result import CellId, dump
from splits.labels import Inventory, Label
from splits.schema import Entity, Sentence
from splits.source import CorpusInfo

GOLD = Sentence("test-0", ("a", "b", "c"), (Entity(0, 1, "PER"), Entity(1, 3, "LOC")), tags=("B-PER", "B-LOC", "I-LOC"), extra={"x": 1})


class Fixed:
    """Predicts the same row for every sentence and counts how often it is asked."""

    def __init__(self, *row: Predicted) -> None:
        self.row = list(row)
        self.asked = 0
        self.seen: list[Sentence] = []

    def predict(self, sentences: Sequence[Sentence]) -> list[list[Predicted]]:
        self.asked += 1
        self.seen += sentences
        return [list(self.row) for _ in sentences]

    def save(self, directory: Path) -> None: ...


@dataclass(frozen=True)
class Given:
    """A method that is handed its taggers."""

    best: Fixed
    last: Fixed
    name: ClassVar[str] = "given"
    artefacts: ClassVar[tuple[str, ...]] = ()
    requires: ClassVar[str | None] = None
    test_config: ClassVar[Mapping[str, Any]] = {}

    def supports(self, corpus: CorpusInfo) -> str | None:
        return None

    def fit(self, given: FitInput) -> Fitted:
        for step, tagger in enumerate((self.last, self.best, self.best), 1):
            given.monitor(tagger, step=step, epoch=step / 2, loss=1.0)
        return Fitted(self.best, self.last)

    @classmethod
    def load(cls, directory: Path, *, device: str = "cpu") -> Fixed:
        raise NotImplementedError


def cell(best: Fixed, last: Fixed | None = None) -> Cell:
    return Cell(
        id=CellId(corpus="c", variant="v", size=1, draw=0, seed=3),
        hash="h",
        method=Given(best, last or best),
        sample=[Sentence("train-0", ("a", "z"), (Entity(0, 1, "PER"),))],
        dev=[replace(GOLD, id="dev-0")],
        test=[GOLD],
        train=[Sentence("train-0", ("a", "z")), Sentence("train-1", GOLD.text)],
        labels=Inventory((Label("PER"), Label("LOC"), Label("ORG"), Label("ext:X", is_target=False, count=2))),
        corpus=CorpusInfo("c", "en", False, False),
        encoder=EncoderSpec("scratch"),
        budget=Budget(),
    )


def test_one_run_scores_the_best_and_the_last_tagger() -> None:
    best = Fixed(Predicted(0, 1, "PER", 0.25), Predicted(1, 3, "PER", 0.75))
    last = Fixed(Predicted(2, 3, "LOC"))
    metrics = run_cell(cell(best, last)).metrics
    dev, end = metrics.scores["dev"], metrics.scores["last"]
    assert (dev.micro.tp, dev.micro.pred, dev.micro.gold) == (1, 2, 2)
    assert (end.micro.tp, end.micro.pred, end.micro.gold) == (0, 1, 2)
    assert dev.boundary.tp == 2
    assert (dev.unseen.tp, dev.unseen.pred, dev.unseen.gold) == (0, 1, 1)  # ("a",) is an entity of the sample
    assert dev.no_overlap.gold == 0  # the test sentence stands in train
    assert list(dev.types) == ["LOC", "ORG", "PER"]
    assert metrics.absent == ["LOC", "ORG"]
    assert metrics.selected == {"step": 2, "epoch": 1.0, "dev_f1": 0.5}  # the first of two equals


def test_a_tagger_never_sees_answers() -> None:
    tagger = Fixed()
    run_cell(cell(tagger))
    assert tagger.seen
    assert all(s.entities == () and s.tags is None and not s.extra for s in tagger.seen)
    assert bare(GOLD).text == GOLD.text


def test_the_same_tagger_twice_predicts_test_once() -> None:
    tagger = Fixed()
    outcome = run_cell(cell(tagger))
    assert tagger.asked == 3 + 1  # the monitor's, and test
    assert outcome.predictions["dev"] == outcome.predictions["last"]


def test_two_runs_give_the_same_bytes() -> None:
    one, other = (run_cell(cell(Fixed(Predicted(0, 1, "PER", 1 / 3)))) for _ in range(2))
    assert dump(one.metrics) == dump(other.metrics)
    assert one.predictions == other.predictions


def test_the_curve_has_a_point_a_monitor_call() -> None:
    points: list[dict[str, Any]] = []
    outcome = run_cell(cell(Fixed()), points.append)
    assert outcome.curve == points
    assert [p["step"] for p in points] == [1, 2, 3]
    assert set(points[0]) == {"step", "epoch", "loss", "dev_f1", "seconds"}


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (Predicted(0, 4, "PER"), "0:4 in sentence"),
        (Predicted(-1, 1, "PER"), "-1:1"),
        (Predicted(1, 1, "PER"), "1:1"),
        (Predicted(0, 1, "NONE"), "'NONE'"),
        (Predicted(0, 1, "ext:X"), "'ext:X'"),
        (Predicted(0, 1, "PER", math.nan), "the score nan"),
    ],
)
def test_predictions_that_are_no_entities_are_refused(row: Predicted, what: str) -> None:
    with pytest.raises(MethodError, match=what):
        run_cell(cell(Fixed(row)))


def test_rows_that_do_not_match_the_sentences_are_refused() -> None:
    tagger = Fixed()
    tagger.predict = lambda sentences: []  # type: ignore[method-assign]
    with pytest.raises(MethodError, match="0 rows of entities for 1 sentences"):
        run_cell(cell(tagger))


def test_predictions_are_lines_in_text_order_each_entity_once() -> None:
    row = [Predicted(1, 3, "LOC", 0.12345678), Predicted(0, 1, "PER"), Predicted(1, 3, "LOC", 0.9)]
    assert json.loads(to_jsonl([GOLD], [row])) == {
        "id": "test-0",
        "entities": [
            {"start": 0, "end": 1, "entity": "PER", "score": None},
            {"start": 1, "end": 3, "entity": "LOC", "score": 0.123457},
        ],
    }


def test_a_method_that_never_asks_the_monitor_selected_nothing() -> None:
    assert Curve(cell(Fixed()), lambda point: None).selected == {"step": None, "epoch": None, "dev_f1": None}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process forget its peak")
def test_a_cell_is_not_charged_for_the_memory_of_those_before_it() -> None:
    hog = bytearray(200 * 2**20)
    hog[:: 2**12] = b"x" * len(hog[:: 2**12])  # touch every page
    assert peak_memory_mb("cpu") > 200
    before = peak_memory_mb("cpu")
    del hog
    forget_peak()
    assert peak_memory_mb("cpu") < before - 150
