"""Trained neural models as taggers, saved and loaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from torch import nn

from benchmark.method import EncoderSpec, FitInput, Fitted, Precision, Predicted
from benchmark.nn.batches import prediction_batches
from benchmark.nn.encoder import Batch, WordEncoder, load_encoder, not_finite, rebuild_encoder
from benchmark.nn.heap import kept_memory
from benchmark.nn.precision import PRODUCTS, autocast
from benchmark.training import Recipe, State, restore, train
from splits.errors import ConfigError, WriteError
from splits.labels import Inventory, read_labels, write_labels
from splits.schema import Sentence

CELLS = 16 * 64 * 64  # of a prediction batch's padded grid: bounds memory, has no effect on scores
WEIGHTS, SETTINGS, LABELS = "model.safetensors", "tagger.json", "labels.json"


class Reader(Protocol):
    """What a tagger needs of an `nn.Module`: entities of each window of a batch."""

    encoder: WordEncoder
    labels: Inventory

    def read(self, batch: Batch) -> list[list[Predicted]]:
        """Entities of each window, in its own word numbers."""
        ...


class NeuralTagger:
    """A model with one of its snapshots.

    Several taggers may share a model: each puts its own weights back before it predicts. One without a snapshot predicts
    with the weights that stand.
    """

    def __init__(
        self, model: nn.Module, *, precision: Precision = "fp32", settings: dict[str, Any] | None = None, state: State | None = None
    ) -> None:
        self.model = model
        self.precision = precision
        self.settings = settings or {}
        self.state = state

    def predict(self, sentences: Sequence[Sentence]) -> list[list[Predicted]]:
        """Entities of each sentence, those of its windows moved to their places."""
        if self.state is not None:
            restore(self.model, self.state)
        reader = cast("Reader", self.model.eval())
        found: list[list[Predicted]] = [[] for _ in sentences]
        windows = reader.encoder.windows([s.text for s in sentences])
        device = next(self.model.parameters()).device.type
        # one autocast for all batches: it keeps its copies of the weights until it ends
        with kept_memory(), torch.inference_mode(), autocast(device, self.precision):
            for part in prediction_batches(windows, cells=CELLS):
                for window, row in zip(part, reader.read(reader.encoder.batch(part)), strict=True):
                    at = window.start
                    found[window.sentence] += [Predicted(p.start + at, p.end + at, p.label, p.score) for p in row]
        return [sorted(row, key=lambda p: (p.start, p.end, p.label)) for row in found]

    def save(self, directory: Path) -> None:
        """Weights as safetensors, encoder config and tokenizer, labels, and what rebuilds the model.

        Raises:
            WriteError: they cannot be written.
        """
        directory.mkdir(parents=True, exist_ok=True)
        if self.state is not None:
            restore(self.model, self.state)
        reader = cast("Reader", self.model)
        try:
            save_model(self.model, str(directory / WEIGHTS))
            reader.encoder.save(str(directory))
        except (OSError, SafetensorError) as error:
            raise WriteError(f"{directory}: the tagger cannot be saved: {error}", "Check space and permissions.") from error
        write_labels(directory / LABELS, reader.labels)
        spec = asdict(reader.encoder.spec)
        settings = {"encoder": spec, "precision": self.precision, "settings": self.settings}
        (directory / SETTINGS).write_text(json.dumps(settings, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load_tagger(directory: Path, build: Callable[[WordEncoder, Inventory, dict[str, Any]], nn.Module], *, device: str) -> NeuralTagger:
    """The tagger that `NeuralTagger.save` wrote; `build` makes the empty model from encoder, labels and settings.

    Raises:
        ConfigError: a file is missing or damaged, or weights are not numbers.
    """
    mend = "Copy the checkpoint again, or train it again with `kfbench run --checkpoints`."
    try:
        stored = json.loads((directory / SETTINGS).read_text(encoding="utf-8"))
        if (precision := stored["precision"]) not in PRODUCTS:
            raise ValueError(f"{SETTINGS} has the precision {precision!r}")
        encoder = rebuild_encoder(str(directory), EncoderSpec(**stored["encoder"]))
        model = build(encoder, read_labels(directory / LABELS), stored["settings"])
        load_model(model, str(directory / WEIGHTS))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ConfigError(f"{directory}: not a whole checkpoint: {(str(error) or repr(error)).splitlines()[0]}", mend) from error
    if (tensor := not_finite(model)) is not None:
        raise ConfigError(f"{directory}: {tensor} holds NaN or infinite weights", mend)
    return NeuralTagger(model.to(device).eval(), precision=precision, settings=stored["settings"])


def encoder_of(given: FitInput) -> WordEncoder:
    """The encoder of a cell, after its seed is set: everything random that follows comes from the seed."""
    torch.manual_seed(given.seed)
    return load_encoder(given.encoder, [w for s in given.sample for w in s.text])


def fit_tagger(model: nn.Module, given: FitInput, recipe: Recipe, settings: dict[str, Any]) -> Fitted:
    """Train a model on the sample; its best and last weights as taggers."""
    model.to(given.device)
    windows = cast("Reader", model).encoder.windows([s.text for s in given.sample])

    def tagger(state: State | None) -> NeuralTagger:
        return NeuralTagger(model, precision=given.precision, settings=settings, state=state)

    trained = train(model, windows, given, recipe, tagger(None))
    return Fitted(best=tagger(trained.best), last=tagger(trained.last))
