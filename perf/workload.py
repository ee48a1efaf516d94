"""The work that is timed: sentences as Weibo's, untrained models on encoders of chosen sizes, one call a training loss."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from baselines.cnn_ner import CNNNER
from benchmark.method import Budget, EncoderSpec, FitInput, Precision
from benchmark.nn.encoder import Batch, WordEncoder, load_encoder
from benchmark.nn.packing import packable
from benchmark.nn.precision import autocast
from benchmark.nn.span_model import SpanModel
from knowfree.model import KnowFREE
from splits.labels import Inventory, Label
from splits.schema import Entity, Sentence
from splits.source import CorpusInfo

Kind = Literal["knowfree", "cnn_ner"]

BATCH = 4  # sentences a step in the paper's runs
# Weibo's 1,350 training sentences: mean 54.7, deviation 37, longest 175, 1.4 entities each. At batch 4 in random order
# they are padded to 2.41 x their cells and 1.75 x their tokens, these to 2.44 and 1.73.
MEAN, SPREAD, SHORTEST, LONGEST = 55.5, 0.65, 3, 175
ENTITIES = 1.4 / 54.7  # a word
EXTENSION = 0.5  # mentions a word: parts of speech and phrases
CHARACTERS = tuple(chr(0x4E00 + k) for k in range(300))
VOCABULARY = 21128  # of bert-base-chinese: AdamW moves these rows too
ENCODERS = {
    "tiny": EncoderSpec("scratch", layers=2, hidden=64, heads=4),
    "6x384": EncoderSpec("scratch", layers=6, hidden=384, heads=12),
    "bert-base": EncoderSpec("scratch", layers=12, hidden=768, heads=12),
}
TABLE = "table"  # an encoder that looks its states up: the grid alone is timed


def labels(targets: int = 8, extensions: int = 60) -> Inventory:
    """Target and extension labels, as many as Weibo's and the paper's."""
    return Inventory((*(Label(f"T{k}") for k in range(targets)), *(Label(f"X{k}", False, 50 + k) for k in range(extensions))))


def weibo_lengths(count: int, seed: int) -> list[int]:
    """Lengths of so many sentences, a long tail of them."""
    drawn = np.random.default_rng(seed).lognormal(np.log(MEAN) - SPREAD**2 / 2, SPREAD, count)
    return [int(n) for n in drawn.round().clip(SHORTEST, LONGEST)]


def uneven(n: int) -> list[int]:
    """Lengths of a batch whose longest is n: of 101 batches drawn, the one whose padding is the median, scaled."""
    drawn = [weibo_lengths(BATCH, seed) for seed in range(101)]
    drawn.sort(key=lambda row: BATCH * max(row) ** 2 / sum(k * k for k in row))
    chosen = drawn[len(drawn) // 2]
    return [max(1, round(k * n / max(chosen))) for k in chosen]


def sentences(lengths: Iterable[int], names: Inventory, seed: int = 0) -> list[Sentence]:
    """Random characters with entities that do not overlap and mentions that may."""
    random = np.random.default_rng(seed)
    extensions = names.names[len(names.targets) :]
    found = []
    for k, n in enumerate(lengths):
        text = tuple(random.choice(CHARACTERS, n).tolist())
        entities = _mentions(random, n, names.targets, ENTITIES, apart=True)
        if extensions:
            entities += _mentions(random, n, extensions, EXTENSION, apart=False)
        found.append(Sentence(f"random-{k}", text, tuple(entities)))
    return found


def _mentions(random: np.random.Generator, n: int, names: Sequence[str], share: float, *, apart: bool) -> list[Entity]:
    found: list[Entity] = []
    for start in sorted(random.integers(0, n, random.poisson(share * n)).tolist()):
        end = min(n, start + int(random.integers(1, 5)))
        if not (apart and found and start < found[-1].end):
            found.append(Entity(start, end, names[int(random.integers(len(names)))]))
    return found


class TableStates(nn.Module):
    """In the place of a pretrained model: a random state for every sub-word id, whatever stands beside it."""

    def __init__(self, vocabulary: int, hidden: int, config: Any) -> None:
        super().__init__()
        self.states = nn.Embedding(vocabulary, hidden)
        self.config = config

    def forward(self, input_ids: Tensor, **_: Any) -> Any:
        """An output as transformers gives it."""
        return _Output(self.states(input_ids))


@dataclass(frozen=True, slots=True)
class _Output:
    last_hidden_state: Tensor


def encoder(name: str, *, packs: bool = True) -> WordEncoder:
    """An untrained encoder by its name in ENCODERS, or the table.

    Args:
        packs: the suite may set it up as a pretrained one, dropout included; otherwise it stays as transformers built it.
    """
    found = load_encoder(ENCODERS["tiny" if name == TABLE else name], CHARACTERS)
    if name == TABLE:
        spec = ENCODERS["bert-base"]
        found.model, found.hidden = TableStates(len(found.tokenizer), spec.hidden, found.model.config), spec.hidden
    elif name != "tiny":
        from transformers import BertModel

        config = found.model.config.full()
        config.vocab_size = VOCABULARY
        found = WordEncoder(BertModel(config, add_pooling_layer=False), found.tokenizer, ENCODERS[name])
        found.packs = packs and packable(found.model)
    return found


def model(kind: Kind, encoder: WordEncoder, names: Inventory, seed: int = 0) -> SpanModel:
    """An untrained model of the paper's sizes: 200 channels, 4 biaffine heads, 10 attention heads, radius 3, or depth 3."""
    torch.manual_seed(seed)
    if kind == "knowfree":
        return KnowFREE(encoder, names)
    return CNNNER(encoder, names, size=200, heads=4, depth=3, dropout=0.4, symmetric=True, clashes="flat")


def suite_loss(model: SpanModel, batch: Batch, sample: Sequence[Sentence], precision: Precision = "fp32") -> Tensor:
    """The loss as the suite's training loop asks for it."""
    with autocast(batch.ids.device.type, precision):
        return model.loss(batch, sample)


def few_entities(model: SpanModel, sample: Sequence[Sentence], share: float = ENTITIES) -> None:
    """Lower the target biases until about one cell a gold entity is found: an untrained head finds all or none."""
    model.eval()
    highest = []
    with torch.inference_mode():
        for window in model.encoder.windows([s.text for s in sample]):
            logits = model(model.encoder.batch([window]))[0, :, :, : len(model.labels.targets)]
            highest.append(logits.amax(-1)[torch.triu_indices(len(window), len(window)).unbind()])
    found = torch.cat(highest).sort(descending=True).values
    wanted = min(max(1, round(share * sum(len(s.text) for s in sample))), len(found))
    # half way between two cells: on a cell, rounding would decide
    least = (found[wanted - 1] + found[wanted]) / 2 if wanted < len(found) else found[-1] - 1
    with torch.no_grad():
        model.out.bias[: len(model.labels.targets)] -= least


class NoMonitor:
    """A monitor for training that is only timed."""

    def __call__(self, *_: Any, **__: Any) -> float:
        """No score."""
        return 0.0


def fit_input(sample: Sequence[Sentence], names: Inventory, **changes: Any) -> FitInput:
    """What the suite's loop is given."""
    values: dict[str, Any] = {
        "sample": sample,
        "dev": sample,
        "labels": names,
        "corpus": CorpusInfo("random", "zh", nested=False, redistributable=True),
        "encoder": ENCODERS["tiny"],
        "seed": 0,
        "monitor": NoMonitor(),
        "budget": Budget(steps=10**6, batch_size=BATCH),
    }
    return FitInput(**(values | changes))
