"""Our training loop against fastNLP's: the same module, optimiser groups and budget, another loop."""

from __future__ import annotations

import os
import random
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

import baselines.fastnlp_trainer as room
from baselines.cnn_ner import CNNNERMethod
from benchmark.method import Budget, EncoderSpec, FitInput, Fitted, Tagger
from benchmark.nn.tagger import NeuralTagger
from benchmark.scoring import micro_f1, score
from splits.corpora.demo_zh import read
from splits.errors import ConfigError
from splits.schema import Entity, Sentence
from splits.source import CorpusInfo
from tests.conftest import require_not

ROOT = Path(__file__).parents[2]
CORPUS = read({})
SETTINGS: dict[str, Any] = {"size": 64, "encoder_lr": 1e-3, "head_lr": 1e-3}  # from scratch, hence one high rate

# Dev F1 of three seeds each, 100 sentences, 12 epochs, torch 2.13 on CPU: suite 0.960 0.960 0.941 (0.960 0.960 0.949 if
# evaluated every 50 steps), fastnlp 0.957 0.938 0.965 (0.957 0.952 0.967). The standard deviation over seeds is 0.011 and
# 0.014, so NOISE is 3.4 deviations of a difference (as far as three seeds tell); the widest pair measured is 0.027 apart.
FLOOR = 0.85
NOISE = 0.06


@pytest.fixture(scope="session")
def fastnlp_is_here() -> None:
    """Skips without fastNLP, but fails where KFBENCH_REQUIRE promises the tier."""
    lacking = [name for name in ("fastNLP", "prettytable", "pkg_resources") if find_spec(name) is None]
    if lacking:
        require_not("fastnlp", f"{', '.join(lacking)} is not installed. {room.MEND}")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Small matrices gain nothing from more, and on a busy machine threads wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass
class Curve:
    """A monitor that keeps its points; `f1s` may prescribe them."""

    dev: list[Sentence]
    f1s: Iterator[float] | None = None
    points: list[tuple[int, float, float, float]] = field(default_factory=list)

    def __call__(self, tagger: Tagger, *, step: int, epoch: float, loss: float | None = None) -> float:
        if self.f1s is None:
            f1 = micro_f1(self.dev, [[(p.start, p.end, p.label) for p in row] for row in tagger.predict(self.dev)])
        else:
            tagger.predict(self.dev[:1])
            f1 = next(self.f1s)
        assert loss is not None
        self.points.append((step, epoch, f1, loss))
        return f1


def an_input(budget: Budget, *, sentences: int = 12, f1s: Iterator[float] | None = None, dev: int = 6) -> FitInput:
    monitor = Curve(CORPUS.splits["dev"][:dev], f1s)
    info = CorpusInfo("demo_zh", "zh", nested=False, redistributable=True)
    sample = CORPUS.splits["train"][:sentences]
    return FitInput(sample, monitor.dev, CORPUS.labels, info, EncoderSpec("scratch"), 0, monitor, budget)


def points(given: FitInput) -> list[tuple[int, float, float, float]]:
    assert isinstance(given.monitor, Curve)
    return given.monitor.points


@dataclass
class Pair:
    """Both trainers on the same input."""

    fitted: dict[str, Fitted]
    given: dict[str, FitInput]
    seen_by_fastnlp: list[room.Evaluation]


@pytest.fixture(scope="module")
def pair(fastnlp_is_here: None, one_thread: None) -> Pair:
    seen: list[room.Evaluation] = []
    plain = room.train_with_fastnlp

    def kept(*args: Any) -> Any:
        trained, evaluations = plain(*args)
        seen.extend(evaluations)
        return trained, evaluations

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "train_with_fastnlp", kept)
        found: dict[str, Fitted] = {}
        given: dict[str, FitInput] = {}
        for trainer in ("suite", "fastnlp"):
            given[trainer] = an_input(Budget(epochs=12, evaluate_every=100), sentences=100, dev=120)
            found[trainer] = CNNNERMethod(trainer=trainer, **SETTINGS).fit(given[trainer])
    return Pair(found, given, seen)


def test_both_loops_reach_the_same_f1_within_noise(pair: Pair) -> None:
    best = {trainer: max(f1 for _, _, f1, _ in points(given)) for trainer, given in pair.given.items()}
    assert min(best.values()) > FLOOR, best
    assert abs(best["suite"] - best["fastnlp"]) < NOISE, best
    for given in pair.given.values():
        assert [step for step, *_ in points(given)] == [100, 200, 300]
        first, *_, last = (loss for *_, loss in points(given))
        assert last < first / 5


def test_the_fastnlp_metric_and_the_monitor_agree_at_every_evaluation(pair: Pair) -> None:
    told = points(pair.given["fastnlp"])
    assert [e.step for e in pair.seen_by_fastnlp] == [step for step, *_ in told]
    assert [e.f1 for e in pair.seen_by_fastnlp] == pytest.approx([f1 for _, _, f1, _ in told], abs=1e-6)


