"""KnowFREE and CNN-NER in the plain dense formulation (design, section 6): what the fast path is timed against and equals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.cnn_ner import MaskedCNN
from benchmark.method import Predicted
from benchmark.nn.encoder import Window, WordEncoder
from benchmark.nn.labels import spans_in
from benchmark.nn.span_grid import DISTANCES, SpanGrid
from benchmark.nn.span_model import SpanModel
from knowfree.local_attention import LocalFusion
from splits.schema import Sentence

IGNORED = -100  # in the targets: a cell of padding


@dataclass(frozen=True, slots=True)
class PlainBatch:
    """Windows padded to the longest, with dense targets.

    Shapes:
        ids, attention: [batch, sub-words]
        word: [batch, sub-words], number from 1 of the word that a sub-word belongs to; 0 for CLS, SEP and padding.
        lengths: [batch]
        targets: [batch, n, n, K] int64, IGNORED where padding is.
    """

    ids: Tensor
    attention: Tensor
    word: Tensor
    lengths: Tensor
    targets: Tensor

    @property
    def inside(self) -> Tensor:
        """Cells whose two words exist: [batch, n, n]."""
        keep = torch.arange(self.targets.shape[1], device=self.lengths.device) < self.lengths[:, None]
        return keep[:, :, None] & keep[:, None, :]


class PlainModel(nn.Module):
    """A suite model's weights, used the plain way: every cell of the padded square is computed, and every tensor is whole.

    The parameters are the suite model's own, so gradients of both land in the same place. Padding is ignored by the loss.

    Args:
        padding_keys: padding cells are keys of KnowFREE's attention, as in the released code; None: as the suite model does.
    """

    def __init__(self, model: SpanModel, *, padding_keys: bool | None = None) -> None:
        super().__init__()
        self.encoder: WordEncoder = model.encoder
        self.grid = PlainGrid(model.grid)
        self.out = model.out
        self.fuse: nn.Module
        if isinstance(model.fuse, LocalFusion):
            self.fuse = DenseAttention(model.fuse, padding_keys=not model.fuse.mask_keys if padding_keys is None else padding_keys)
        elif isinstance(model.fuse, MaskedCNN):
            self.fuse = DenseCNN(model.fuse)
        else:
            raise TypeError(f"no plain formulation of {type(model.fuse).__name__}")
        self.labels = model.labels
        self.clashes = model.clashes
        self.symmetric = model.symmetric
        self.register_buffer("weights", model.get_buffer("weights"), persistent=False)

    def forward(self, batch: PlainBatch) -> Tensor:
        """Logits [batch, n, n, K]."""
        scores = self.grid(self.words(batch))
        logits: Tensor = self.out(scores + self.fuse(scores, batch.inside))
        return logits

    def words(self, batch: PlainBatch) -> Tensor:
        """Word vectors [batch, n, hidden]: the largest value of a word's sub-words; zero for padding."""
        states: Tensor = self.encoder.model(input_ids=batch.ids, attention_mask=batch.attention).last_hidden_state
        size = (len(states), 1 + batch.targets.shape[1], states.shape[-1])
        index = batch.word[:, :, None].expand_as(states)
        return states.new_zeros(size).scatter_reduce(1, index, states, "amax", include_self=False)[:, 1:]

    def loss(self, batch: PlainBatch) -> Tensor:
        """Binary cross-entropy of every cell and channel, summed over the sentences of the batch."""
        logits = self(batch)
        each = F.binary_cross_entropy_with_logits(logits, batch.targets.to(logits.dtype), reduction="none")
        weighted = each * self.get_buffer("weights").to(logits.dtype)
        return (weighted * (batch.targets != IGNORED)).sum()

    def read(self, batch: PlainBatch) -> list[list[Predicted]]:
        """Entities of each window."""
        probabilities = torch.sigmoid(self(batch))
        if self.symmetric:
            probabilities = (probabilities + probabilities.transpose(1, 2)) / 2
        probabilities[..., len(self.labels.targets) :] = 0
        scores, labels = probabilities.max(dim=-1)
        rows = zip(scores.tolist(), labels.tolist(), batch.lengths.tolist(), strict=True)
        return [decode(s, k, n, self.labels.targets, clashes=self.clashes) for s, k, n in rows]

    def collate(self, windows: Sequence[Window], sample: Sequence[Sentence]) -> PlainBatch:
        """Pad windows and build their dense targets, cell by cell."""
        n, width = max(map(len, windows)), 2 + max(sum(map(len, w.pieces)) for w in windows)
        ids, attention, word, targets = [], [], [], []
        for window in windows:
            pieces = [piece for row in window.pieces for piece in row]
            owner = [1 + k for k, row in enumerate(window.pieces) for _ in row]
            padding = width - len(pieces) - 2
            ids.append([self.encoder.start_id, *pieces, self.encoder.end_id] + [self.encoder.pad_id] * padding)
            attention.append([1] * (len(pieces) + 2) + [0] * padding)
            word.append([0, *owner, 0] + [0] * padding)
            targets.append(self._targets(window, sample[window.sentence], n))
        lengths = torch.tensor([len(w) for w in windows])
        device = self.out.weight.device
        whole = (torch.tensor(ids), torch.tensor(attention), torch.tensor(word), lengths, torch.stack(targets))
        return PlainBatch(*(x.to(device) for x in whole))

    def _targets(self, window: Window, sentence: Sentence, n: int) -> Tensor:
        cells = torch.full((n, n, len(self.labels)), IGNORED)
        cells[: len(window), : len(window)] = 0
        for start, end, label in spans_in(window, sentence):
            channel = self.labels.index[label]
            cells[start, end - 1, channel] = 1
            if self.symmetric:
                cells[end - 1, start, channel] = 1
        return cells


