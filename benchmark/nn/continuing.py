"""Training that goes on from another cell's model, on more labels and more sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmark.extension import with_synthetic
from benchmark.method import FitInput, Fitted, Tagger
from benchmark.nn.span_model import OutputBias, SpanModel
from benchmark.nn.tagger import NeuralTagger, fit_tagger
from benchmark.training import Recipe
from splits.errors import ConfigError


def continue_training(
    given: FitInput,
    load: Callable[[Path], Tagger],
    recipe: Recipe,
    settings: dict[str, Any],
    *,
    shape: Sequence[str],
    parts: Sequence[str],
    ratio: float,
    pseudo_labels: bool,
    output_bias: OutputBias,
) -> Fitted:
    """Pseudo-label synthetic sentences with the upstream model, then train that model on fusion and synthetic (KnowFREE, section 3.4).

    Args:
        load: the upstream cell's tagger from its directory.
        shape: names of settings that both models must share.
        parts, ratio, pseudo_labels: as in `with_synthetic`.
        output_bias: where channels of labels that the upstream model lacks start from.

    Raises:
        ConfigError: the upstream model is of another shape.
    """
    if given.upstream is None:
        raise ConfigError("there is no upstream cell to go on from", "Name one under `requires`.")
    torch.manual_seed(given.seed)
    tagger = load(given.upstream)
    if not isinstance(tagger, NeuralTagger) or not isinstance(tagger.model, SpanModel):
        raise ConfigError(f"{given.upstream}: its model is no span model", "Require a variant of the same method.")
    for name in shape:
        if tagger.settings.get(name) != settings[name]:
            raise ConfigError(
                f"{name} is {settings[name]!r}, the upstream cell's is {tagger.settings.get(name)!r}", "Give both variants the same shape."
            )
    model = tagger.model.to(given.device)
    grown = with_synthetic(given, tagger if pseudo_labels else None, parts=parts, ratio=ratio)
    fresh = model.grow(grown.labels)
    windows = model.encoder.windows([s.text for s in grown.sample])
    model.start_from(windows, grown.sample, output_bias, fresh)
    return fit_tagger(model, grown, recipe, settings)