def test_the_metric_counts_as_the_scorer_does(fastnlp_is_here: None) -> None:
    dice = random.Random(0)

    def spans() -> list[tuple[int, int, str]]:
        return sorted({(s := dice.randrange(4), s + dice.randint(1, 2), dice.choice("AB")) for _ in range(dice.randrange(4))})

    gold = [Sentence(str(i), tuple("abcdef"), tuple(Entity(*s) for s in spans())) for i in range(40)]
    found = [{span for span in s.spans if dice.random() < 0.6} | set(spans()) for s in gold]
    with room._fastnlp() as fastnlp:
        metric = room.span_metric(fastnlp, [s.spans for s in gold])
        for _ in range(2):  # the second round must not remember the first
            metric.reset()
            for rows in ([*range(7)], [*range(7, 40)]):
                metric.update([found[row] for row in rows], rows)
            result = metric.get_metric()
    micro = score(gold, found).micro
    assert 0 < micro.tp < min(micro.pred, micro.gold)
    assert result == pytest.approx({"precision": micro.precision, "recall": micro.recall, "f1": micro.f1})


def test_sentences_that_are_split_into_windows_are_counted_whole(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    tagger = pair.fitted["fastnlp"].best
    assert isinstance(tagger, NeuralTagger)
    given = pair.given["fastnlp"]
    steps = room.Steps(tagger.model, given).eval()  # type: ignore[arg-type]
    monkeypatch.setattr(tagger.model.encoder, "limit", 12)
    asked = tagger.predict(given.dev)
    with torch.inference_mode():
        found = steps.evaluate_step([*range(20)])["found"]
    assert found == [{(p.start, p.end, p.label) for p in row} for row in asked[:20]]
    assert any(start >= 10 for row in found for start, _, _ in row)


def test_a_budget_of_steps_is_kept_and_the_last_step_is_evaluated(fastnlp_is_here: None) -> None:
    given = an_input(Budget(steps=7, evaluate_every=3))  # an epoch has 3 steps
    CNNNERMethod(trainer="fastnlp", **SETTINGS).fit(given)
    assert [(step, epoch) for step, epoch, _, _ in points(given)] == [(3, 1.0), (6, 2.0), (7, pytest.approx(7 / 3))]


def test_patience_ends_the_run_and_best_is_what_the_monitor_liked(fastnlp_is_here: None) -> None:
    given = an_input(Budget(epochs=50, patience=2), f1s=iter([0.1, 0.3, 0.3, 0.2]))
    fitted = CNNNERMethod(trainer="fastnlp", **SETTINGS).fit(given)
    assert len(points(given)) == 4
    best, last = fitted.best, fitted.last
    assert isinstance(best, NeuralTagger)
    assert isinstance(last, NeuralTagger)
    assert best.state is not None
    assert last.state is not None
    assert not torch.equal(best.state["out.weight"], last.state["out.weight"])
    short = CNNNERMethod(trainer="fastnlp", **SETTINGS).fit(an_input(Budget(epochs=50, patience=1), f1s=iter([0.1, 0.3, 0.3])))
    assert isinstance(short.best, NeuralTagger)
    assert short.best.state is not None
    for name, value in best.state.items():  # the same seed, the same steps
        assert torch.equal(value, short.best.state[name]), name


def test_it_is_silent_writes_nothing_and_leaves_the_process_as_it_was(
    fastnlp_is_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}.items():  # as if inside torchrun
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    CNNNERMethod(trainer="fastnlp", **SETTINGS).fit(an_input(Budget(steps=2)))
    assert dict(os.environ) == before
    assert not list(tmp_path.rglob("*"))
    out = capfd.readouterr()
    assert (out.out, out.err) == ("", "")


@pytest.mark.parametrize(("warmup", "total"), [(0.0, 10), (0.1, 10), (1.0, 10), (190, 10), (5, 10), (1, 1)])
def test_any_warm_up_of_a_recipe_gives_finite_rates(fastnlp_is_here: None, warmup: float, total: int) -> None:
    with room._fastnlp() as fastnlp:
        rate: Callable[[float], float] = fastnlp.TorchWarmupCallback(room.warmup_share(warmup, total))._get_linear_lr
        assert all(0 <= rate(step / total) <= 1 for step in range(1, total + 1))


def test_its_absence_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastNLP", None)
    with pytest.raises(ConfigError) as caught:
        CNNNERMethod(trainer="fastnlp", **SETTINGS).fit(an_input(Budget(steps=1)))
    assert caught.value.what == "cnn_ner: trainer fastnlp needs fastNLP, which is not installed"
    assert "pip install --no-deps fastNLP==1.0.1" in caught.value.mend
    assert "pip install setuptools==78.1.1 prettytable" in caught.value.mend


def test_half_precision_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(ConfigError, match="knows no precision `fp16`"):
        CNNNERMethod(trainer="fastnlp", **SETTINGS).fit(replace(an_input(Budget(steps=1)), precision="fp16"))


def test_nothing_else_imports_it() -> None:
    imports = re.compile(r"""(import|from) +fastNLP|import_module\(["']fastNLP""")
    rooms = [path for name in ("splits", "benchmark", "baselines", "knowfree", "reports") for path in (ROOT / name).rglob("*.py")]
    assert [path.name for path in rooms if imports.search(path.read_text(encoding="utf-8"))] == ["fastnlp_trainer.py"]
