"""my_method: say in a sentence what is new about it, and cite its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmark.method import FitInput, Fitted, Predicted, Tagger
from benchmark.nn.crf import bio_constraints, to_bio
from benchmark.nn.encoder import Batch, WordEncoder
from benchmark.nn.labels import spans_in
from benchmark.nn.tagger import encoder_of, fit_tagger, load_tagger
from benchmark.training import Recipe
from splits.labels import Inventory
from splits.schema import Entity, Sentence, from_tags
from splits.source import CorpusInfo

NO_WORD = -100  # cross_entropy passes over it: there is padding in a batch


class Model(nn.Module):
    """A tag (O, B-X, I-X) for each word, from its own vector alone: the part to make your own."""

    def __init__(self, encoder: WordEncoder, labels: Inventory, *, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder  # it has its own learning rate, and the tagger cuts sentences with it
        self.labels = labels
        self.tags = bio_constraints(labels.targets)[0]
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(encoder.hidden, len(self.tags)))

    def forward(self, batch: Batch) -> Tensor:
        """Logits [batch, n, tags]."""
        logits: Tensor = self.head(self.encoder(batch))
        return logits

    def loss(self, batch: Batch, sample: Sequence[Sentence]) -> Tensor:
        """Summed over the sentences of the batch."""
        gold = torch.full(batch.keep.shape, NO_WORD)
        for b, window in enumerate(batch.windows):
            entities = [Entity(*span) for span in spans_in(window, sample[window.sentence])]
            gold[b, : len(window)] = torch.tensor(to_bio(entities, len(window), self.labels.targets))
        logits = self(batch).float()
        return cross_entropy(logits.flatten(0, 1), gold.flatten().to(logits.device), ignore_index=NO_WORD, reduction="sum")

    def read(self, batch: Batch) -> list[list[Predicted]]:
        """Entities of each window: the best tag of each word, an I-X that continues nothing starts one."""
        best = self(batch).argmax(-1).tolist()
        paths = ([self.tags[t] for t in row[: len(window)]] for row, window in zip(best, batch.windows, strict=True))
        return [[Predicted(*span) for span in from_tags(path)[0]] for path in paths]


@dataclass(frozen=True)
class MyMethod:
    """What the method is. Its fields are its hyper-parameters; say where each default is from."""

    name: ClassVar[str] = "my_method"
    artefacts: ClassVar[tuple[str, ...]] = ()  # files beside the sample: `fusion`, `synthetic`
    requires: ClassVar[str | None] = None  # a variant whose trained cell it starts from
    test_config: ClassVar[Mapping[str, Any]] = {"encoder_lr": 1e-3}  # fields that let it learn from nothing, for `kfbench check`

    encoder_lr: float = 2e-5  # as the suite's other methods, for an equal comparison
    head_lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.1  # a share of the steps
    dropout: float = 0.1  # BERT's own
    clip: float = 5.0

    def supports(self, corpus: CorpusInfo) -> str | None:
        """Flat corpora."""
        return "entities nest, and a tag per word cannot say so" if corpus.nested else None

    def fit(self, given: FitInput) -> Fitted:
        """Train on `given.sample` within `given.budget`; the loop asks `given.monitor` for F1 on dev and keeps the best weights."""
        model = Model(encoder_of(given), given.labels, dropout=self.dropout)
        recipe = Recipe(self.encoder_lr, self.head_lr, self.weight_decay, self.warmup, clip=self.clip)
        return fit_tagger(model, given, recipe, asdict(self))

    @classmethod
    def load(cls, directory: Path, *, device: str = "cpu") -> Tagger:
        """The tagger that `save` wrote."""
        return load_tagger(directory, build, device=device)


def build(encoder: WordEncoder, labels: Inventory, settings: Mapping[str, Any]) -> nn.Module:
    """An untrained model of the settings' shape."""
    return Model(encoder, labels, dropout=settings["dropout"])
