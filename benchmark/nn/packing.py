"""A pretrained encoder without padding: the sentences of a batch stand in one row, and each attends to itself alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.nn.dropout import drop, quicken

ATTENTION = "kfbench_packed"  # as transformers knows the attention below
# Families that read positions from where they are told to and hand extra arguments down to the attention. Others are padded.
FAMILIES = frozenset({"bert", "electra", "roberta", "xlm-roberta", "camembert"})


def packable(model: Any) -> bool:
    """Whether an encoder can be packed; if so, its attention is from now on the one below, and its dropout the suite's.

    One that is asked with padding and a mask gives what it gave before, so the same model serves both.
    """
    if getattr(model.config, "model_type", None) not in FAMILIES or not getattr(model, "_supports_attention_backend", False):
        return False
    try:
        from transformers import AttentionInterface, AttentionMaskInterface
        from transformers.masking_utils import sdpa_mask
    except ImportError:  # an older transformers
        return False
    AttentionInterface.register(ATTENTION, _attention)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    model.set_attn_implementation(ATTENTION)
    quicken(model)
    return True


def packed_states(model: Any, rows: Sequence[Tensor], first: int) -> Tensor:
    """States of the sub-words of all rows, one row after the other: [sub-words, hidden].

    Args:
        rows: the ids of each sentence.
        first: the position of a sentence's first sub-word.
    """
    lengths = [len(row) for row in rows]
    ids = torch.cat(list(rows))[None]
    places = torch.cat([torch.arange(first, first + n, device=ids.device) for n in lengths])[None]
    found = model(input_ids=ids, position_ids=places, token_type_ids=torch.zeros_like(ids), lengths=lengths)
    states: Tensor = found.last_hidden_state[0]
    return states


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    lengths: list[int] | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attention of [batch, heads, sub-words, size], within each of the `lengths` where they are given."""
    if lengths is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        found: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others
        )
        return found
    parts = zip(*(torch.split(x, lengths, dim=2) for x in (query, key, value)), strict=True)
    read = [_within(q, k, v, scaling, dropout).transpose(1, 2) for q, k, v in parts]
    return torch.cat(read, dim=1), None


def _within(query: Tensor, key: Tensor, value: Tensor, scaling: float | None, dropout: float) -> Tensor:
    """Attention of one sentence, all of which may be seen: with dropout torch has no fused form on a CPU, and draws masks slowly."""
    if dropout == 0 or query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, scale=scaling)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    weights = ((query * scale) @ key.transpose(-1, -2)).softmax(-1, dtype=query.dtype)
    return drop(weights, dropout) @ value
