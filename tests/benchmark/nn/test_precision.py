"""Half precision: torch's own loss scaling and optimiser as the oracle, and gradients against those of float32."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.amp import GradScaler

from benchmark import training
from benchmark.method import Budget, EncoderSpec, Precision
from benchmark.nn.adamw import AdamW, Group
from benchmark.nn.encoder import Window, load_encoder
from benchmark.nn.precision import autocast, loss_scale, scaled_inside
from benchmark.nn.rows import clip, named_rows
from benchmark.nn.streaming import streamed
from benchmark.nn.tagger import NeuralTagger
from benchmark.training import Accumulator, TrainingDivergedError, steps
from tests.benchmark.nn.test_transfer import SAMPLE, model
from tests.benchmark.test_training import RECIPE, OneNumber
from tests.benchmark.test_training import sentence as named
from tests.neural import fit_input, pretrained

KINDS = ["knowfree", "cnn_ner", "bert_crf"]


class Words(nn.Module):
    """A table and two layers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.first, self.last = nn.Embedding(9, 5), nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, step: int) -> Tensor:
        found: Tensor = self.last(self.first(self.table(torch.tensor([step % 9, 2, 2]))).tanh()).square().sum()
        return found


def test_scaled_steps_are_torchs_bit_for_bit_those_that_are_left_out_among_them() -> None:
    ours, theirs = Words(), Words()

    def groups(of: Words) -> list[tuple[list[nn.Parameter], float, float]]:
        return [([*of.table.parameters(), *of.first.parameters()], 1e-2, 0.03), ([*of.last.parameters()], 1e-3, 0.0)]

    mine = AdamW([Group(tuple(parameters), lr, decay) for parameters, lr, decay in groups(ours)])
    rows = [{"params": parameters, "lr": lr, "weight_decay": decay} for parameters, lr, decay in groups(theirs)]
    other = torch.optim.AdamW(rows, fused=True)
    scalers = [GradScaler("cpu", growth_interval=3) for _ in range(2)]
    stood = 0
    for step in range(12):
        before = [p.detach().clone() for p in ours.parameters()]
        for of, optimiser, scaler in zip((ours, theirs), (mine, other), scalers, strict=True):
            with named_rows(of) if of is ours else nullcontext():
                scaler.scale(of(step) * (1e36 if step in (0, 5, 6) else 1)).backward()
            scaler.unscale_(optimiser)  # type: ignore[arg-type]
            scaler.step(optimiser)  # type: ignore[arg-type]
            scaler.update()
        mine.forget_gradients()
        other.zero_grad()
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(p, q), step
        stood += all(map(torch.equal, before, ours.parameters()))
        assert scalers[0].get_scale() == scalers[1].get_scale()
    assert stood == 3, "and they were left out"
    assert mine.found_inf is None


def test_what_vanishes_in_half_precision_is_kept_by_the_scale() -> None:
    x = torch.full((3,), 2.0, dtype=torch.float16, requires_grad=True)

    def loss_of(piece: int, tensors: Sequence[Tensor]) -> Tensor:
        return 1e-8 * tensors[0][piece].float()  # whose gradient fp16 cannot hold

    def gradient(scale: Tensor | None) -> Tensor:
        x.grad = None
        with scaled_inside(scale):
            total = streamed([[0, 1], [2]], loss_of, [x], [])
        (total if scale is None else total * scale).backward()
        assert float(total.detach()) == pytest.approx(6e-8)
        assert x.grad is not None
        return x.grad.float() / (1 if scale is None else scale)

    assert not gradient(None).any()
    torch.testing.assert_close(gradient(torch.tensor(2.0**16)), torch.full((3,), 1e-8), rtol=1e-3, atol=0)
    assert loss_scale() is None


