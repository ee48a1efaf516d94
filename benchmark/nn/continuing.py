"""Training that goes on from another cell's model, on more labels and more sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from benchmark.extension import with_synthetic
from benchmark.method import FitInput, Fitted, Tagger
from benchmark.nn.span_model import OutputBias, SpanModel
from benchmark.nn.tagger import NeuralTagger, fit_tagger
from benchmark.training import Recipe
from splits.errors import ConfigError


class Continuing(Protocol):
    """A method that goes on from another cell's: a dataclass whose fields are its settings.

    Attributes:
        parts, ratio, pseudo_labels: as in `with_synthetic`; without pseudo-labels synthetic sentences have no targets.
        output_bias: where channels of labels that the upstream model lacks start from; None: the prior.
    """

    @property
    def parts(self) -> tuple[str, ...]: ...
    @property
    def ratio(self) -> float: ...
    @property
    def pseudo_labels(self) -> bool: ...
    @property
    def output_bias(self) -> OutputBias | None: ...

    def rates(self) -> Recipe: ...
    def settings(self, given: FitInput) -> dict[str, Any]: ...
    def load(self, directory: Path, *, device: str = "cpu") -> Tagger: ...


def continue_training(method: Continuing, given: FitInput, *, shape: Sequence[str]) -> Fitted:
    """Pseudo-label synthetic sentences with the upstream model, then train that model on fusion and synthetic (KnowFREE, section 3.4).

    Args:
        shape: names of settings that both models must share.

    Raises:
        ConfigError: the upstream model is of another shape.
    """
    if given.upstream is None:
        raise ConfigError("there is no upstream cell to go on from", "Name one under `requires`.")
    torch.manual_seed(given.seed)
    settings = method.settings(given)
    tagger = method.load(given.upstream)
    if not isinstance(tagger, NeuralTagger) or not isinstance(tagger.model, SpanModel):
        raise ConfigError(f"{given.upstream}: its model is no span model", "Require a variant of the same method.")
    for name in shape:
        if tagger.settings.get(name) != settings[name]:
            raise ConfigError(
                f"{name} is {settings[name]!r}, the upstream cell's is {tagger.settings.get(name)!r}", "Give both variants the same shape."
            )
    model = tagger.model.to(given.device)
    grown = with_synthetic(given, tagger if method.pseudo_labels else None, parts=method.parts, ratio=method.ratio)
    fresh = model.grow(grown.labels)
    windows = model.encoder.windows([s.text for s in grown.sample])
    model.start_from(windows, grown.sample, method.output_bias or "prior", fresh)
    return fit_tagger(model, grown, method.rates(), settings)
