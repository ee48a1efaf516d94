"""The loop that all neural methods share."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import count
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.amp import GradScaler

from benchmark.method import Budget, FitInput, Tagger
from benchmark.nn.adamw import AdamW, Group
from benchmark.nn.batches import epoch_batches
from benchmark.nn.copies import NONE, Copies, gather, kept_copies
from benchmark.nn.encoder import Batch, Window, WordEncoder, not_finite
from benchmark.nn.heap import kept_memory
from benchmark.nn.precision import autocast, scaled_inside
from benchmark.nn.rows import clip, named_rows
from splits.errors import KfbenchError
from splits.schema import Sentence

State = dict[str, Tensor]
LEAST_SCALE = 2.0**-10  # of a loss in fp16; it begins at 65,536, and each step whose gradient is infinite halves it


class Trainable(Protocol):
    """What the loop needs of an `nn.Module`."""

    encoder: WordEncoder

    def loss(self, batch: Batch, sample: Sequence[Sentence]) -> Tensor:
        """Summed over the sentences of the batch, in float32 whatever the autocast."""
        ...


@dataclass(frozen=True, slots=True)
class Recipe:
    """How parameters are moved; who uses it states the source of each value.

    Attributes:
        warmup: a share of all steps if below 1, else a number of steps; then linear decay to 0.
        clip: largest norm of the gradient; None: no clipping.
        decay_all: weight decay falls on biases and norms too (quirk of the released KnowFREE code).
    """

    encoder_lr: float
    head_lr: float
    weight_decay: float = 0.01
    warmup: float = 0.1
    clip: float | None = None
    decay_all: bool = False


@dataclass(frozen=True, slots=True)
class Trained:
    """Weights that moved, on the CPU: those that the monitor liked best, and the last."""

    best: State
    last: State


class TrainingDivergedError(KfbenchError):
    """The loss is not a number; names step and sentences."""


def train(model: nn.Module, windows: Sequence[Window], given: FitInput, recipe: Recipe, tagger: Tagger) -> Trained:
    """Train within the budget; `tagger` predicts with the model as it stands, for the monitor.

    Raises:
        TrainingDivergedError: the loss is NaN or infinite, or weights are at the end.
    """
    budget = given.budget
    an_epoch, total = lengths(windows, budget)
    every = budget.evaluate_every or an_epoch
    best, best_f1, without_gain = snapshot(model), -1.0, 0
    losses: list[Tensor] = []
    with kept_memory():
        for step, loss in steps(model, windows, given, recipe):
            losses.append(loss)
            if step % every == 0 or step == total:
                model.eval()
                f1 = given.monitor(tagger, step=step, epoch=step / an_epoch, loss=sum(torch.stack(losses).tolist()) / len(losses))
                losses.clear()
                without_gain += 1
                if f1 > best_f1:
                    best, best_f1, without_gain = snapshot(model), f1, 0
                if budget.patience is not None and without_gain >= budget.patience:
                    break
    model.eval()
    if (tensor := not_finite(model)) is not None:  # by the last step, whose loss was still one
        raise TrainingDivergedError(f"{tensor} is NaN or infinite after the last step", "Lower the learning rates, or use precision fp32.")
    return Trained(best, snapshot(model))


def steps(model: nn.Module, windows: Sequence[Window], given: FitInput, recipe: Recipe) -> Iterator[tuple[int, Tensor]]:
    """Train within the budget, an optimiser step an item: its number from 1, and its mean loss a window.

    Between two items the caller may do with the model what it likes, evaluate it for one; dropping the iterator ends training.
    The loss stands on the model's device, and who reads it waits for that.

    Raises:
        TrainingDivergedError: the loss is NaN or infinite; on another device than a CPU it is read a step later.
    """
    _, total = lengths(windows, given.budget)
    with _copies(model, given) as copies, named_rows(cast("Trainable", model).encoder):
        optimiser = AdamW(two_rates(model, recipe), copies)
        scaler = GradScaler(given.device, enabled=given.precision == "fp16")
        accumulate = Accumulator(model, given, copies, scaler)
        losses = Losses(given.sample, late=given.device != "cpu")
        model.train()  # every module of it, which takes a millisecond: not in each step
        for step, batch in zip(range(1, total + 1), _endless(windows, given), strict=False):
            if not model.training:
                model.train()
            loss = accumulate(batch)
            losses.add(step, loss, batch, accumulate.scale)
            scaler.unscale_(optimiser)  # type: ignore[arg-type]  # all that it asks of an optimiser is `param_groups`
            if recipe.clip is not None:
                gather(copies)
                clip(model.parameters(), recipe.clip)
            scaler.step(optimiser, warmup_and_decay(step - 1, recipe.warmup, total))  # type: ignore[arg-type]
            scaler.update()
            optimiser.forget_gradients()
            yield step, loss
        losses.check()


class Losses:
    """Those of steps that were not looked at yet.

    Args:
        late: each is looked at when the next one comes, so that a device has work while it is waited for.
    """

    def __init__(self, sample: Sequence[Sentence], *, late: bool) -> None:
        self.sample = sample
        self.late = late
        self._open: deque[tuple[int, Tensor, Sequence[Window], Tensor | None]] = deque()

    def add(self, step: int, loss: Tensor, windows: Sequence[Window], scale: Tensor | None = None) -> None:
        """Take the loss of a step over these windows, and what it was scaled with.

        Raises:
            TrainingDivergedError: one that is looked at is NaN or infinite, or is scaled with next to nothing.
        """
        self._open.append((step, loss, windows, scale))
        self.check(but=int(self.late))

    def check(self, *, but: int = 0) -> None:
        """Look at all but the last so many.

        Raises:
            TrainingDivergedError: as `add`.
        """
        while len(self._open) > but:
            step, tensor, windows, scale = self._open.popleft()
            if scale is not None and float(scale) < LEAST_SCALE:  # in fp32 or bf16 the weights would tell
                what = f"in fp16 gradients are infinite or NaN in one step after the other, until step {step}"
                raise TrainingDivergedError(what, "Lower the learning rates, or use precision fp32.")
            if not math.isfinite(loss := float(tensor)):
                ids = ", ".join(self.sample[w.sentence].id for w in windows)
                raise TrainingDivergedError(
                    f"the loss is {loss} at step {step}, sentences {ids}", "Lower the learning rates, or use precision fp32."
                )


def _copies(model: nn.Module, given: FitInput) -> AbstractContextManager[Copies]:
    """On a GPU a cast costs next to nothing."""
    return kept_copies(cast("Trainable", model).encoder) if given.precision == "bf16" and given.device == "cpu" else nullcontext(NONE)


def lengths(windows: Sequence[Window], budget: Budget) -> tuple[int, int]:
    """Optimiser steps of an epoch, and of the whole budget."""
    an_epoch = math.ceil(len(windows) / budget.batch_size)
    return an_epoch, budget.steps or an_epoch * budget.epochs


def _endless(windows: Sequence[Window], given: FitInput) -> Iterator[list[Window]]:
    for epoch in count():
        yield from epoch_batches(windows, given.budget.batch_size, seed=given.seed, epoch=epoch)


class Accumulator:
    """Forward and backward of one batch, in parts; the gradient is that of the mean over the whole batch, times the scaler's scale."""

    def __init__(self, model: nn.Module, given: FitInput, copies: Copies = NONE, scaler: GradScaler | None = None) -> None:
        self.model = cast("Trainable", model)
        self.given = given
        self.copies = copies
        self.scaler = scaler or GradScaler(given.device, enabled=False)
        self.one = torch.ones((), device=given.device)
        self.scale: Tensor | None = None  # of the last batch's loss

    def __call__(self, windows: Sequence[Window]) -> Tensor:
        """Add the batch's gradients; returns its mean loss a window, a number on the model's device."""
        losses = []
        cut = list(parts(windows, self.given.budget))
        self.scale = self.scaler.scale(self.one) if self.scaler.is_enabled() else None
        share = None if self.scale is None else self.scale / len(windows)
        for part in cut:
            batch = self.model.encoder.batch(part)
            with autocast(self.given.device, self.given.precision), scaled_inside(share):
                loss = self.model.loss(batch, self.given.sample) / len(windows)
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            if len(cut) > 1:
                gather(self.copies)  # to add them up in float32
            losses.append(loss.detach().double())
        return torch.stack(losses).sum()