def gradients(kind: str, precision: Precision, style: str, directory: Path) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradients of a batch in two parts, without dropout."""
    torch.manual_seed(1)
    of = model(kind, load_encoder(EncoderSpec(pretrained(style, directory)))).train()
    for module in of.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name in ("dropout", "p"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    windows = of.encoder.windows([s.text for s in SAMPLE])
    scaler = GradScaler("cpu", enabled=precision == "fp16", init_scale=2.0**10)
    loss = Accumulator(of, fit_input(SAMPLE, budget=Budget(accumulate=2), precision=precision), scaler=scaler)(windows)
    scaler.unscale_(AdamW([Group(tuple(of.parameters()), 0.1, 0.0)]))  # type: ignore[arg-type]
    return float(loss), {name: p.grad for name, p in of.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", ["bert", "mpnet"])
def test_loss_and_gradients_in_fp16_are_nearly_those_of_fp32(kind: str, style: str, tmp_path: Path) -> None:
    (loss, found), (expected_loss, expected) = (gradients(kind, precision, style, tmp_path) for precision in ("fp16", "fp32"))
    assert loss == pytest.approx(expected_loss, rel=2e-3)
    assert found.keys() == expected.keys()
    for name, wanted in expected.items():
        assert found[name].dtype == torch.float32
        scale = float(wanted.abs().max())
        assert float((found[name] - wanted).abs().max()) <= 0.02 * scale + 1e-6, name


@pytest.mark.parametrize("kind", KINDS)
def test_training_in_fp16_learns_and_its_tagger_predicts(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    of: Any = model(kind, load_encoder(EncoderSpec(pretrained("bert", tmp_path))))
    windows = of.encoder.windows([s.text for s in SAMPLE])
    given = fit_input(SAMPLE, budget=Budget(steps=30, batch_size=3), precision="fp16")
    losses = [float(loss) for _, loss in steps(of, windows, given, replace(RECIPE, encoder_lr=1e-3))]
    assert all(map(math.isfinite, losses))
    assert sum(losses[-3:]) < sum(losses[:3])
    rows = NeuralTagger(of, precision="fp16").predict(SAMPLE)
    assert len(rows) == len(SAMPLE)


class Odd(OneNumber):
    """Remembers what its gradient is to be scaled with, and multiplies its loss."""

    def __init__(self, factor: Callable[[int], Tensor | float] = lambda step: 1.0) -> None:
        super().__init__()
        self.factor = factor
        self.scales: list[float | None] = []

    def loss(self, batch: Any, sample: Any) -> Tensor:
        scale = loss_scale()
        self.scales.append(None if scale is None else float(scale))
        return super().loss(batch, sample) * self.factor(len(self.shown))


def numbers(of: Odd, precision: Precision = "fp16", *, steps_: int = 3, clip: float | None = None) -> list[float]:
    """What a model's number is, at first and after each step."""
    sample = [named("x", id=f"id-{i}") for i in range(5)]
    given = fit_input(sample, budget=Budget(steps=steps_, batch_size=5), precision=precision)
    going = steps(of, [Window(i, 0, ((5,),)) for i in range(5)], given, replace(RECIPE, clip=clip))
    return [float(of.w.detach()), *(float(of.w.detach()) for _ in going)]


def test_a_step_with_an_infinite_gradient_is_left_out() -> None:
    first, second, third, fourth = numbers(Odd(lambda step: 1e33 if step == 1 else 1.0))
    assert first == second > third > fourth


def test_a_model_is_told_the_scale_of_what_is_left_of_its_loss() -> None:
    half, whole = Odd(), Odd()
    numbers(half)
    numbers(whole, "bf16")
    assert half.scales == pytest.approx([2.0**16 / 5] * 3), "a batch of five"
    assert whole.scales == [None] * 3


def test_what_is_clipped_is_the_gradient_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    norms: list[float] = []

    def noted(parameters: Iterable[nn.Parameter], most: float) -> None:
        kept = list(parameters)
        norms.append(float(torch.stack([p.grad.norm() for p in kept if p.grad is not None]).norm()))
        clip(kept, most)

    monkeypatch.setattr(training, "clip", noted)
    for precision in ("fp16", "fp32"):
        numbers(Odd(), precision, steps_=1, clip=5.0)
    assert norms == pytest.approx([16.0, 16.0])


def test_gradients_that_are_never_finite_end_a_training() -> None:
    of = Odd()
    nothing = of.nothing = nn.Parameter(torch.zeros(()))
    of.factor = lambda step: 1 + 0 * nothing.sqrt()  # finite, its gradient zero times infinity
    with pytest.raises(TrainingDivergedError, match="infinite or NaN in one step after the other, until step 28"):
        numbers(of, steps_=60)


def test_products_have_the_type_that_was_asked_for() -> None:
    x, layer = torch.ones(2, 3), nn.Linear(3, 3)
    wanted: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    for precision, dtype in wanted.items():
        with autocast("cpu", precision):
            assert layer(x).dtype == dtype
