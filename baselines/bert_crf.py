"""BERT-CRF: a pretrained encoder, a tag layer, a linear-chain CRF (Souza et al. 2019, arXiv 1909.10649, for the combination)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from benchmark.method import FitInput, Fitted, Predicted, Tagger
from benchmark.nn.crf import ConstrainedCRF, bio_constraints, to_bio
from benchmark.nn.encoder import Batch, WordEncoder
from benchmark.nn.labels import spans_in
from benchmark.nn.tagger import encoder_of, fit_tagger, load_tagger
from benchmark.nn.transfer import sent
from benchmark.training import Recipe
from splits.labels import Inventory
from splits.schema import Entity, Sentence, from_tags
from splits.source import CorpusInfo


class BertCRF(nn.Module):
    """Emissions of BIO tags from word vectors, illegal transitions forbidden in training and decoding."""

    def __init__(self, encoder: WordEncoder, labels: Inventory, *, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.labels = labels
        self.tags, allowed, starts = bio_constraints(labels.targets)
        self.dropout = nn.Dropout(dropout)
        self.emissions = nn.Linear(encoder.hidden, len(self.tags))
        self.crf = ConstrainedCRF(allowed, starts)

    def forward(self, batch: Batch) -> Tensor:
        """Emissions [batch, n, tags]."""
        found: Tensor = self.emissions(self.dropout(self.encoder(batch)))
        return found

    def loss(self, batch: Batch, sample: Sequence[Sentence]) -> Tensor:
        """Negative log-likelihood, summed over the sentences of the batch."""
        emissions = self(batch)
        tags = torch.zeros(emissions.shape[:2], dtype=torch.long)
        for b, window in enumerate(batch.windows):
            entities = [Entity(*span) for span in spans_in(window, sample[window.sentence])]
            tags[b, : len(window)] = torch.tensor(to_bio(entities, len(window), self.labels.targets))
        with torch.autocast(emissions.device.type, enabled=False):
            return -self.crf.log_likelihood(emissions, sent(tags, emissions.device), batch.keep).sum()

    def read(self, batch: Batch) -> list[list[Predicted]]:
        """Entities of each window: the best legal path."""
        paths = self.crf.decode(self(batch), batch.keep)
        return [[Predicted(*span) for span in from_tags([self.tags[t] for t in path])[0]] for path in paths]


@dataclass(frozen=True)
class BertCRFMethod:
    """Encoder + linear-chain CRF over BIO tags; cannot say nested entities."""

    name: ClassVar[str] = "bert_crf"
    artefacts: ClassVar[tuple[str, ...]] = ()
    requires: ClassVar[str | None] = None
    test_config: ClassVar[Mapping[str, Any]] = {"encoder_lr": 1e-3}

    encoder_lr: float = 2e-5  # as the span models, for an equal comparison
    head_lr: float = 1e-3  # as the span models
    weight_decay: float = 0.01
    warmup: float = 0.1  # a share of the steps
    dropout: float = 0.1  # BERT's own (Devlin et al. 2019)
    clip: float = 5.0

    def supports(self, corpus: CorpusInfo) -> str | None:
        """Flat corpora."""
        return "entities nest, and a tag per token cannot say so" if corpus.nested else None

    def fit(self, given: FitInput) -> Fitted:
        """Train within the budget."""
        model = BertCRF(encoder_of(given), given.labels, dropout=self.dropout)
        recipe = Recipe(self.encoder_lr, self.head_lr, self.weight_decay, self.warmup, clip=self.clip)
        return fit_tagger(model, given, recipe, asdict(self))

    @classmethod
    def load(cls, directory: Path, *, device: str = "cpu") -> Tagger:
        """The tagger that `save` wrote."""
        return load_tagger(directory, build, device=device)


def build(encoder: WordEncoder, labels: Inventory, settings: Mapping[str, Any]) -> nn.Module:
    """An untrained model of the settings' shape."""
    return BertCRF(encoder, labels, dropout=settings["dropout"])
