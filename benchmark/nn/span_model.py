"""A span model: encoder, grid, whatever fuses the grid's cells, and a linear layer to labels."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.method import Predicted
from benchmark.nn.decoding import Clashes, decode_grid
from benchmark.nn.encoder import Batch, Window, WordEncoder
from benchmark.nn.labels import gold_cells, loss_weights, prior_bias
from benchmark.nn.lanes import lanes, share, side_by_side
from benchmark.nn.loss import grid_loss
from benchmark.nn.span_grid import STD, Factors, SpanGrid, grid_mask
from benchmark.nn.streaming import streamed
from benchmark.nn.strips import Reach, Strip, cut
from benchmark.nn.transfer import sent
from splits.labels import Inventory
from splits.schema import Sentence

GPU_CELLS = 2**15  # at least so many are computed together, half a gigabyte: a GPU would wait for pieces that fit a core's cache

OutputBias = Literal["prior", "zero"]


class Fuse(Protocol):
    """What a span model adds to its grid.

    Attributes:
        cells: how many are computed together, in float32; twice as many in half the bytes.
    """

    cells: int

    @property
    def reach(self) -> Reach:
        """How far a cell sees."""
        ...

    def __call__(self, scores: Tensor, keep: Tensor) -> Tensor:
        """[batch, n, n, size], keep [batch, n] -> what is added to S; it masks padding itself."""
        ...

    def over(self, scores: Tensor, strips: Sequence[Strip]) -> Tensor:
        """S with what is added, of the strips' own cells, row-major, strip after strip.

        Args:
            scores: S of their computed cells in that order.

        Both may have more rows than cells, which mean nothing.
        """
        ...

    def parameters(self) -> Iterator[nn.Parameter]: ...


class SpanModel(nn.Module):
    """Logits = Linear(S + fuse(S)) for every pair of words and every label.

    Args:
        clashes: how overlapping predictions are settled.
        symmetric: gold on both triangles, probabilities averaged with their transpose (CNN-NER).
        padded: padding cells count, so every grid is computed at the length of the longest sentence.
        upper: the loss leaves out cells that are no span, last word before first: half the work, another loss than the papers'.
        padding_negatives, one_label: quirks of the released KnowFREE code (design, section 6).
    """

    def __init__(
        self,
        encoder: WordEncoder,
        labels: Inventory,
        grid: SpanGrid,
        fuse: Fuse,
        *,
        clashes: Clashes = "flat",
        symmetric: bool = False,
        padded: bool = False,
        padding_negatives: bool = False,
        one_label: bool = False,
        upper: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.labels = labels
        self.grid = grid
        self.fuse: Fuse = fuse
        self.clashes: Clashes = clashes
        self.symmetric = symmetric
        self.padded = padded or padding_negatives
        self.padding_negatives = padding_negatives
        self.one_label = one_label
        self.upper = upper
        if upper and (symmetric or self.padded):
            raise ValueError("an upper grid has no lower triangle to average with, and no padding")
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
            prior = prior_bias(windows, sample, self.labels, symmetric=self.symmetric, upper=self.upper)
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
        """Logits [batch, n, n, K], padding and all: the plain way, which `loss` and `read` take for two quirks only."""
        scores = self.grid(self.encoder(batch))
        logits: Tensor = self.out(scores + self.fuse(scores, batch.keep))
        return logits

    def plain_loss(self, logits: Tensor, batch: Batch, sample: Sequence[Sentence]) -> Tensor:
        """The loss of what `forward` gives."""
        cells = None if self.padding_negatives else grid_mask(batch.keep)
        gold = gold_cells(batch.windows, sample, self.labels, symmetric=self.symmetric, one_label=self.one_label)
        return grid_loss(logits, cells, tuple(sent(gold, logits.device).unbind(1)), self.get_buffer("weights"))

    def loss(self, batch: Batch, sample: Sequence[Sentence]) -> Tensor:
        """Summed over the sentences of the batch; streamed, each sentence at its own length."""
        if self.padded:
            return self.plain_loss(self(batch), batch, sample)
        factors = self.grid.factors(self.encoder(batch))
        gold = gold_cells(batch.windows, sample, self.labels, symmetric=self.symmetric, one_label=self.one_label).tolist()
        weights = self.get_buffer("weights")

        def loss_of(piece: list[Strip], tensors: Sequence[Tensor]) -> Tensor:
            logits = self._logits(piece, factors.moved(tensors))
            cells = sent(_spans(piece), logits.device) if self.upper else None
            return grid_loss(logits, cells, _places(piece, gold, logits.device), weights)

        pieces = self._lanes([len(w) for w in batch.windows], factors.rows.dtype, upper=self.upper)
        return streamed(pieces, loss_of, factors.moving(), [*self.fuse.parameters(), *self.out.parameters()])

    def probabilities(self, batch: Batch) -> list[Tensor]:
        """Probabilities of the target labels of each window, [n, n, T]; below the diagonal only if `symmetric`.

        Channels of extension labels are cut.
        """
        lengths, targets = [len(w) for w in batch.windows], len(self.labels.targets)
        if self.padded:
            found = [p[:n, :n, :targets] for p, n in zip(self(batch), lengths, strict=True)]
        else:
            factors = self.grid.factors(self.encoder(batch))
            found = [self.out.bias.new_full((n, n, targets), -torch.inf, dtype=factors.rows.dtype) for n in lengths]

            def fill(pieces: Sequence[Sequence[Strip]]) -> None:
                for piece in pieces:
                    logits = self._logits(piece, factors, targets)
                    for strip, part in zip(piece, torch.split(logits, [s.cells for s in piece]), strict=True):
                        rows = strip.end - strip.first
                        found[strip.sentence][strip.first : strip.end, strip.left :] = part.view(rows, strip.width, targets)

            side_by_side([partial(fill, lane) for lane in self._lanes(lengths, factors.rows.dtype, upper=not self.symmetric)])
        sure = [torch.sigmoid(p if p.dtype == torch.float64 else p.float()) for p in found]
        return [(p + p.transpose(0, 1)) / 2 for p in sure] if self.symmetric else sure

    def read(self, batch: Batch) -> list[list[Predicted]]:
        """Entities of each window."""
        names = self.labels.targets
        return [decode_grid(p, names, clashes=self.clashes) for p in self.probabilities(batch)]

    def _lanes(self, lengths: Sequence[int], dtype: torch.dtype, *, upper: bool) -> list[list[list[Strip]]]:
        """Pieces of the grids of sentences, for each core its own."""
        device = self.out.weight.device
        count, cells = lanes(device), max(1, self.fuse.cells * torch.float32.itemsize // dtype.itemsize)
        if device.type != "cpu":
            cells = max(cells, GPU_CELLS)
        pieces = cut(lengths, cells=cells, reach=self.fuse.reach, upper=upper, lanes=count)
        return [[pieces[i] for i in lane] for lane in share([sum(s.cells for s in piece) for piece in pieces], count)]

    def _logits(self, piece: Sequence[Strip], factors: Factors, channels: int | None = None) -> Tensor:
        """Of the strips' cells: [cells, channels]."""
        fused = self.fuse.over(self.grid.over(factors, piece), piece)
        return F.linear(fused, self.out.weight[:channels], self.out.bias[:channels])[: sum(s.cells for s in piece)]


def _spans(piece: Sequence[Strip]) -> Tensor:
    """Which cells of a piece are spans: first word not after the last."""
    return torch.cat([(torch.arange(s.first, s.end)[:, None] <= torch.arange(s.left, s.n)).flatten() for s in piece])


def _places(piece: Sequence[Strip], gold: list[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Positive cells of a piece: their places in it, and their channels.

    Args:
        gold: rows (batch, start, last, channel) in row-major order.
    """
    found, at = [], 0
    for strip in piece:
        own = gold[bisect_left(gold, [strip.sentence, strip.first]) : bisect_left(gold, [strip.sentence, strip.end])]
        found += [(at + strip.index(i, j), k) for _, i, j, k in own]
        at += strip.cells
    places = sent(torch.tensor(found, dtype=torch.long).view(-1, 2), device)
    return places[:, 0], places[:, 1]
