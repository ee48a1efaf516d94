"""A pretrained encoder that gives one vector a word: sub-words pooled by max."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.method import EncoderSpec
from benchmark.nn.bert import Bert
from benchmark.nn.packing import packable, packed_states
from benchmark.nn.planned import as_planned
from benchmark.nn.scratch import scratch_encoder
from benchmark.nn.transfer import sent
from splits.errors import ConfigError, KfbenchError

METASPACE = "▁"  # SentencePiece's mark of a word's start
# Families whose positions start after the pad id, so that they hold fewer sub-words than they have positions.
OFFSET_POSITIONS = {
    *("roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod", "camembert", "longformer"),
    *("mpnet", "luke", "data2vec-text", "ibert"),
}


@dataclass(frozen=True, slots=True)
class Window:
    """A run of words of one sentence that fits the encoder; usually the whole sentence.

    Attributes:
        sentence: index of the sentence in the caller's list.
        start: first word of the window in its sentence.
        pieces: sub-word ids of each word, none empty.
    """

    sentence: int
    start: int
    pieces: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def end(self) -> int:
        return self.start + len(self.pieces)


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded windows on a device.

    Shapes:
        ids, attention: [batch, sub-words]; attention is 1 on real sub-words.
        place: [batch, n, p] position of each word's p-th sub-word; a word with fewer repeats its first.
        keep: [batch, n] bool, True where a word is.
    """

    ids: Tensor
    attention: Tensor
    place: Tensor
    keep: Tensor
    windows: tuple[Window, ...]


class WordEncoder(nn.Module):
    """Any `AutoModel` with a fast tokenizer; each word is tokenised on its own, so no offset can shift.

    A word that the tokenizer drops (control characters, odd spaces) or that spells a special token is one UNK. A lone
    word-start mark before other sub-words is left out: SentencePiece puts one before every CJK character, which would
    double the sequence.
    """

    def __init__(self, model: Any, tokenizer: Any, spec: EncoderSpec) -> None:
        super().__init__()
        self.model: Any = model  # a PreTrainedModel
        self.tokenizer = tokenizer
        self.spec = spec
        self.hidden: int = model.config.hidden_size
        self.start_id = _first_id(tokenizer.cls_token_id, tokenizer.bos_token_id, what="CLS or BOS", name=spec.name)
        self.end_id = _first_id(tokenizer.sep_token_id, tokenizer.eos_token_id, what="SEP or EOS", name=spec.name)
        self.unk_id = _first_id(tokenizer.unk_token_id, tokenizer.mask_token_id, what="UNK", name=spec.name)
        self.pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else self.end_id
        self.limit = _limit(model.config, tokenizer, spec)
        self.packs = spec.name != "scratch" and packable(model)  # ours becomes a BertModel when it is loaded: it shall not round otherwise
        self._reserved = {self.start_id, self.end_id, self.pad_id, tokenizer.mask_token_id}
        self._known: dict[str, tuple[int, ...]] = {}
        self._mark = tokenizer.convert_tokens_to_ids(METASPACE) if METASPACE in tokenizer.get_vocab() else None
        self._space_first = "ByteLevel" in repr(tokenizer.backend_tokenizer.pre_tokenizer)

    def pieces(self, words: Sequence[str]) -> list[tuple[int, ...]]:
        """Sub-word ids of each word; never empty."""
        new = [w for w in dict.fromkeys(words) if w not in self._known]
        if new:
            asked = [f" {w}" for w in new] if self._space_first else new
            rows = self.tokenizer(asked, add_special_tokens=False, verbose=False)["input_ids"]
            for word, row in zip(new, rows, strict=True):
                if len(row) > 1 and row[0] == self._mark:
                    row = row[1:]
                # a word that spells a special token must not act as one
                row = [self.unk_id if piece in self._reserved else piece for piece in row]
                self._known[word] = tuple(row[: self.limit - 2]) or (self.unk_id,)
        return [self._known[w] for w in words]

    def windows(self, texts: Sequence[Sequence[str]]) -> list[Window]:
        """Windows of each text in order: one, or several where it is too long and the spec says `split`."""
        found = []
        for i, words in enumerate(texts):
            start, used = 0, 2
            row: list[tuple[int, ...]] = []
            for j, piece in enumerate(self.pieces(words)):
                if used + len(piece) > self.limit:
                    found.append(Window(i, start, tuple(row)))
                    start, used, row = j, 2, []
                    if self.spec.overlong == "truncate":
                        break
                row.append(piece)
                used += len(piece)
            if row:
                found.append(Window(i, start, tuple(row)))
        return found

    def batch(self, windows: Sequence[Window]) -> Batch:
        """Pad windows to the longest."""
        n = max(len(w) for w in windows)
        p = max(len(piece) for w in windows for piece in w.pieces)
        t = max(map(_sub_words, windows))
        ids = torch.full((len(windows), t), self.pad_id)
        attention = torch.zeros(len(windows), t, dtype=torch.long)
        place = torch.zeros(len(windows), n, p, dtype=torch.long)
        keep = torch.zeros(len(windows), n, dtype=torch.bool)
        for b, window in enumerate(windows):
            row, where = [self.start_id], []
            for piece in window.pieces:
                at = range(len(row), len(row) + len(piece))
                where.append([*at, *([at[0]] * (p - len(piece)))])
                row.extend(piece)
            row.append(self.end_id)
            ids[b, : len(row)] = torch.tensor(row)
            attention[b, : len(row)] = 1
            place[b, : len(window)] = torch.tensor(where)
            keep[b, : len(window)] = True
        device = next(self.model.parameters()).device
        return Batch(sent(ids, device), sent(attention, device), sent(place, device), sent(keep, device), tuple(windows))

    def forward(self, batch: Batch) -> Tensor:
        """Word vectors [batch, n, hidden]; rows of padding hold the CLS vector and mean nothing."""
        states = self._packed(batch) if self.packs and batch.ids.device.type == "cpu" else self._padded(batch)
        return states.squeeze(2) if batch.place.shape[-1] == 1 else states.amax(dim=2)

    def _padded(self, batch: Batch) -> Tensor:
        """States of each word's sub-words, [batch, n, p, hidden], from rows of equal length."""
        states: Tensor = self.model(input_ids=batch.ids, attention_mask=self._mask(batch)).last_hidden_state
        rows = torch.arange(len(states), device=states.device)[:, None, None]
        return states[rows, batch.place]

    def _mask(self, batch: Batch) -> Tensor | None:
        """What may be attended to. An encoder that looks into the mask to see whether anything is padded waits for a GPU: it is told."""
        if not (self.packs or isinstance(self.model, Bert)):
            return batch.attention
        if len({_sub_words(window) for window in batch.windows}) == 1:
            return None
        return batch.attention[:, None, None].bool().expand(-1, -1, batch.ids.shape[1], -1) if self.packs else batch.attention

    def _packed(self, batch: Batch) -> Tensor:
        """The same from one row without padding. A GPU would wait for as many small kernels as there are sentences: it pads."""
        lengths = [_sub_words(window) for window in batch.windows]
        rows = [batch.ids[b, :length] for b, length in enumerate(lengths)]
        starts = torch.tensor([0, *accumulate(lengths[:-1])], device=batch.ids.device)
        states = packed_states(self.model, rows, first_position(self.model.config))
        return states[batch.place + starts[:, None, None]]

    def save(self, directory: str) -> None:
        """Config and tokenizer; the weights are the caller's."""
        self.model.config.save_pretrained(directory)
        self.tokenizer.save_pretrained(directory)


