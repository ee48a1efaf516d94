"""The released KnowFREE repository's trainer of CNN-NER, over the suite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from baselines.cnn_ner import CNNNER, build
from benchmark.facade import Shape
from benchmark.nn.encoder import WordEncoder
from benchmark.nn.facade import SpanTrainer
from splits.errors import ConfigError
from splits.labels import Inventory


class Trainer(SpanTrainer):
    """Trains `cnn_ner` by the recipe `knowfree_port`: what that repository calls CNN Nested NER, with a prior output bias."""

    method_name: ClassVar[str] = "cnn_ner"
    saved_as: ClassVar[str] = "cnnner"

    def sizes_of(self, shape: Shape) -> dict[str, Any]:
        """Size, heads and depth."""
        only = {"biaffine_size": shape.cnn_dim, "size_embed_dim": 25, "logit_drop": 0, "kernel_size": 3, "span_threshold": 0.5}
        shape.require(only, "CNN-NER")
        if shape.cnn_depth < 1:
            raise ConfigError(f"CNN-NER: cnn_depth is {shape.cnn_depth}", "It is a number of convolutions, 1 or more.")
        return {"size": shape.cnn_dim, "heads": shape.n_head or 1, "depth": shape.cnn_depth}

    def defaults(self) -> dict[str, Any]:
        """The port, its bias apart: with a zero one, hundreds of steps pass before a span is found."""
        return {"recipe": "knowfree_port", "output_bias": "prior"}

    def empty(self, encoder: WordEncoder, labels: Inventory, settings: Mapping[str, Any]) -> CNNNER:
        """An untrained model."""
        return build(encoder, labels, settings)