class PlainGrid(nn.Module):
    """S = biaffine, a product a head, + W [head; 1; tail; 1; size], the concatenation built for every cell.

    Shapes:
        words: [batch, n, hidden]
        returns: [batch, n, n, size]
    """

    def __init__(self, grid: SpanGrid) -> None:
        super().__init__()
        self.head, self.tail, self.distance = grid.head, grid.tail, grid.distance
        self.affine, self.biaffine = grid.affine, grid.biaffine
        self.dropout = nn.Dropout(grid.dropout.p)

    def forward(self, words: Tensor) -> Tensor:
        batch, n, _ = words.shape
        head = F.leaky_relu(self.head(self.dropout(words)))
        tail = F.leaky_relu(self.tail(self.dropout(words)))
        parts = zip(head.chunk(len(self.biaffine), -1), tail.chunk(len(self.biaffine), -1), self.biaffine, strict=True)
        products = torch.cat([torch.einsum("bix,oxy,bjy->bijo", h, weight, t) for h, t, weight in parts], dim=-1)
        one = words.new_ones(batch, n, 1)
        rows = self.dropout(torch.cat([head, one], -1))[:, :, None].expand(-1, -1, n, -1)
        columns = self.dropout(torch.cat([tail, one], -1))[:, None].expand(-1, n, -1, -1)
        half = DISTANCES // 2
        position = torch.arange(n, device=words.device)
        size = (position[None, :] - position[:, None]).clamp(-half, half - 1) + half
        sizes = self.dropout(self.distance(size))[None].expand(batch, -1, -1, -1)
        return products + torch.einsum("bijc,oc->bijo", torch.cat([rows, columns, sizes], -1), self.affine)


