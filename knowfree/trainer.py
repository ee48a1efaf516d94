"""The released trainer of KnowFREE, over the suite."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from benchmark.facade import Shape
from benchmark.nn.encoder import WordEncoder
from benchmark.nn.facade import SpanTrainer
from benchmark.nn.tagger import NeuralTagger
from knowfree.checkpoint import is_official, load_official, sizes_of
from knowfree.method import build
from knowfree.model import KnowFREE
from splits.labels import Inventory


class Trainer(SpanTrainer):
    """Trains `knowfree`; where the labels file has extension labels, they are learnt and masked at inference.

    `from_pretrained` may be a checkpoint in the released layout; `paper_quirks=(...)` reproduces what the suite mends.
    """

    method_name: ClassVar[str] = "knowfree"
    saved_as: ClassVar[str] = "knowfree"

    def sizes_of(self, shape: Shape) -> dict[str, Any]:
        """Size, biaffine heads and radius."""
        return sizes_of(shape, "KnowFREE")

    def empty(self, encoder: WordEncoder, labels: Inventory, settings: Mapping[str, Any]) -> KnowFREE:
        """An untrained model."""
        return build(encoder, labels, settings)

    def released(self, directory: Path) -> NeuralTagger | None:
        """The tagger of a checkpoint in the released layout; its config.json says its sizes."""
        if not is_official(directory):
            return None
        return load_official(directory, self.data.labels, tokenizer=self.tokenizer, paper_quirks=self.method.paper_quirks).tagger
