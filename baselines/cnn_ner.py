"""CNN-NER (Yan et al., ACL 2023 short; arXiv 2208.04534): a CNN over the span grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.method import FitInput, Fitted, Tagger
from benchmark.nn.decoding import Clashes
from benchmark.nn.encoder import WordEncoder
from benchmark.nn.primitives import rounded
from benchmark.nn.span_grid import SpanGrid, grid_mask
from benchmark.nn.span_model import OutputBias, SpanModel
from benchmark.nn.strips import Reach, Strip
from benchmark.nn.tagger import encoder_of, fit_tagger, load_tagger
from benchmark.nn.transfer import sent
from benchmark.training import Recipe
from splits.labels import Inventory
from splits.source import CorpusInfo

CELLS = 16384  # of a grid that are convolved together: on one core a sentence of 128 words whole, a longer one with few rows twice


class MaskedCNN(nn.Module):
    """y_k = LayerNorm(conv(mask0(a_k)) + y_(k-1)), k = 1..depth; y_0 = mask0(S), a_1 = y_0, later a_k = GELU(y_(k-1)).

    3x3 convolutions without bias, norms over channels (CNN-NER, section 2.2; released code for order and eps). The
    released code's last convolution and GELU, whose result it throws away, are not computed.

    Shapes:
        scores: [batch, n, n, dim]; keep: [batch, n]; returns: as scores.
    """

    def __init__(self, dim: int = 200, *, depth: int = 3) -> None:
        super().__init__()
        self.cells = CELLS
        self.convolutions = nn.ModuleList(nn.Conv2d(dim, dim, 3, padding=1, bias=False) for _ in range(depth))
        self.norms = nn.ModuleList(nn.LayerNorm(dim, eps=1e-6) for _ in range(depth))

    def forward(self, scores: Tensor, keep: Tensor) -> Tensor:
        outside = ~grid_mask(keep)[..., None]
        return self._layers(scores.masked_fill(outside, 0.0), outside)

    def _layers(self, y: Tensor, outside: Tensor) -> Tensor:
        """y_depth of y_0, [batch, rows, columns, dim]; a view of that is channels first, in torch's channels-last memory."""
        for k, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            a = y if k == 0 else F.gelu(y).masked_fill(outside, 0.0)
            y = norm(convolution(a.permute(0, 3, 1, 2)).permute(0, 2, 3, 1) + y)
        return y

    @property
    def reach(self) -> Reach:
        """A row and a column a layer."""
        return Reach(rows=len(self.norms), columns=len(self.norms))

    def over(self, scores: Tensor, strips: Sequence[Strip]) -> Tensor:
        """S + CNN of strips: [at least all own cells, dim], strip after strip, row-major.

        Strips lie one under the other on a canvas, an empty row between them: one convolution for all.
        """
        width = max(s.width for s in strips)
        sizes = [(s.bottom - s.top) * s.width for s in strips]
        parts = [p.view(-1, s.width, p.shape[-1]) for p, s in zip(torch.split(scores[: sum(sizes)], sizes), strips, strict=True)]
        canvas = torch.cat([F.pad(p, (0, 0, 0, width - p.shape[1], 0, 1)) for p in parts])[None]
        outside = sent(_outside(parts, width), canvas.device)[None, :, :, None]
        fused = canvas + self._layers(canvas, outside)
        found, at = [], 0
        for strip, part in zip(strips, parts, strict=True):
            rows = slice(at + strip.first - strip.top, at + strip.end - strip.top)
            found.append(fused[0, rows, : strip.width].flatten(0, 1))
            at += len(part) + 1
        own = sum(s.cells for s in strips)
        return torch.cat([*found, canvas.new_zeros(rounded(own, canvas.dtype) - own, canvas.shape[-1])])


def _outside(scores: Sequence[Tensor], width: int) -> Tensor:
    """Where a canvas of strips holds no cell: [rows, width]."""
    found = torch.ones(sum(len(s) + 1 for s in scores), width, dtype=torch.bool)
    at = 0
    for s in scores:
        found[at : at + len(s), : s.shape[1]] = False
        at += len(s) + 1
    return found


