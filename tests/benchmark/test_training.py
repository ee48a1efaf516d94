"""The loop with a model of one number, where every step can be followed, and its parts with real models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines.bert_crf import BertCRF
from baselines.cnn_ner import CNNNER
from benchmark.method import Budget, EncoderSpec, Fitted
from benchmark.method import build as build_method
from benchmark.nn.adamw import AdamW
from benchmark.nn.encoder import Window, load_encoder
from benchmark.training import (
    Accumulator,
    Losses,
    Recipe,
    TrainingDivergedError,
    parts,
    restore,
    snapshot,
    train,
    two_rates,
    warmup_and_decay,
)
from knowfree.model import KnowFREE
from splits.schema import Sentence
from tests.neural import STYLES, TARGETS, close, fit_input, pretrained, randomised, scratch, sentence, toy

RECIPE = Recipe(encoder_lr=1e-4, head_lr=1e-2, weight_decay=0.03, warmup=0.0)


class Pass(nn.Module):
    """An encoder that gives the windows themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.zeros(1))

    def batch(self, windows: Sequence[Window]) -> list[Window]:
        return list(windows)


class OneNumber(nn.Module):
    """Loss (w - number of the sentence)^2 of each window; remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Pass()
        self.w = nn.Parameter(torch.tensor(10.0))
        self.shown: list[list[int]] = []

    def loss(self, batch: list[Window], sample: Sequence[Sentence]) -> Tensor:
        assert self.training
        self.shown.append([w.sentence for w in batch])
        return sum((self.w + 0 * self.encoder.rate - w.sentence).square().sum() for w in batch)


class Scripted:
    """A monitor that says what it was told to, and notes the model's number."""

    def __init__(self, model: OneNumber, f1s: Sequence[float] = ()) -> None:
        self.model, self.f1s = model, list(f1s)
        self.calls: list[dict[str, Any]] = []

    def __call__(self, tagger: Any, *, step: int, epoch: float, loss: float | None = None) -> float:
        assert not self.model.training
        self.calls.append({"step": step, "epoch": epoch, "loss": loss, "w": float(self.model.w.detach())})
        return self.f1s[len(self.calls) - 1] if self.f1s else 0.1 * len(self.calls)

    @property
    def steps(self) -> list[int]:
        return [c["step"] for c in self.calls]


def run(budget: Budget, f1s: Sequence[float] = (), *, recipe: Recipe = RECIPE, seed: int = 0, windows: int = 5):
    model = OneNumber()
    monitor = Scripted(model, f1s)
    sample = [sentence("x", id=f"id-{i}") for i in range(windows)]
    given = fit_input(sample, budget=budget, monitor=monitor, seed=seed)
    trained = train(model, [Window(i, 0, ((5,),)) for i in range(windows)], given, recipe, tagger=None)
    return model, monitor, trained


def test_an_epoch_shows_every_window_once_and_the_monitor_is_called_at_its_end():
    model, monitor, _ = run(Budget(epochs=3, batch_size=2))
    assert monitor.steps == [3, 6, 9]
    assert [c["epoch"] for c in monitor.calls] == [1, 2, 3]
    for epoch in range(3):
        assert Counter(i for batch in model.shown[3 * epoch : 3 * epoch + 3] for i in batch) == Counter(range(5))
    assert model.shown[:3] != model.shown[3:6]


def test_steps_win_over_epochs_and_the_last_step_is_always_judged():
    model, monitor, _ = run(Budget(epochs=100, steps=5, batch_size=2))
    assert (monitor.steps, len(model.shown)) == ([3, 5], 5)
    _, monitor, _ = run(Budget(steps=7, batch_size=2, evaluate_every=3))
    assert monitor.steps == [3, 6, 7]
    _, monitor, _ = run(Budget(steps=2, batch_size=2, evaluate_every=50))
    assert monitor.steps == [2]
    _, monitor, _ = run(Budget(steps=4, batch_size=2, evaluate_every=2))
    assert monitor.steps == [2, 4]


def test_patience_counts_calls_without_a_better_f1():
    for f1s, last in (([0.5, 0.4, 0.5, 0.6], 3), ([0.1, 0.2, 0.2, 0.3, 0.3, 0.3, 0.9], 6), ([0.0, 0.0, 0.0], 3)):
        _, monitor, _ = run(Budget(steps=20, batch_size=2, evaluate_every=1, patience=2), [*f1s, *[1.0] * 20])
        assert monitor.steps[-1] == last


def test_the_loss_that_the_monitor_hears_is_the_mean_a_window_since_its_last_call():
    _, monitor, _ = run(Budget(steps=6, batch_size=5, evaluate_every=3), recipe=replace(RECIPE, head_lr=0.0, weight_decay=0.0))
    mean = sum((10.0 - i) ** 2 for i in range(5)) / 5
    assert [c["loss"] for c in monitor.calls] == pytest.approx([mean, mean])
    _, monitor, _ = run(Budget(steps=4, batch_size=5, evaluate_every=2))
    assert monitor.calls[1]["loss"] < monitor.calls[0]["loss"] < mean