class DenseAttention(nn.Module):
    """LayerNorm(MHA(mask0(S))): n x n scores for every row and head, most of them masked.

    Weights of the attention are returned and dropped: torch's default, and the memory of the released code's runs.
    """

    def __init__(self, fusion: LocalFusion, *, padding_keys: bool) -> None:
        super().__init__()
        local = fusion.attention
        self.attention = nn.MultiheadAttention(local.out_proj.in_features, local.heads, batch_first=True, device="meta")
        for name in ("weight", "bias"):
            self.attention.register_parameter(f"in_proj_{name}", getattr(local.in_proj, name))
            self.attention.out_proj.register_parameter(name, getattr(local.out_proj, name))
        self.norm = fusion.norm
        self.radius, self.one_sided = local.radius, local.one_sided
        self.padding_keys = padding_keys

    def forward(self, scores: Tensor, inside: Tensor) -> Tensor:
        batch, n, _, dim = scores.shape
        rows = scores.masked_fill(~inside[..., None], 0.0).reshape(batch * n, n, dim)
        mask = self._window(n).to(scores.device)
        if not self.padding_keys:
            mask = self._without_padding(mask, inside)
        mixed, _ = self.attention(rows, rows, rows, attn_mask=mask)
        fused: Tensor = self.norm(mixed.view(batch, n, n, dim))
        return fused

    def _window(self, n: int) -> Tensor:
        """True where a query must not look: [n, n]."""
        hidden = torch.ones(n, n, dtype=torch.bool)
        for j in range(n):
            hidden[j, j if self.one_sided else max(0, j - self.radius) : j + self.radius + 1] = False
        return hidden

    def _without_padding(self, mask: Tensor, inside: Tensor) -> Tensor:
        """The same for every row and head, padding no key: [batch * n * heads, n, n].

        A query sees itself even in padding, so that its softmax is a number.
        """
        batch, n = inside.shape[:2]
        keep = inside.diagonal(dim1=1, dim2=2)
        each = (mask | ~keep[:, None, :]) & ~torch.eye(n, dtype=torch.bool, device=mask.device)
        return each[:, None, None].expand(batch, n, self.attention.num_heads, n, n).reshape(-1, n, n)


class DenseCNN(nn.Module):
    """The masked CNN over the whole square, channels first, with the convolution and GELU that the released code throws away."""

    def __init__(self, cnn: MaskedCNN) -> None:
        super().__init__()
        self.convolutions, self.norms = cnn.convolutions, cnn.norms
        weight = next(self.norms.parameters())
        dim = len(weight)
        self.unused = nn.Conv2d(dim, dim, 3, padding=1, bias=False, device=weight.device, dtype=weight.dtype)

    def forward(self, scores: Tensor, inside: Tensor) -> Tensor:
        keep = inside[:, None]
        y = scores.permute(0, 3, 1, 2).contiguous().masked_fill(~keep, 0.0)
        a = y
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            y = norm((convolution(a) + y).permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()
            a = F.gelu(y).masked_fill(~keep, 0.0)
        self.unused(a)
        return y.permute(0, 2, 3, 1)


def decode(
    scores: Sequence[Sequence[float]], labels: Sequence[Sequence[int]], n: int, names: Sequence[str], *, clashes: str
) -> list[Predicted]:
    """Entities of one sentence, from the best score and label of each cell."""
    candidates = []
    for i in range(n):
        for j in range(i, n):
            if scores[i][j] > 0.5:
                candidates.append((-scores[i][j], i, j))
    taken: list[tuple[int, int]] = []
    for _, i, j in sorted(candidates):
        if clashes == "keep" or all(_stand_together(i, j, *other, nested=clashes == "nested") for other in taken):
            taken.append((i, j))
    return [Predicted(i, j + 1, names[labels[i][j]], scores[i][j]) for i, j in sorted(taken)]


def _stand_together(a: int, b: int, c: int, d: int, *, nested: bool) -> bool:
    apart = b < c or d < a
    return apart or (nested and ((a <= c and d <= b) or (c <= a and b <= d)))


def attention_bytes(batch: int, n: int, heads: int) -> int:
    """What backward through the dense attention needs at its peak: about four score tensors."""
    return 4 * batch * n * heads * n * n * torch.float32.itemsize
