"""A BERT without transformers, whose import takes longer than a tiny one's training.

Names, weights of a seed and outputs are those of `transformers.BertModel` without a pooler, bit by bit, dropout included:
transformers saves it, and loads what was saved.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DROPOUT, EPS, STD = 0.1, 1e-12, 0.02  # transformers' defaults: of hidden states and attention, of norms, of initial weights
TYPES = 2  # of tokens; all are of the first


@dataclass(frozen=True, slots=True)
class Shape:
    """What of transformers' `BertConfig` is not its default."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    pad_token_id: int = 0

    @property
    def model_type(self) -> str:
        return "bert"

    def full(self) -> Any:
        """The whole `BertConfig`."""
        from transformers import BertConfig

        return BertConfig(**asdict(self))

    def to_json_string(self) -> str:
        """config.json as transformers writes it."""
        return str(self.full().to_json_string())

    def save_pretrained(self, directory: str) -> None:
        """Write config.json."""
        self.full().save_pretrained(directory)


class States(NamedTuple):
    """The last layer's vectors: [batch, sub-words, hidden]."""

    last_hidden_state: Tensor


class Bert(nn.Module):
    """Vectors of sub-words, attention going both ways."""

    def __init__(self, config: Shape) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.encoder = Layers(config)
        self.apply(_initialise)

    def get_input_embeddings(self) -> nn.Embedding:
        """The table of sub-words."""
        return self.embeddings.word_embeddings

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> States:
        """Vectors of [batch, sub-words] ids; `attention_mask` is 0 on padding, None where there is none."""
        mask = None if attention_mask is None else attention_mask.bool()[:, None, None].expand(-1, -1, input_ids.shape[1], -1)
        return States(self.encoder(self.embeddings(input_ids), mask))


def _initialise(module: nn.Module) -> None:
    with torch.no_grad():
        if isinstance(module, nn.Linear | nn.Embedding):
            module.weight.normal_(0.0, STD)
        if isinstance(module, nn.Linear):
            module.bias.zero_()
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            module.weight[module.padding_idx].zero_()


class Embeddings(nn.Module):
    """Sub-word, type and position."""

    def __init__(self, config: Shape) -> None:
        super().__init__()
        hidden = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, hidden, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, hidden)
        self.token_type_embeddings = nn.Embedding(TYPES, hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=EPS)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, ids: Tensor) -> Tensor:
        positions = torch.arange(ids.shape[1], device=ids.device)[None]
        states = self.word_embeddings(ids) + self.token_type_embeddings(torch.zeros_like(ids)) + self.position_embeddings(positions)
        found: Tensor = self.dropout(self.LayerNorm(states))
        return found


class Layers(nn.Module):
    """One after the other."""

    def __init__(self, config: Shape) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))

    def forward(self, states: Tensor, mask: Tensor | None) -> Tensor:
        for layer in self.layer:
            states = layer(states, mask)
        return states


class Layer(nn.Module):
    """Attention, then two linear maps, each added to what it read."""

    def __init__(self, config: Shape) -> None:
        super().__init__()
        self.attention = Attention(config.hidden_size, config.num_attention_heads)
        self.intermediate = Widen(config.hidden_size, config.intermediate_size)
        self.output = AddAndNorm(config.intermediate_size, config.hidden_size)

    def forward(self, states: Tensor, mask: Tensor | None) -> Tensor:
        states = self.attention(states, mask)
        found: Tensor = self.output(self.intermediate(states), states)
        return found


class Attention(nn.Module):
    """What was read, mapped and added."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.self = SelfAttention(hidden, heads)
        self.output = AddAndNorm(hidden, hidden)

    def forward(self, states: Tensor, mask: Tensor | None) -> Tensor:
        found: Tensor = self.output(self.self(states, mask), states)
        return found


class Widen(nn.Module):
    """The first of the two maps, with its activation."""

    def __init__(self, hidden: int, wide: int) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden, wide)

    def forward(self, states: Tensor) -> Tensor:
        return F.gelu(self.dense(states))


class SelfAttention(nn.Module):
    """Each sub-word reads all others of its sentence."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)

    def forward(self, states: Tensor, mask: Tensor | None) -> Tensor:
        batch, length, _ = states.shape
        q, k, v = (part(states).view(batch, length, self.heads, -1).transpose(1, 2) for part in (self.query, self.key, self.value))
        read = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=DROPOUT if self.training else 0.0)
        return read.transpose(1, 2).reshape(batch, length, -1)


class AddAndNorm(nn.Module):
    """A linear map, dropped out, added to `before`, normed."""

    def __init__(self, wide: int, hidden: int) -> None:
        super().__init__()
        self.dense = nn.Linear(wide, hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=EPS)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, states: Tensor, before: Tensor) -> Tensor:
        found: Tensor = self.LayerNorm(self.dropout(self.dense(states)) + before)
        return found
