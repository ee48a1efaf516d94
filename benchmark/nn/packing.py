"""A pretrained encoder without padding: the sentences of a batch stand in one row, and each attends to itself alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchmark.nn.attention import grouped
from benchmark.nn.block import block, is_plain, masks_of
from benchmark.nn.dropout import quicken
from benchmark.nn.primitives import product_type

# Families that read positions from where they are told to and are built of the same blocks. Others are padded.
FAMILIES = frozenset({"bert", "electra", "roberta", "xlm-roberta", "camembert"})


def packable(model: Any) -> bool:
    """Whether an encoder can be packed; if so, its dropout is from now on the suite's.

    One that is asked with padding and a mask gives what it gave before, so the same model serves both.
    """
    if getattr(model.config, "model_type", None) not in FAMILIES or not is_plain(model.config):
        return False
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
    embedded = model.embeddings(input_ids=ids, position_ids=places, token_type_ids=torch.zeros_like(ids))
    if (projection := getattr(model, "embeddings_project", None)) is not None:  # of ELECTRA
        embedded = projection(embedded)
    states: Tensor = embedded[0]
    groups = grouped(lengths, product_type(states))
    layers = list(model.encoder.layer)
    for layer, masks in zip(layers, masks_of(layers, states, groups), strict=True):
        states = block(layer, states, groups, masks)
    return states