def parts(windows: Sequence[Window], budget: Budget) -> Iterator[Sequence[Window]]:
    """A batch in the parts that go through the model together: `accumulate` of them, or more where cells are too many."""
    most = math.ceil(len(windows) / budget.accumulate)
    part: list[Window] = []
    cells = 0
    for window in windows:
        size = len(window) ** 2
        if part and (len(part) == most or (budget.max_cells is not None and cells + size > budget.max_cells)):
            yield part
            part, cells = [], 0
        part.append(window)
        cells += size
    if part:
        yield part


def two_rates(model: nn.Module, recipe: Recipe) -> list[Group]:
    """One rate for the encoder and one for the rest; biases and norms (by module type) do not decay."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, module in model.named_modules():
        rate = recipe.encoder_lr if name.split(".")[0] == "encoder" else recipe.head_lr
        for short, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad:
                continue
            plain = type(module).__name__.endswith("Norm") or short.endswith("bias")  # DeBERTa, RMS: norms that are not torch's
            decay = 0.0 if plain and not recipe.decay_all else recipe.weight_decay
            groups.setdefault((rate, decay), []).append(parameter)
    return [Group(tuple(parameters), rate, decay) for (rate, decay), parameters in groups.items()]


def warmup_and_decay(step: int, warmup: float, total: int) -> float:
    """The share of the rate that step `step`, counted from 0, takes: linear from 0 to 1 over the warm-up, then to 0 at `total`."""
    first = round(warmup * total) if warmup < 1 else min(int(warmup), total)
    return step / first if step < first else max(0.0, (total - step) / max(1, total - first))


def snapshot(model: nn.Module) -> State:
    """A copy on the CPU of the weights that training moves."""
    return {name: p.detach().to("cpu", copy=True) for name, p in model.named_parameters() if p.requires_grad}


def restore(model: nn.Module, state: State) -> None:
    """Put a snapshot back."""
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in state.items():
            parameters[name].copy_(value)