def _sub_words(window: Window) -> int:
    """With those of start and end."""
    return sum(map(len, window.pieces)) + 2


def load_encoder(spec: EncoderSpec, words: Iterable[str] = ()) -> WordEncoder:
    """The encoder that a spec names; a `scratch` one takes its vocabulary from `words`.

    Raises:
        ConfigError: it cannot be loaded, lacks weights, has some that are no numbers, or its tokenizer is not a fast one.
    """
    model: Any
    if spec.name == "scratch":
        model, tokenizer = scratch_encoder(spec, words)
    else:
        from transformers import AutoModel  # seconds to import: not for a plan or a report

        try:
            with _quietly():
                tokenizer = _tokenizer(spec.name, spec.revision, _written(Path(spec.name)))
                options = {"trust_remote_code": False, "ignore_mismatched_sizes": True, "output_loading_info": True}
                model, found = AutoModel.from_pretrained(spec.name, revision=spec.revision, config=_shape(spec), **options)
        except KfbenchError:
            raise
        except Exception as error:  # the readers of weights raise their own kinds, pickle's among them
            mend = "Give a hub id with its revision, or a local directory with config.json, weights and tokenizer.json."
            raise ConfigError(f"encoder {spec.name!r} cannot be loaded: {(str(error) or repr(error)).splitlines()[0]}", mend) from error
        _complete(spec, model, found)
        if (
            not len(tokenizer.all_special_ids) < len(tokenizer) <= model.get_input_embeddings().num_embeddings
        ):  # without files it knows its special tokens alone
            what = f"its tokenizer has {len(tokenizer)} sub-words, its weights {model.get_input_embeddings().num_embeddings}"
            raise ConfigError(f"encoder {spec.name!r}: {what}", "Put the tokenizer of this very model beside its weights.")
        model = model.float()
    if not tokenizer.is_fast:
        raise ConfigError(f"encoder {spec.name!r} has no fast tokenizer", "Choose one that ships tokenizer.json.")
    if spec.freeze_words:
        model.get_input_embeddings().weight.requires_grad_(False)
    return WordEncoder(model, tokenizer, as_planned(spec))


