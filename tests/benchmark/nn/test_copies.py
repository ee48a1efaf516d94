"""Copies that stay against autocast, which casts in every step: the same bytes, whoever changes weights in between."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines.bert_crf import BertCRF
from benchmark import training
from benchmark.method import Budget, EncoderSpec
from benchmark.nn import adamw
from benchmark.nn.copies import NONE, gather, kept_copies
from benchmark.nn.encoder import load_encoder
from benchmark.nn.span_model import SpanModel
from benchmark.training import Recipe, snapshot, steps
from knowfree.model import KnowFREE
from tests.neural import TARGETS, fit_input, pretrained, toy

SAMPLE = toy(24)
RECIPE = Recipe(encoder_lr=1e-3, head_lr=1e-2, weight_decay=0.03, warmup=0.2)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> str:
    return pretrained("bert", tmp_path_factory.mktemp("bert"))


def model(kind: str, directory: str) -> Any:
    torch.manual_seed(1)
    encoder = load_encoder(EncoderSpec(directory))
    if kind == "bert_crf":
        return BertCRF(encoder, TARGETS, dropout=0.1)
    return KnowFREE(encoder, TARGETS, size=12, biaffine_heads=2, attention_heads=3)


def trained(net: Any, budget: Budget, recipe: Recipe, *, between: Any = None) -> tuple[list[float], dict[str, Tensor]]:
    """Losses of ten steps, and weights."""
    torch.manual_seed(7)
    losses = []
    windows = net.encoder.windows([s.text for s in SAMPLE])
    for step, loss in steps(net, windows, fit_input(SAMPLE, budget=replace(budget, steps=10), precision="bf16"), recipe):
        losses.append(loss)
        if between:
            between(net, step)
    return losses, snapshot(net)


def without_copies(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(training, "_copies", lambda model, given: nullcontext(NONE))


def same(found: tuple[list[float], dict[str, Tensor]], expected: tuple[list[float], dict[str, Tensor]]) -> bool:
    return found[0] == expected[0] and all(torch.equal(found[1][name], value) for name, value in expected[1].items())


@pytest.mark.parametrize("recipe", [RECIPE, replace(RECIPE, clip=0.5)], ids=["unclipped", "clipped"])
@pytest.mark.parametrize("budget", [Budget(batch_size=4), Budget(batch_size=6, accumulate=3)], ids=["whole", "parts"])
@pytest.mark.parametrize("kind", ["knowfree", "bert_crf"])
def test_training_gives_the_bytes_that_autocast_gives(kind, budget, recipe, directory, monkeypatch):
    monkeypatch.setattr(adamw, "PART", 64)  # these weights are smaller than a part
    found = trained(model(kind, directory), budget, recipe)
    without_copies(monkeypatch)
    expected = trained(model(kind, directory), budget, recipe)
    assert same(found, expected)
    start = snapshot(model(kind, directory))
    moved = [name for name, value in found[1].items() if not torch.equal(value, start[name])]
    assert any(name.endswith("query.weight") for name in moved)


def test_what_a_caller_does_between_steps_is_heeded(directory, monkeypatch):
    def halve(net: SpanModel, step: int) -> None:
        if step in (3, 6):
            with torch.no_grad():
                for parameter in net.encoder.parameters():
                    parameter.mul_(0.5)
        if step == 4:  # evaluation, under autocast and without
            net.eval()
            batch = net.encoder.batch(net.encoder.windows([SAMPLE[0].text]))
            with torch.inference_mode():
                plain = net.encoder(batch)
                with torch.autocast("cpu", torch.bfloat16):
                    cast = net.encoder(batch)
            assert not torch.equal(plain, cast.float())
            torch.testing.assert_close(plain, cast.float(), rtol=0.1, atol=0.1)

    found = trained(model("knowfree", directory), Budget(batch_size=4), RECIPE, between=halve)
    without_copies(monkeypatch)
    assert same(found, trained(model("knowfree", directory), Budget(batch_size=4), RECIPE, between=halve))


def test_frozen_weights_stay_and_a_shared_one_gets_both_gradients():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(2)
            self.first, self.second, self.third = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6)
            self.second.weight = self.first.weight
            self.third.requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            return self.third(self.second(self.first(x)))

    def gradients(net: Twice) -> dict[str, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            net(torch.linspace(-1, 1, 18).view(3, 6)).float().square().sum().backward()
        return {name: p.grad for name, p in net.named_parameters() if p.grad is not None}

    expected = gradients(Twice())
    net = Twice()
    with kept_copies(net) as copies:
        assert list(copies) == [net.first.weight]
        gradients(net)
        assert net.first.weight.grad is None
        gather(copies)
        gather(copies)
        found = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    assert found.keys() == expected.keys() == {"first.weight", "first.bias", "second.bias"}
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_blocks_may_overlap_and_leave_nothing(directory: str) -> None:
    net = model("bert_crf", directory)
    windows = net.encoder.windows([s.text for s in SAMPLE])
    given = fit_input(SAMPLE, budget=Budget(batch_size=4, steps=10), precision="bf16")
    weight = net.encoder.model.encoder.layer[0].attention.self.query.weight
    first, second = (steps(net, windows, given, replace(RECIPE, warmup=0.0)) for _ in range(2))
    for running in (first, second, first, second):
        before = weight.detach().clone()
        next(running)
        assert not torch.equal(weight, before)
    first.close()  # the layers multiply with their weights again, also for who goes on
    before = weight.detach().clone()
    next(second)
    assert not torch.equal(weight, before)
    second.close()
    assert not any("forward" in module.__dict__ for module in net.modules())


def test_float32_has_no_copies(directory: str) -> None:
    net = model("bert_crf", directory)
    running = steps(net, net.encoder.windows([s.text for s in SAMPLE]), fit_input(SAMPLE, budget=Budget(steps=2)), RECIPE)
    next(running)
    assert not any("forward" in module.__dict__ for module in net.modules())
