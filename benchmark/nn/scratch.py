"""A tiny untrained encoder, so that the demo and the tests need no download."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn

from benchmark.method import EncoderSpec

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
POSITIONS = 512


def scratch_encoder(spec: EncoderSpec, words: Iterable[str]) -> tuple[nn.Module, Any]:
    """A BERT of the spec's shape, initialised from its seed, and a WordPiece tokenizer.

    The vocabulary is every character, at the start of a word and inside one, and every word that stands twice: rare
    words are spelt, so that characters are trained and an unseen word is not UNK.
    """
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast  # seconds to import: not for a plan or a report

    counts = Counter(words)
    characters = sorted({c for w in counts for c in w})
    frequent = sorted(w for w, n in counts.items() if n > 1 and len(w) > 1)
    pieces = [*SPECIAL, *characters, *(f"##{c}" for c in characters), *frequent]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    inner = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        model_max_length=POSITIONS,
        **{f"{name.strip('[]').lower()}_token": name for name in SPECIAL},
    )
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=spec.hidden,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        intermediate_size=4 * spec.hidden,
        max_position_embeddings=POSITIONS,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        return BertModel(config, add_pooling_layer=False), tokenizer