def _complete(spec: EncoderSpec, model: Any, found: Mapping[str, Any]) -> None:
    """Hold a loaded model against what the weights gave it: transformers draws at random what they lack, and only warns.

    Raises:
        ConfigError: weights are missing, or one is NaN or infinite.
    """
    mend = "Copy or download it again; config.json and weights must be of one model."
    lacking = sorted(name for name in found["missing_keys"] if "pooler" not in name and not name.endswith("_ids"))
    if other := sorted(found["mismatched_keys"]):
        raise ConfigError(f"encoder {spec.name!r}: {other[0][0]} is {list(other[0][1])}, config.json calls for {list(other[0][2])}", mend)
    if lacking:
        what = f"its weights lack {len(lacking)} tensors that config.json calls for, the first is {lacking[0]}"
        raise ConfigError(f"encoder {spec.name!r}: {what}", mend)
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # sentence vectors are not used: untrained weights would only fill checkpoints
    if (tensor := not_finite(model)) is not None:
        raise ConfigError(f"encoder {spec.name!r}: {tensor} holds NaN or infinite weights", mend)


def not_finite(model: nn.Module) -> str | None:
    """The name of a weight that is NaN or infinite; None: all are numbers."""
    return next((name for name, p in model.named_parameters() if p.is_floating_point() and not bool(torch.isfinite(p).all())), None)


def _shape(spec: EncoderSpec) -> Any:
    """The encoder's own configuration, with the layers that the spec keeps: `from_pretrained` leaves the weights of the rest."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(spec.name, revision=spec.revision, trust_remote_code=False)
    if spec.layers is not None:
        if spec.layers > config.num_hidden_layers:
            raise ConfigError(f"encoder {spec.name!r} has {config.num_hidden_layers} layers, not {spec.layers}", "Lower `layers`.")
        config.num_hidden_layers = spec.layers
    return config


@lru_cache(maxsize=4)
def _tokenizer(name: str, revision: str | None, written: tuple[int, ...]) -> Any:
    """Kept between the cells of a process: a large vocabulary takes longer to load than a corpus to be tokenised.

    Args:
        written: when the files of a local directory were, so that a changed one is another.
    """
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)


def _written(directory: Path) -> tuple[int, ...]:
    return tuple(file.stat().st_mtime_ns for file in sorted(directory.iterdir())) if directory.is_dir() else ()


def rebuild_encoder(directory: str, spec: EncoderSpec) -> WordEncoder:
    """An encoder of the shape that `WordEncoder.save` wrote, its weights not yet set."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    config = AutoConfig.from_pretrained(directory, trust_remote_code=False)
    model = AutoModel.from_config(config, trust_remote_code=False).float()  # the config keeps a half-precision hub's type
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    if spec.freeze_words:
        model.get_input_embeddings().weight.requires_grad_(False)
    return WordEncoder(model, AutoTokenizer.from_pretrained(directory, trust_remote_code=False), spec)


@contextmanager
def _quietly() -> Iterator[None]:
    """No report of the pooler's missing weights, which we drop, and no bar that breaks the engine's own."""
    from transformers.utils import logging as hub_logging

    verbosity, bars = hub_logging.get_verbosity(), hub_logging.is_progress_bar_enabled()
    hub_logging.set_verbosity_error()
    hub_logging.disable_progress_bar()
    try:
        yield
    finally:
        hub_logging.set_verbosity(verbosity)
        if bars:
            hub_logging.enable_progress_bar()


def _first_id(*ids: int | None, what: str, name: str) -> int:
    for candidate in ids:
        if candidate is not None:
            return candidate
    raise ConfigError(f"encoder {name!r}: its tokenizer has no {what} token", "Choose an encoder of the BERT family.")


def first_position(config: Any) -> int:
    """Where the positions of a sentence start."""
    return (config.pad_token_id or 0) + 1 if config.model_type in OFFSET_POSITIONS else 0


def _limit(config: Any, tokenizer: Any, spec: EncoderSpec) -> int:
    limits = [tokenizer.model_max_length]
    if positions := getattr(config, "max_position_embeddings", None):
        limits.append(positions - first_position(config))
    most = min(limits)
    if spec.max_length is not None and spec.max_length > most:
        raise ConfigError(f"encoder {spec.name!r} takes {most} sub-words, max_length asks for {spec.max_length}", "Lower max_length.")
    return spec.max_length or most
