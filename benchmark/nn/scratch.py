"""A tiny untrained encoder, so that the demo and the tests need no download."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from benchmark.method import SCRATCH_LAYERS, EncoderSpec
from benchmark.nn.bert import Bert, Shape
from splits.errors import ConfigError

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
POSITIONS = 512


class Pieces:
    """A WordPiece tokenizer with what of transformers' face a `WordEncoder` reads; its import takes a second."""

    is_fast = True
    model_max_length = POSITIONS
    pad_token_id, unk_token_id, cls_token_id, sep_token_id, mask_token_id = range(len(SPECIAL))
    bos_token_id = eos_token_id = None

    def __init__(self, vocabulary: dict[str, int]) -> None:
        self.backend_tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
        self.backend_tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        self.backend_tokenizer.add_special_tokens(list(SPECIAL))

    def __len__(self) -> int:
        return int(self.backend_tokenizer.get_vocab_size())

    def __call__(self, words: Sequence[str], **_: Any) -> dict[str, list[list[int]]]:
        """Ids of each word, nothing put around them."""
        return {"input_ids": [row.ids for row in self.backend_tokenizer.encode_batch(list(words), add_special_tokens=False)]}

    def get_vocab(self) -> dict[str, int]:
        return dict(self.backend_tokenizer.get_vocab())

    def convert_tokens_to_ids(self, token: str) -> int:
        found = self.backend_tokenizer.token_to_id(token)
        return self.unk_token_id if found is None else int(found)

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        return [str(self.backend_tokenizer.id_to_token(id)) for id in ids]

    def full(self) -> Any:
        """The whole `PreTrainedTokenizerFast`."""
        from transformers import PreTrainedTokenizerFast

        names = {f"{name.strip('[]').lower()}_token": name for name in SPECIAL}
        return PreTrainedTokenizerFast(tokenizer_object=self.backend_tokenizer, model_max_length=POSITIONS, **names)

    def save_pretrained(self, directory: Any) -> None:
        """Write tokenizer.json and what else transformers wants beside it."""
        self.full().save_pretrained(directory)


def scratch_encoder(spec: EncoderSpec, words: Iterable[str]) -> tuple[Bert, Pieces]:
    """A BERT of the spec's shape, initialised from its seed, and a WordPiece tokenizer.

    The vocabulary is every character, at the start of a word and inside one, and every word that stands twice: rare
    words are spelt, so that characters are trained and an unseen word is not UNK.

    Raises:
        ConfigError: the heads do not share the hidden size evenly.
    """
    if spec.hidden % spec.heads:
        raise ConfigError(f"encoder `scratch`: hidden {spec.hidden} is not a multiple of heads {spec.heads}", "Change one of them.")
    counts = Counter(words)
    characters = sorted({c for w in counts for c in w})
    frequent = sorted(w for w, n in counts.items() if n > 1 and len(w) > 1)
    pieces = [*SPECIAL, *characters, *(f"##{c}" for c in characters), *frequent]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    shape = Shape(
        vocab_size=len(vocabulary),
        hidden_size=spec.hidden,
        num_hidden_layers=spec.layers or SCRATCH_LAYERS,
        num_attention_heads=spec.heads,
        intermediate_size=4 * spec.hidden,
        max_position_embeddings=POSITIONS,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        return Bert(shape), Pieces(vocabulary)
