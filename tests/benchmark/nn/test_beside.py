"""Jobs that are offered and taken, and weights that move while gradients are computed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.method import Budget, EncoderSpec
from benchmark.nn.adamw import AdamW
from benchmark.nn.beside import Job, done_beside, offered
from benchmark.nn.encoder import load_encoder
from benchmark.training import Recipe, snapshot, steps
from knowfree.model import KnowFREE
from tests.neural import TARGETS, fit_input, pretrained, toy

SAMPLE = toy(24)
RECIPE = Recipe(encoder_lr=1e-3, head_lr=1e-2, weight_decay=0.03, warmup=0.2)


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_what_nobody_offers_is_done_in_order_on_all_cores() -> None:
    done: list[tuple[int, int]] = []
    done_beside([Job(1, lambda k=k: done.append((k, torch.get_num_threads()))) for k in range(3)])
    assert done == [(0, 2), (1, 2), (2, 2)]


def test_what_is_offered_is_done_at_the_same_time_and_once() -> None:
    meet, done = threading.Barrier(2, timeout=60), []

    def job(name: str) -> None:
        meet.wait()
        done.append((name, torch.get_num_threads()))

    jobs = [Job(1, lambda: job("offered"))]
    with offered(jobs):
        done_beside([Job(1, lambda: job("own"))])
        assert sorted(done) == [("offered", 1), ("own", 1)]
        assert jobs == []
        done_beside([Job(1, lambda: done.append(("later", 0)))])
        jobs.append(Job(1, lambda: done.append(("left", 0))))
    done_beside([])
    assert done[2:] == [("later", 0)], "who offers does himself what nobody took"
    assert len(jobs) == 1


def test_an_offer_ends_with_its_block_whatever_happens() -> None:
    jobs = [Job(1, lambda: None)]
    with pytest.raises(RuntimeError), offered(jobs):
        raise RuntimeError
    done_beside([])
    assert len(jobs) == 1


def test_another_thread_takes_nothing() -> None:
    jobs = [Job(1, lambda: None)]
    with offered(jobs):
        other = threading.Thread(target=done_beside, args=([],))
        other.start()
        other.join()
        assert len(jobs) == 1
        done_beside([])
    assert jobs == []


def model(kind: str, directory: Path) -> Any:
    torch.manual_seed(1)
    return KnowFREE(load_encoder(EncoderSpec(pretrained(kind, directory))), TARGETS, size=12, biaffine_heads=2, attention_heads=3)


def trained(net: Any, budget: Budget, recipe: Recipe = RECIPE) -> tuple[list[Tensor], dict[str, Tensor]]:
    torch.manual_seed(7)
    windows = net.encoder.windows([s.text for s in SAMPLE])
    given = fit_input(SAMPLE, budget=replace(budget, steps=6), precision="bf16")
    return [loss for _, loss in steps(net, windows, given, recipe)], snapshot(net)


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Filled with the sizes of weights that are moved early."""
    found: list[int] = []
    move = AdamW._move_whole

    def noted(self: AdamW, copy: Any, *more: Any) -> None:
        found.append(copy.weight.numel())
        move(self, copy, *more)

    monkeypatch.setattr(AdamW, "_move_whole", noted)
    return found


def test_training_gives_the_same_bytes_as_one_thing_after_the_other(
    tmp_path: Path, moved: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = trained(model("bert", tmp_path), Budget(batch_size=4))
    assert len(moved) > 6, "all blocks but the first of a backward pass"
    monkeypatch.setattr(AdamW, "moving", lambda self, factor: nullcontext())
    early = len(moved)
    expected = trained(model("bert", tmp_path), Budget(batch_size=4))
    assert len(moved) == early
    assert found[0] == expected[0]
    assert all(torch.equal(found[1][name], value) for name, value in expected[1].items())


@pytest.mark.parametrize(
    ("kind", "budget", "recipe"),
    [
        ("bert", Budget(batch_size=4), replace(RECIPE, clip=1.0)),
        ("bert", Budget(batch_size=4, accumulate=2), RECIPE),
        ("mpnet", Budget(batch_size=4), RECIPE),
    ],
    ids=["clipped", "in parts", "another use of its weights"],
)
def test_no_weight_moves_before_its_gradient_is_whole(kind: str, budget: Budget, recipe: Recipe, tmp_path: Path, moved: list[int]) -> None:
    trained(model(kind, tmp_path), budget, recipe)
    assert moved == []
