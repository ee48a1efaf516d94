"""Tiny encoders, sentences and runs for the tests of neural methods; all offline, one thread."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertModel,
    DebertaConfig,
    DebertaModel,
    DebertaV2Config,
    DebertaV2Model,
    ElectraConfig,
    ElectraModel,
    MPNetConfig,
    MPNetModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from benchmark.method import Budget, EncoderSpec, FitInput, Tagger
from benchmark.nn.encoder import WordEncoder, load_encoder
from splits.labels import Inventory, Label
from splits.schema import Entity, Sentence
from splits.source import CorpusInfo

torch.set_num_threads(1)

TARGETS = Inventory.of_targets(["PER", "LOC"])
MIXED = Inventory((Label("PER"), Label("LOC"), Label("NOUN", False, 40), Label("RARE", False, 3)))
FLAT = CorpusInfo("toy", "en", nested=False, redistributable=True)
NESTED = CorpusInfo("toy", "en", nested=True, redistributable=True)
PEOPLE, FILLERS = ["Anna", "Bob", "Carl"], ["sees", "and", "in", "then", "the", "sun", "of"]
PLACES = [("Paris",), ("New", "York")]


def sentence(text: str | Sequence[str], *spans: tuple[int, int, str], id: str = "s") -> Sentence:
    words = tuple(text.split()) if isinstance(text, str) else tuple(text)
    return Sentence(id, words, tuple(Entity(*span) for span in spans))


def toy(count: int, seed: int = 0) -> list[Sentence]:
    """Sentences whose entities can be told from the words alone: people, and places of one or two words."""
    draw = random.Random(seed)
    found = []
    for k in range(count):
        words: list[str] = []
        spans: list[tuple[int, int, str]] = []
        for _ in range(draw.randint(2, 6)):
            kind = draw.random()
            piece, label = ((draw.choice(PEOPLE),), "PER") if kind < 0.3 else (draw.choice(PLACES), "LOC")
            if kind > 0.55:
                piece, label = (draw.choice(FILLERS),), ""
            if label:
                spans.append((len(words), len(words) + len(piece), label))
            words += piece
        found.append(sentence(words, *spans, id=f"toy-{seed}-{k}"))
    return found


def scratch(sentences: Iterable[Sentence], **spec: Any) -> WordEncoder:
    """A two-layer BERT over the words of the sentences, in eval mode."""
    shape = {"hidden": 16, "heads": 2} | spec
    return load_encoder(EncoderSpec("scratch", **shape), [w for s in sentences for w in s.text]).eval()


def randomised(module: nn.Module, seed: int = 0, scale: float = 0.3) -> nn.Module:
    """Weights large enough for every part to matter, in float64; those of an encoder stay."""
    generator = torch.Generator().manual_seed(seed)
    module.double()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if not name.startswith("encoder."):
                parameter.copy_(scale * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return module


def keep_of(lengths: Sequence[int], n: int | None = None) -> Tensor:
    return torch.arange(n or max(lengths)) < torch.tensor(lengths)[:, None]


def close(found: Tensor, expected: Tensor, rel: float = 1e-10) -> bool:
    """Equal up to `rel` of the largest value."""
    return found.shape == expected.shape and bool((found - expected).abs().max() <= rel * expected.abs().max().clamp(min=1e-30))


class F1:
    """A monitor: micro F1 on some sentences, and what it was told."""

    def __init__(self, sentences: Sequence[Sentence]) -> None:
        self.sentences = sentences
        self.calls: list[dict[str, Any]] = []

    def __call__(self, tagger: Tagger, *, step: int, epoch: float, loss: float | None = None) -> float:
        found = tagger.predict(self.sentences)
        hits = sum(len(s.spans & {(p.start, p.end, p.label) for p in row}) for s, row in zip(self.sentences, found, strict=True))
        f1 = 2 * hits / max(1, sum(map(len, found)) + sum(len(s.spans) for s in self.sentences))
        self.calls.append({"step": step, "epoch": epoch, "loss": loss, "f1": f1})
        return f1


def fit_input(sample: Sequence[Sentence], **changes: Any) -> FitInput:
    values: dict[str, Any] = {
        "sample": sample,
        "dev": sample,
        "labels": TARGETS,
        "corpus": FLAT,
        "encoder": EncoderSpec("scratch", layers=1, hidden=16, heads=2),
        "seed": 0,
        "monitor": F1(sample),
        "budget": Budget(steps=4, batch_size=4),
    }
    return FitInput(**(values | changes))


SHAPE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 40}
BRACKETS = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
ANGLES = {"unk_token": "<unk>", "pad_token": "<pad>", "cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"}
DISENTANGLED = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}
STYLES = ("bert", "electra", "roberta", "xlm-roberta", "deberta", "deberta-v2", "mpnet")


def word_piece() -> PreTrainedTokenizerFast:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ab", "##c", "a", "b", "中", "##b"]
    inner = Tokenizer(models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer(lowercase=True)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=512, **BRACKETS)


def byte_bpe() -> PreTrainedTokenizerFast:
    words = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "Ġa", "bc"]
    inner = Tokenizer(models.BPE({w: i for i, w in enumerate(words)}, [("Ġ", "a"), ("b", "c")]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=inner, **ANGLES)


def unigram(special: dict[str, str], order: str) -> PreTrainedTokenizerFast:
    names = [special[f"{name}_token"] for name in order.split()]
    scored = [("▁", -2.0), ("▁a", -3.0), ("a", -4.0), ("b", -4.0), ("c", -4.0), ("bc", -5.0), ("中", -5.0), ("▁中", -9.0)]
    inner = Tokenizer(models.Unigram([*((name, 0.0) for name in names), *scored], unk_id=names.index(special["unk_token"])))
    inner.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    inner.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    return PreTrainedTokenizerFast(tokenizer_object=inner, **special)


def pretrained(style: str, directory: Path) -> str:
    """A random model of a family with a tokenizer of its kind, written as the hub keeps them."""
    torch.manual_seed(0)
    tokenizer = {
        "bert": word_piece,
        "electra": word_piece,
        "roberta": byte_bpe,
        "deberta": byte_bpe,
        "mpnet": byte_bpe,
        "xlm-roberta": lambda: unigram(ANGLES, "cls pad sep unk mask"),
        "deberta-v2": lambda: unigram(BRACKETS, "pad cls sep unk mask"),
    }[style]()
    shape = SHAPE | {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    model = {
        "bert": lambda: BertModel(BertConfig(**shape)),
        "electra": lambda: ElectraModel(ElectraConfig(embedding_size=8, **shape)),
        "roberta": lambda: RobertaModel(RobertaConfig(**shape)),
        "xlm-roberta": lambda: XLMRobertaModel(XLMRobertaConfig(**shape)),
        "deberta": lambda: DebertaModel(DebertaConfig(**DISENTANGLED, **shape)),
        "deberta-v2": lambda: DebertaV2Model(
            DebertaV2Config(position_buckets=8, norm_rel_ebd="layer_norm", share_att_key=True, **DISENTANGLED, **shape)
        ),
        "mpnet": lambda: MPNetModel(MPNetConfig(**shape)),
    }[style]()
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return str(directory)
