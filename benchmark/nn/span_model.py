"""A span model: encoder, grid, whatever fuses the grid's cells, and a linear layer to labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from benchmark.method import Predicted
from benchmark.nn.decoding import Clashes, decode_grid
from benchmark.nn.encoder import Batch, Window, WordEncoder
from benchmark.nn.labels import gold_cells, loss_weights, prior_bias
from benchmark.nn.span_grid import STD, SpanGrid, grid_loss, grid_mask
from splits.labels import Inventory
from splits.schema import Sentence

OutputBias = Literal["prior", "zero"]


class SpanModel(nn.Module):
    """Logits = Linear(S + fuse(S)) for every pair of words and every label.

    Args:
        fuse: [batch, n, n, size], keep [batch, n] -> what is added to S; it masks padding itself.
        clashes: how overlapping predictions are settled.
        symmetric: gold on both triangles, probabilities averaged with their transpose (CNN-NER).
        padding_negatives, one_label: quirks of the released KnowFREE code (design, section 6).
    """

    def __init__(
        self,
        encoder: WordEncoder,
        labels: Inventory,
        grid: SpanGrid,
        fuse: nn.Module,
        *,
        clashes: Clashes = "flat",
        symmetric: bool = False,
        padding_negatives: bool = False,
        one_label: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.labels = labels
        self.grid = grid
        self.fuse = fuse
        self.clashes: Clashes = clashes
        self.symmetric = symmetric
        self.padding_negatives = padding_negatives
        self.one_label = one_label
        self.out = nn.Linear(grid.head.out_features, len(labels))
        nn.init.normal_(self.out.weight, std=STD)
        nn.init.zeros_(self.out.bias)
        self.register_buffer("weights", loss_weights(labels), persistent=False)

    def start_from(
        self, windows: Sequence[Window], sample: Sequence[Sentence], output_bias: OutputBias, channels: Sequence[int] | None = None
    ) -> None:
        """Set the last bias: `prior`, from the label shares of the sample, or `zero`, the paper's.

        Args:
            channels: only these; default: all.
        """
        chosen = range(len(self.labels)) if channels is None else channels
        if output_bias == "prior":
            prior = prior_bias(windows, sample, self.labels, symmetric=self.symmetric)
            with torch.no_grad():
                for channel in chosen:
                    self.out.bias[channel] = prior[channel]

    def grow(self, labels: Inventory) -> list[int]:
        """Take another inventory: rows of the last layer follow their label's name, new labels start fresh (KnowFREE, section 3.4).

        Returns: the channels that are new.
        """
        old, known = self.out, self.labels.index
        self.out = nn.Linear(old.in_features, len(labels)).to(old.weight.device)
        nn.init.normal_(self.out.weight, std=STD)
        nn.init.zeros_(self.out.bias)
        kept = [(channel, known[name]) for channel, name in enumerate(labels.names) if name in known]
        with torch.no_grad():
            for channel, row in kept:
                self.out.weight[channel] = old.weight[row]
                self.out.bias[channel] = old.bias[row]
        self.labels = labels
        self.register_buffer("weights", loss_weights(labels).to(old.weight.device), persistent=False)
        return [channel for channel, name in enumerate(labels.names) if name not in known]

    def forward(self, batch: Batch) -> Tensor:
        """Logits [batch, n, n, K]."""
        scores = self.grid(self.encoder(batch))
        logits: Tensor = self.out(scores + self.fuse(scores, batch.keep))
        return logits

    def loss(self, logits: Tensor, batch: Batch, sample: Sequence[Sentence]) -> Tensor:
        """Summed over the sentences of the batch."""
        cells = grid_mask(batch.keep)
        if self.padding_negatives:
            cells = torch.ones_like(cells)
        gold = gold_cells(batch.windows, sample, self.labels, symmetric=self.symmetric, one_label=self.one_label)
        weights: Tensor = self.get_buffer("weights")
        return grid_loss(logits, cells, gold.to(logits.device), weights)

    def probabilities(self, batch: Batch) -> Tensor:
        """Probabilities of the target labels [batch, n, n, T]; the channels of extension labels are cut."""
        logits = self(batch)[..., : len(self.labels.targets)]
        found = torch.sigmoid(logits if logits.dtype == torch.float64 else logits.float())
        return (found + found.transpose(1, 2)) / 2 if self.symmetric else found

    def read(self, batch: Batch) -> list[list[Predicted]]:
        """Entities of each window."""
        names = self.labels.targets
        grids = self.probabilities(batch)
        return [decode_grid(p[: len(w), : len(w)], names, clashes=self.clashes) for p, w in zip(grids, batch.windows, strict=True)]
