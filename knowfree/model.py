"""The KnowFREE model."""

from __future__ import annotations

from collections.abc import Collection

from benchmark.nn.decoding import Clashes
from benchmark.nn.encoder import WordEncoder
from benchmark.nn.span_grid import SpanGrid
from benchmark.nn.span_model import SpanModel
from knowfree.local_attention import LocalFusion
from splits.labels import Inventory

QUIRKS = {
    "padding_keys": "padding cells are zeroed but remain keys of the attention: scores depend on batch mates",
    "padding_negatives": "padding cells are negatives of the loss, which grows with the longest sentence of a batch",
    "one_sided_window": "the window is j..j+3, as the paper's figure draws it (the released code uses j-3..j+3)",
    "decay_all": "weight decay falls on biases and norms too",
    "one_label": "of several gold types on one span, one is trained",
}

PADDED = {"padding_keys", "padding_negatives"}  # quirks under which cells of padding matter


class KnowFREE(SpanModel):
    """Span grid + local attention, extension labels masked at inference (KnowFREE, section 3.3).

    Args:
        radius: of the attention window (`kernel_size` in the released code).
        clashes: how overlapping predictions are settled.
        quirks: names of QUIRKS to reproduce.
        upper: the loss counts spans alone, not the lower triangle.
    """

    def __init__(
        self,
        encoder: WordEncoder,
        labels: Inventory,
        *,
        size: int = 200,
        biaffine_heads: int = 4,
        attention_heads: int = 10,
        radius: int = 3,
        dropout: float = 0.4,
        clashes: Clashes = "flat",
        quirks: Collection[str] = (),
        upper: bool = False,
    ) -> None:
        grid = SpanGrid(encoder.hidden, size=size, heads=biaffine_heads, dropout=dropout)
        fuse = LocalFusion(
            size, heads=attention_heads, radius=radius, one_sided="one_sided_window" in quirks, mask_keys="padding_keys" not in quirks
        )
        super().__init__(
            encoder,
            labels,
            grid,
            fuse,
            clashes=clashes,
            padded="padding_keys" in quirks,
            padding_negatives="padding_negatives" in quirks,
            one_label="one_label" in quirks,
            upper=upper,
        )
