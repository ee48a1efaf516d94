"""CNN-NER trained by fastNLP's Trainer: an independent loop beside ours, with the recipe of the CNN-NER paper.

The module, the optimiser's parameter groups and the start weights are those of our own loop; order of batches, schedule,
clipping, evaluation and stopping are fastNLP 1.0.1's (2022, no longer maintained). Nothing else imports fastNLP.

Where the two loops differ, by design of fastNLP: the schedule is one step ahead (ours starts at rate 0, theirs ends
there), batches are a plain shuffle and not of like length, and dev is predicted twice, by its Evaluator and by the monitor.
"""

from __future__ import annotations

import importlib
import math
import os
import warnings
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.utils.data import DataLoader

from baselines.cnn_ner import CNNNER
from benchmark.method import FitInput, Fitted, Tagger
from benchmark.nn.encoder import not_finite
from benchmark.nn.precision import autocast
from benchmark.nn.tagger import NeuralTagger
from benchmark.training import Recipe, State, Trained, TrainingDivergedError, snapshot, two_rates
from splits.errors import ConfigError
from splits.schema import Span

Rows = dict[str, list[int]]

LAUNCHED = ("RANK", "LOCAL_RANK", "WORLD_SIZE")  # of a launcher around us: fastNLP would start distributed training
MEND = "Run `pip install --no-deps fastNLP==1.0.1` and `pip install setuptools==78.1.1 prettytable`, or set `trainer: suite`."


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Dev at one step: F1 of the harness's monitor, and what fastNLP's Evaluator counted with our Metric."""

    step: int
    monitor: float
    precision: float
    recall: float
    f1: float


def fit_with_fastnlp(model: CNNNER, given: FitInput, recipe: Recipe, settings: dict[str, Any]) -> Fitted:
    """Train a model on the sample; its best and last weights as taggers.

    Raises:
        ConfigError: fastNLP or something that it needs is not installed.
        TrainingDivergedError: the loss is NaN or infinite.
    """

    def tagger(state: State | None) -> NeuralTagger:
        return NeuralTagger(model, precision=given.precision, settings=settings, state=state)

    trained, _ = train_with_fastnlp(model, given, recipe, tagger(None))
    return Fitted(best=tagger(trained.best), last=tagger(trained.last))


def train_with_fastnlp(model: CNNNER, given: FitInput, recipe: Recipe, tagger: Tagger) -> tuple[Trained, list[Evaluation]]:
    """Train within the budget; `tagger` predicts with the model as it stands, for the monitor.

    `budget.accumulate` has no effect: it saves memory and changes no gradient.

    Raises:
        ConfigError: precision is `fp16`, for which fastNLP would have to scale the loss: it does so on a GPU alone.
    """
    if given.precision == "fp16":
        raise ConfigError("CNN-NER under fastNLP's Trainer knows no precision `fp16`", "Set precision: fp32 or bf16, or drop `trainer`.")
    with _fastnlp() as fastnlp:
        steps = Steps(model.to(given.device), given)
        an_epoch = math.ceil(len(steps.windows) / given.budget.batch_size)
        total = given.budget.steps or an_epoch * given.budget.epochs
        every = given.budget.evaluate_every or an_epoch
        keeper = Keeper(steps, tagger, an_epoch, total, fastnlp.core.utils.exceptions.EarlyStopException)

        def is_due(trainer: Any) -> bool:
            step: int = trainer.global_forward_batches
            return step % every == 0 or step == total

        callbacks = [fastnlp.TorchWarmupCallback(warmup=warmup_share(recipe.warmup, total), schedule="linear")]
        if recipe.clip is not None:
            callbacks.append(fastnlp.TorchGradClipCallback(clip_value=recipe.clip, clip_type="norm"))
        trainer = fastnlp.Trainer(
            model=steps,
            driver="torch",
            device=given.device,
            optimizers=_optimiser(model, recipe),
            train_dataloader=_loader(len(steps.windows), given, shuffle=True),
            evaluate_dataloaders=_loader(len(given.dev), given, shuffle=False),
            metrics={"span": span_metric(fastnlp, [s.spans for s in given.dev])},
            evaluate_every=is_due,
            n_batches=total,
            callbacks=callbacks,
            progress_bar=None,
        )
        trainer.add_callback_fn(fastnlp.Event.on_evaluate_end(), keeper.after_evaluation)
        trainer.run(num_eval_sanity_batch=0, catch_KeyboardInterrupt=False)
    model.eval()
    if (tensor := not_finite(model)) is not None:
        what = f"{tensor} is NaN or infinite after the last step, {steps.step}"
        raise TrainingDivergedError(what, "Lower the learning rates, or use precision fp32.")
    return Trained(keeper.best, snapshot(model)), keeper.curve


def _optimiser(model: CNNNER, recipe: Recipe) -> Optimizer:
    """torch's own, as fastNLP wants one; its rates are those of the suite's loop."""
    rows = [{"params": list(g.parameters), "lr": g.lr, "weight_decay": g.weight_decay} for g in two_rates(model, recipe)]
    return AdamW(rows, fused=True)


def _loader(items: int, given: FitInput, *, shuffle: bool) -> DataLoader[int]:
    """Row numbers, not tensors: fastNLP would take frozen batches apart to move them."""
    return DataLoader(
        range(items),  # type: ignore[arg-type]  # a sequence serves as a dataset
        batch_size=given.budget.batch_size,
        shuffle=shuffle,
        collate_fn=_rows,
        generator=torch.Generator().manual_seed(given.seed),  # never draws from the stream of dropout
    )


def _rows(rows: list[int]) -> Rows:
    return {"rows": rows}


class Steps(nn.Module):
    """The two calls that fastNLP makes of a model, by name: row numbers in, dictionaries out."""

    def __init__(self, model: CNNNER, given: FitInput) -> None:
        super().__init__()
        self.model = model
        self.given = given
        self.windows = model.encoder.windows([s.text for s in given.sample])
        self.losses: list[float] = []
        self.step = 0  # of the optimiser, from 1

    def train_step(self, rows: list[int]) -> dict[str, Tensor]:
        """Mean loss of windows of the sample."""
        batch = self.model.encoder.batch([self.windows[row] for row in rows])
        with self._autocast():
            logits = self.model(batch)
        loss = self.model.plain_loss(logits, batch, self.given.sample) / len(rows)
        self.losses.append(float(loss.detach()))
        self.step += 1
        if not math.isfinite(self.losses[-1]):
            ids = ", ".join(self.given.sample[w.sentence].id for w in batch.windows)
            raise TrainingDivergedError(
                f"the loss is {self.losses[-1]} at step {self.step}, sentences {ids}", "Lower the learning rates, or use precision fp32."
            )
        return {"loss": loss}

    def evaluate_step(self, rows: list[int]) -> dict[str, list[set[Span]]]:
        """Spans found in sentences of dev."""
        windows = self.model.encoder.windows([self.given.dev[row].text for row in rows])
        found: list[set[Span]] = [set() for _ in rows]
        with self._autocast():
            read = self.model.read(self.model.encoder.batch(windows)) if windows else []
        for window, entities in zip(windows, read, strict=True):
            found[window.sentence].update((window.start + e.start, window.start + e.end, e.label) for e in entities)
        return {"found": found}

    def _autocast(self) -> torch.autocast:
        return autocast(self.given.device, self.given.precision)


class Keeper:
    """After each evaluation: tells the monitor, keeps the weights that it likes best, ends the run when it is time.

    fastNLP's own LoadBestModelCallback keeps one of best and last, and the Trainer reads `n_batches` at the end of an
    epoch only: a budget of steps would be overrun.
    """

    def __init__(self, steps: Steps, tagger: Tagger, an_epoch: int, total: int, stop: type[BaseException]) -> None:
        self.steps = steps
        self.tagger = tagger
        self.an_epoch = an_epoch
        self.total = total
        self.stop = stop
        self.best: State = snapshot(steps.model)
        self.best_f1 = -1.0
        self.without_gain = 0
        self.curve: list[Evaluation] = []

    def after_evaluation(self, trainer: Any, results: dict[str, float]) -> None:
        """The callback; fastNLP wants these names."""
        step: int = trainer.global_forward_batches
        losses = self.steps.losses
        f1 = self.steps.given.monitor(self.tagger, step=step, epoch=step / self.an_epoch, loss=sum(losses) / len(losses))
        losses.clear()
        self.steps.train()  # the tagger left the model in eval mode, which fastNLP sets once an epoch
        p, r, f = (results[f"{name}#span"] for name in ("precision", "recall", "f1"))
        self.curve.append(Evaluation(step, f1, p, r, f))
        self.without_gain += 1
        if f1 > self.best_f1:
            self.best, self.best_f1, self.without_gain = snapshot(self.steps.model), f1, 0
        patience = self.steps.given.budget.patience
        if step >= self.total or (patience is not None and self.without_gain >= patience):
            raise self.stop(f"step {step} of {self.total}")


def span_metric(fastnlp: Any, gold: Sequence[AbstractSet[Span]]) -> Any:
    """A fastNLP Metric: micro precision, recall and F1 of exact spans, counted on its own."""

    class SpanF1(fastnlp.Metric):  # type: ignore[misc]  # the base is known at run time only
        def __init__(self) -> None:
            super().__init__(backend="torch")
            for name in ("right", "predicted", "expected"):
                self.register_element(name, value=0, aggregate_method="sum")

        def update(self, found: list[set[Span]], rows: list[int]) -> None:
            for spans, row in zip(found, rows, strict=True):
                self.right += len(spans & gold[row])
                self.predicted += len(spans)
                self.expected += len(gold[row])

        def get_metric(self) -> dict[str, float]:
            right, predicted, expected = (e.get_scalar() for e in (self.right, self.predicted, self.expected))
            return {
                "precision": right / predicted if predicted else 0.0,
                "recall": right / expected if expected else 0.0,
                "f1": 2 * right / (predicted + expected) if predicted + expected else 0.0,
            }

    return SpanF1()


def warmup_share(warmup: float, total: int) -> float:
    """Warm-up as a share of the steps, below 1: TorchWarmupCallback reads 1 as all steps and then divides by zero."""
    share = warmup if warmup < 1 else warmup / total
    return min(share, 1 - 0.5 / total)


@contextmanager
def _fastnlp() -> Iterator[Any]:
    """fastNLP imported, silent, and with only torch among its back ends; the process is afterwards as it was."""
    with _same_environment():
        for name in LAUNCHED:
            os.environ.pop(name, None)
        os.environ["FASTNLP_BACKEND"] = "torch"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pkg_resources is deprecated
                fastnlp: Any = importlib.import_module("fastNLP")
        except ImportError as error:
            lacking = (error.name or "fastNLP").split(".")[0]
            raise ConfigError(f"cnn_ner: trainer fastnlp needs {lacking}, which is not installed", MEND) from error
        before, fastnlp.logger.disabled = fastnlp.logger.disabled, True
        try:
            yield fastnlp
        finally:
            fastnlp.logger.disabled = before


@contextmanager
def _same_environment() -> Iterator[None]:
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