def test_best_is_the_first_call_with_the_highest_f1_and_last_is_the_end():
    model, monitor, trained = run(Budget(steps=5, batch_size=2, evaluate_every=1), [0.2, 0.7, 0.3, 0.7, 0.1])
    assert float(trained.best["w"]) == monitor.calls[1]["w"]
    assert float(trained.last["w"]) == monitor.calls[-1]["w"] == model.w.item()
    assert len({c["w"] for c in monitor.calls}) == 5
    restore(model, trained.best)
    assert model.w.item() == monitor.calls[1]["w"]
    assert float(trained.last["w"]) == monitor.calls[-1]["w"]


def test_a_snapshot_is_a_copy_of_what_moves():
    model = OneNumber()
    model.encoder.rate.requires_grad_(False)
    state = snapshot(model)
    assert set(state) == {"w"}
    with torch.no_grad():
        model.w += 1
    assert float(state["w"]) == 10.0


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_loss_that_is_no_number_ends_the_run_and_names_step_and_sentences(accumulate):
    model = OneNumber()
    monitor = Scripted(model)
    sample = [sentence("x", id=f"id-{i}") for i in range(2)]
    given = fit_input(sample, budget=Budget(steps=5, batch_size=2, accumulate=accumulate), monitor=monitor)
    recipe = replace(RECIPE, head_lr=float("inf"))
    with pytest.raises(TrainingDivergedError, match="at step 2") as error:
        train(model, [Window(i, 0, ((5,),)) for i in range(2)], given, recipe, tagger=None)
    assert "id-0" in str(error.value)
    assert "id-1" in str(error.value)
    assert error.value.mend


def test_a_device_is_asked_for_a_loss_when_the_next_one_comes():
    sample = [sentence("x", id=f"id-{i}") for i in range(3)]
    number, none = torch.tensor(1.0), torch.tensor(float("nan"))
    losses = Losses(sample, late=True)
    for step, loss in enumerate((number, none, none), start=1):
        if step < 3:
            losses.add(step, loss, [Window(step - 1, 0, ((5,),))])
        else:
            with pytest.raises(TrainingDivergedError, match="nan at step 2, sentences id-1"):
                losses.add(step, loss, [Window(step - 1, 0, ((5,),))])
    with pytest.raises(TrainingDivergedError, match="nan at step 3, sentences id-2"):
        losses.check()
    losses.check()
    with pytest.raises(TrainingDivergedError, match="step 1"):
        Losses(sample, late=False).add(1, none, [Window(0, 0, ((5,),))])


@pytest.mark.parametrize(("clip", "bound"), [(5.0, 5.0), (None, None)])
def test_clipping_bounds_the_norm_of_the_gradient(clip, bound, monkeypatch):
    norms = []
    step = AdamW.step

    def note(optimiser: AdamW, factor: float) -> None:
        norms.append(float(torch.stack([p.grad.norm() for g in optimiser.groups for p in g.parameters]).norm()))
        step(optimiser, factor)

    monkeypatch.setattr(AdamW, "step", note)
    run(Budget(steps=1, batch_size=5), recipe=replace(RECIPE, clip=clip))
    assert norms == pytest.approx([bound or abs(sum(2 * (10 - i) for i in range(5)) / 5)], rel=1e-5)


@pytest.mark.parametrize(
    ("warmup", "total", "first"), [(0.2, 10, 2), (0.1, 25, 2), (0.0, 5, 0), (3, 9, 3), (190, 100, 100), (1, 4, 1), (0.1, 3, 0)]
)
def test_the_rate_rises_linearly_from_zero_and_falls_to_zero_at_the_end(warmup, total, first):
    steps = range(total + 1)
    factors = [k / first if k < first else (total - k) / (total - first) if total > first else 0.0 for k in steps]
    assert [warmup_and_decay(step, warmup, total) for step in steps] == pytest.approx(factors)


def groups_by_name(model: nn.Module, recipe: Recipe) -> dict[str, tuple[float, float]]:
    names = {id(p): name for name, p in model.named_parameters()}
    found = [(names[id(p)], (g.lr, g.weight_decay)) for g in two_rates(model, recipe) for p in g.parameters]
    assert len(dict(found)) == len(found), "a parameter stands in two groups"
    return dict(found)


def expected_groups(model: nn.Module, recipe: Recipe) -> dict[str, tuple[float, float]]:
    """By name, as people read it: the code goes by module type."""
    found = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            plain = name.endswith("bias") or "norm" in name.lower()
            rate = recipe.encoder_lr if name.startswith("encoder.") else recipe.head_lr
            found[name] = (rate, recipe.weight_decay if recipe.decay_all or not plain else 0.0)
    return found


