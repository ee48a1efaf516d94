"""CNN-NER on the data of KnowFREE, to tell what the data give from what the model gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from baselines.cnn_ner import CNNNERMethod
from benchmark.extension import PARTS, on_fusion
from benchmark.method import FitInput, Fitted
from benchmark.nn.continuing import continue_training


@dataclass(frozen=True)
class FusionCNNNER(CNNNERMethod):
    """CNN-NER on a fused sample, with KnowFREE's label weights, extension labels masked at inference."""

    name: ClassVar[str] = "cnn_ner_fusion"
    artefacts: ClassVar[tuple[str, ...]] = ("fusion",)
    test_config: ClassVar[Mapping[str, Any]] = CNNNERMethod.test_config

    parts: tuple[str, ...] = PARTS  # which extension labels: entities, parts of speech, segmentation

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "parts", tuple(self.parts))

    def fit(self, given: FitInput) -> Fitted:
        """Train within the budget."""
        return super().fit(on_fusion(given, self.parts))


@dataclass(frozen=True)
class SynCNNNER(FusionCNNNER):
    """CNN-NER continued on fusion and synthetic sentences, which its own fusion model has labelled."""

    name: ClassVar[str] = "cnn_ner_syn"
    artefacts: ClassVar[tuple[str, ...]] = ("fusion", "synthetic")
    requires: ClassVar[str | None] = "cnn_ner_fusion"

    ratio: float = 3.0  # synthetic sentences to a real one, at most; as knowfree_syn
    pseudo_labels: bool = True

    def fit(self, given: FitInput) -> Fitted:
        """Go on from the fusion cell of the same corpus, size, draw and seed."""
        return continue_training(self, given, shape=("size", "heads", "depth", "recipe"))