class CNNNER(SpanModel):
    """Span grid + CNN.

    Args:
        symmetric: gold on both triangles, scores averaged with their transpose.
        clashes: how overlapping predictions are settled.
    """

    def __init__(
        self,
        encoder: WordEncoder,
        labels: Inventory,
        *,
        size: int,
        heads: int,
        depth: int,
        dropout: float,
        symmetric: bool,
        clashes: Clashes,
    ) -> None:
        grid = SpanGrid(encoder.hidden, size=size, heads=heads, dropout=dropout)
        super().__init__(encoder, labels, grid, MaskedCNN(size, depth=depth), clashes=clashes, symmetric=symmetric)


@dataclass(frozen=True)
class CNNNERMethod:
    """CNN-NER; three recipes, single fields that are given win over them.

    `suite` is the CNN-NER paper's with a prior output bias; `paper` has its zero bias; `knowfree_port` is how the
    KnowFREE authors run it: upper cells only, no averaging, no clipping, a 190-step warm-up, zero bias.

    `trainer: fastnlp` trains the same module with fastNLP's Trainer, as a check on our loop; not in `fp16`.
    """

    name: ClassVar[str] = "cnn_ner"
    artefacts: ClassVar[tuple[str, ...]] = ()
    requires: ClassVar[str | None] = None
    test_config: ClassVar[Mapping[str, Any]] = {"size": 40, "encoder_lr": 1e-3, "head_lr": 1e-3}

    recipe: Literal["suite", "paper", "knowfree_port"] = "suite"
    trainer: Literal["suite", "fastnlp"] = "suite"
    output_bias: OutputBias | None = None  # None: of the recipe
    encoder_lr: float = 2e-5  # CNN-NER, appendix; the same in the KnowFREE port
    head_lr: float | None = None  # None: 100 x encoder_lr (CNN-NER); 1e-3 (KnowFREE port)
    weight_decay: float = 0.01
    warmup: float | None = None  # None: a tenth of the steps (CNN-NER); 190 steps (KnowFREE port)
    size: int = 200
    heads: int = 4
    depth: int = 3
    dropout: float = 0.4

    def __post_init__(self) -> None:
        port = self.recipe == "knowfree_port"
        object.__setattr__(self, "output_bias", self.output_bias or ("prior" if self.recipe == "suite" else "zero"))
        object.__setattr__(self, "head_lr", (1e-3 if port else 100 * self.encoder_lr) if self.head_lr is None else self.head_lr)
        object.__setattr__(self, "warmup", (190 if port else 0.1) if self.warmup is None else self.warmup)

    def supports(self, corpus: CorpusInfo) -> str | None:
        """Any corpus."""
        return None

    def fit(self, given: FitInput) -> Fitted:
        """Train within the budget."""
        settings = self.settings(given)
        model = build(encoder_of(given), given.labels, settings)
        windows = model.encoder.windows([s.text for s in given.sample])
        model.start_from(windows, given.sample, self.output_bias or "prior")
        if self.trainer == "fastnlp":
            from baselines.fastnlp_trainer import fit_with_fastnlp

            return fit_with_fastnlp(model, given, self.rates(), settings)
        return fit_tagger(model, given, self.rates(), settings)

    def settings(self, given: FitInput) -> dict[str, Any]:
        """What rebuilds the model: the fields, and how overlapping predictions are settled on this corpus."""
        return asdict(self) | {"clashes": "nested" if given.corpus.nested else "flat"}

    def rates(self) -> Recipe:
        """Learning rates, warm-up, decay and clipping."""
        clip = None if self.recipe == "knowfree_port" else 5.0  # CNN-NER, released code
        return Recipe(self.encoder_lr, self.head_lr or 0.0, self.weight_decay, self.warmup or 0.0, clip=clip)

    @classmethod
    def load(cls, directory: Path, *, device: str = "cpu") -> Tagger:
        """The tagger that `save` wrote."""
        return load_tagger(directory, build, device=device)


def build(encoder: WordEncoder, labels: Inventory, settings: Mapping[str, Any]) -> CNNNER:
    """An untrained model of the settings' shape."""
    return CNNNER(
        encoder,
        labels,
        size=settings["size"],
        heads=settings["heads"],
        depth=settings["depth"],
        dropout=settings["dropout"],
        symmetric=settings["recipe"] != "knowfree_port",
        clashes=settings["clashes"],
    )