@pytest.mark.parametrize("decay_all", [False, True])
@pytest.mark.parametrize("style", STYLES)
def test_biases_and_norms_do_not_decay_and_the_encoder_has_its_own_rate(style, decay_all, tmp_path: Path):
    encoder = load_encoder(EncoderSpec(pretrained(style, tmp_path), freeze_words=style in ("bert", "deberta")))
    recipe = replace(RECIPE, decay_all=decay_all)
    sizes = {"size": 20, "dropout": 0.1}
    heads = [
        KnowFREE(encoder, TARGETS, **sizes),
        CNNNER(encoder, TARGETS, heads=4, depth=2, symmetric=True, clashes="flat", **sizes),
        BertCRF(encoder, TARGETS, dropout=0.1),
    ]
    for model in heads:
        found = groups_by_name(model, recipe)
        assert found == expected_groups(model, recipe)
        assert len(set(found.values())) == (2 if decay_all else 4)


SAMPLE = toy(7, seed=3)


def models() -> list[nn.Module]:
    encoder = scratch(SAMPLE)
    sizes = {"size": 20, "dropout": 0.0}
    found = [
        KnowFREE(encoder, TARGETS, **sizes),
        CNNNER(encoder, TARGETS, heads=4, depth=2, symmetric=True, clashes="flat", **sizes),
        BertCRF(encoder, TARGETS, dropout=0.0),
    ]
    return [randomised(m, scale=0.1).eval() for m in found]  # eval: the encoder's own dropout is off


def gradient(model: nn.Module) -> dict[str, Tensor]:
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


@pytest.mark.parametrize("which", range(3))
def test_parts_of_a_batch_add_up_to_the_gradient_of_the_mean_over_the_whole(which):
    model = models()[which]
    windows = model.encoder.windows([s.text for s in SAMPLE])
    alone = []
    for window in windows:
        batch = model.encoder.batch([window])
        alone.append(model.loss(batch, SAMPLE))
    (sum(alone) / len(windows)).backward()
    expected, mean = gradient(model), float(sum(alone)) / len(windows)
    for budget in [*(Budget(accumulate=n) for n in (1, 2, 3, 7, 20)), Budget(max_cells=1), Budget(max_cells=60, accumulate=2)]:
        accumulated = Accumulator(model, fit_input(SAMPLE, budget=budget))(windows)
        found = gradient(model)
        assert float(accumulated) == pytest.approx(mean, rel=1e-10)
        assert found.keys() == expected.keys()
        for name, value in found.items():
            assert (value - expected[name]).abs().max() <= 1e-10 * max(1.0, float(expected[name].abs().max())), name


def test_a_part_holds_no_more_sentences_nor_cells_than_asked():
    windows = [Window(i, 0, ((5,),) * n) for i, n in enumerate((3, 3, 9, 1, 1, 1, 1))]
    for budget, expected in [
        (Budget(), [7]),
        (Budget(accumulate=2), [4, 3]),
        (Budget(max_cells=18), [2, 1, 4]),
        (Budget(max_cells=10), [1, 1, 1, 4]),
        (Budget(max_cells=100, accumulate=4), [2, 2, 2, 1]),
    ]:
        found = list(parts(windows, budget))
        assert [len(part) for part in found] == expected
        assert [w for part in found for w in part] == windows


METHODS = {
    "knowfree": {"size": 20, "encoder_lr": 1e-3},
    "cnn_ner": {"size": 20, "encoder_lr": 1e-3, "head_lr": 1e-2},
    "bert_crf": {"encoder_lr": 1e-3, "head_lr": 1e-2},
}


def weights(fitted: Fitted) -> dict[str, Tensor]:
    return fitted.last.state


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_is_a_run_and_another_seed_another(method):
    def fit(seed: int) -> tuple[Fitted, list[Any]]:
        torch.manual_seed(99 + len(runs))  # what came before must not matter
        given = fit_input(SAMPLE, seed=seed, budget=Budget(steps=5, batch_size=2, evaluate_every=2))
        fitted = build_method(method, METHODS[method]).fit(given)
        return fitted, given.monitor.calls

    runs: list[tuple[Fitted, list[Any]]] = []
    for seed in (0, 0, 1):
        runs.append(fit(seed))
    (a, curve_a), (b, curve_b), (c, curve_c) = runs
    assert curve_a == curve_b
    assert curve_a != curve_c
    assert all(torch.equal(value, weights(b)[name]) for name, value in weights(a).items())
    assert a.last.predict(SAMPLE) == b.last.predict(SAMPLE)
    moved = [name for name, value in weights(a).items() if not close(value, weights(c)[name], 1e-3)]
    assert len(moved) > len(weights(a)) / 2
