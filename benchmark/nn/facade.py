"""Span methods behind the released code's trainers: built, iterated, evaluated and saved."""

from __future__ import annotations

import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from torch import nn

from benchmark.facade import Data, EvalMode, Record, Shape, read_data, report
from benchmark.method import Budget, EncoderSpec, FitInput, Tagger, build
from benchmark.nn.decoding import Clashes
from benchmark.nn.encoder import WordEncoder, load_encoder
from benchmark.nn.span_model import SpanModel
from benchmark.nn.tagger import SETTINGS, NeuralTagger, load_tagger
from benchmark.training import lengths, steps
from benchmark.worker import METHOD
from splits.errors import ConfigError
from splits.files import write_text
from splits.labels import Inventory
from splits.source import CorpusInfo

EVERY = 125  # steps between two evaluations where nothing else is said; released code
SAVED = Path("save_model")

Columns = dict[str, list[Any]]


class SpanTrainer(ABC):
    """A trainer with the released code's signature, over the suite's data, models, loop and scores.

    What is not said here is the suite's default, quirks of the released code mended. Iterating a call trains; the best
    checkpoint is kept in `save_model/TASK/NAME_best`, picked on dev unless `eval_mode` is `test`.

    Args:
        tokenizer: a fast one, or a slow one that has a fast twin; None: that of `from_pretrained`.
        config: taken and not used, as in the released code: the config is that of `from_pretrained`.
        from_pretrained: an encoder, or a trained checkpoint.
        data_name: of a corpus in `data_present_path`, unless files are given.
        k_shot: mentions of each type.
        warmup_steps: a number of steps.
        seed: of initialisation, dropout, batch order and k-shot draw.
        options: further fields of the method, such as `output_bias="zero"`.

    Raises:
        ConfigError: a size that the models here cannot have, an unknown option, missing files, or a checkpoint of another shape.
    """

    method_name: ClassVar[str]
    saved_as: ClassVar[str]

    def __init__(
        self,
        tokenizer: Any = None,
        config: Any = None,
        from_pretrained: str | Path | None = None,
        data_name: str = "default",
        data_present_path: str | Path | None = "./datasets/present.json",
        train_file: str | Path | None = None,
        eval_file: str | Path | None = None,
        test_file: str | Path | None = None,
        label_file: str | Path | None = None,
        batch_size: int = 8,
        batch_size_eval: int = 8,
        n_head: int = 4,
        cnn_dim: int = 200,
        biaffine_size: int = 200,
        size_embed_dim: int = 25,
        logit_drop: float = 0,
        kernel_size: int = 3,
        cnn_depth: int = 3,
        span_threshold: float = 0.5,
        warmup_steps: int = 190,
        k_shot: int | None = None,
        eval_mode: EvalMode = "dev",
        task_name: str | None = None,
        *,
        seed: int = 0,
        **options: Any,
    ) -> None:
        if from_pretrained is None:
            raise ConfigError("from_pretrained is not given", "It is an encoder's hub id or directory, or a trained checkpoint.")
        self.tokenizer = tokenizer
        self.from_pretrained = str(from_pretrained)
        self.batch_size, self.batch_size_eval = batch_size, batch_size_eval
        self.task_name = task_name or self.saved_as
        self.seed = seed
        self.shape = Shape(n_head, cnn_dim, biaffine_size, size_embed_dim, logit_drop, kernel_size, cnn_depth, span_threshold)
        self._sizes, self._options = self.sizes_of(self.shape), {"warmup": warmup_steps} | options
        self.method: Any = build(self.method_name, self.defaults() | self._sizes | self._options)
        files = {"train": train_file, "dev": eval_file, "test": test_file, "labels": label_file}
        self.data: Data = read_data(data_name, data_present_path, files, eval_mode, k_shot, seed)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.manual_seed(seed)
        self.model = self._model().to(self.device)
        self._random = torch.get_rng_state()  # training goes on from here, as in the suite, whatever happens between
        self._step = 0
        self.train_record, self.eval_record, self.model_record = Record(), Record(), Record()

    @abstractmethod
    def sizes_of(self, shape: Shape) -> dict[str, Any]:
        """Fields of the method that say its shape.

        Raises:
            ConfigError: it cannot have this shape.
        """

    def defaults(self) -> dict[str, Any]:
        """Fields of the method in which the trainer differs from it."""
        return {}

    @abstractmethod
    def empty(self, encoder: WordEncoder, labels: Inventory, settings: Mapping[str, Any]) -> SpanModel:
        """An untrained model."""

    def released(self, directory: Path) -> NeuralTagger | None:
        """The tagger of a checkpoint in the released code's layout; None where it is none."""
        return None

    def __call__(
        self,
        num_epochs: int = 30,
        pretrained_lr: float = 2e-5,
        other_lr: float = 2e-3,
        weight_decay: float = 0.01,
        remove_clashed: bool = False,
        nested: bool = False,
        eval_call_step: Callable[[int], bool] | None = None,
    ) -> Iterator[tuple[int, Columns, Columns, Columns, str]]:
        """Train; yields (epoch from 0, train, eval and model record, id) after each evaluation and each epoch.

        The id is `current_best` after an evaluation, `not_saving` after an epoch. Rates fall to zero within `num_epochs`.

        Args:
            remove_clashed: of overlapping predictions only the best stays; with `nested`, one may stand inside another.
            eval_call_step: whether to evaluate after a step, from 1; None: every 125.
        """
        due = eval_call_step or (lambda step: step % EVERY == 0)
        method = replace(self.method, encoder_lr=pretrained_lr, head_lr=other_lr, weight_decay=weight_decay)
        given = self._given(Budget(epochs=num_epochs, batch_size=self.batch_size))
        settings = asdict(method) | {"clashes": clashes_of(remove_clashed, nested)}
        tagger = NeuralTagger(self.model, settings=settings)
        windows = self.model.encoder.windows([s.text for s in self.data.train])
        an_epoch, _ = lengths(windows, given.budget)
        torch.manual_seed(self.seed)
        torch.set_rng_state(self._random)
        losses: list[float] = []
        best: float | None = None
        for step, loss in steps(self.model, windows, given, method.rates()):
            losses.append(float(loss))
            self._step, epoch = step, (step - 1) // an_epoch
            if due(step):
                f1 = self.eval(epoch, remove_clashed=remove_clashed, nested=nested)["f1"]
                if best is None or f1 > best:
                    best = f1
                    self._save(tagger, "best")
                yield (epoch, *self._records(), "current_best")
            if step % an_epoch == 0:
                self.train_record.append(epoch=epoch + 1, train_loss=sum(losses) / len(losses))
                losses.clear()
                yield (epoch, *self._records(), "not_saving")
        if best is None:
            warnings.warn(f"no step of {self._step} was evaluated, so no checkpoint was saved: give eval_call_step", stacklevel=2)

    def eval(self, epoch: int = 0, is_eval: bool = False, remove_clashed: bool = False, nested: bool = False) -> dict[str, float | int]:
        """f1, precision, recall and supports of the model as it stands, over all and per label (`LABEL_f1`).

        Args:
            epoch: from 0; what the record says.
            is_eval: taken for the released code's sake; the model is on its device already.
        """
        self.model.eval()
        self.model.clashes = clashes_of(remove_clashed, nested)
        tagger, gold = NeuralTagger(self.model), self.data.judged
        rows = [row for at in range(0, len(gold), self.batch_size_eval) for row in tagger.predict(gold[at : at + self.batch_size_eval])]
        found = report(gold, rows, self.data.labels)
        self.eval_record.append(epoch=epoch + 1, step=self._step, **found)
        print(f"step {self._step}: " + ", ".join(f"{name} {found[name]:.4g}" for name in ("f1", "precision", "recall", "supports")))
        return found

    def _model(self) -> SpanModel:
        path = Path(self.from_pretrained)
        if (path / SETTINGS).is_file():
            tagger = load_tagger(path, self._trained, device="cpu")
            check_tokenizer(self.tokenizer, cast("SpanModel", tagger.model).encoder.tokenizer, path)
        elif (released := self.released(path)) is not None:
            tagger = released
            self._check_sizes(tagger.settings)
        else:
            return self._fresh()
        return cast("SpanModel", tagger.model)

    def _trained(self, encoder: WordEncoder, stored: Inventory, settings: Mapping[str, Any]) -> SpanModel:
        """A model of the suite: what is not asked for now is as it was trained."""
        check_labels(stored, self.data.labels, self.from_pretrained)
        self._check_sizes(settings)
        own = {f.name for f in fields(self.method)} & set(settings)
        self.method = build(self.method_name, {name: settings[name] for name in own} | self._options)
        return self.empty(encoder, self.data.labels, asdict(self.method) | {"clashes": "keep"})

    def _check_sizes(self, settings: Mapping[str, Any]) -> None:
        for name in self._sizes:
            if (found := settings.get(name)) != (asked := getattr(self.method, name)):
                raise ConfigError(f"{self.from_pretrained}: its {name} is {found}, {asked} is asked for", "Give its own sizes.")

    def _fresh(self) -> SpanModel:
        """Step by step as the method's `fit`, so that a seed gives the same model."""
        spec, sample = EncoderSpec(self.from_pretrained), self.data.train
        encoder = load_encoder(spec, [w for s in sample for w in s.text])
        if self.tokenizer is not None:
            encoder = with_tokenizer(encoder.model, self.tokenizer, spec)
        model = self.empty(encoder, self.data.labels, asdict(self.method) | {"clashes": "keep"})
        if self.shape.n_head == 0:
            nn.init.xavier_normal_(model.grid.biaffine.data[0])  # of three dimensions there, whose fans are others
        model.start_from(encoder.windows([s.text for s in sample]), sample, self.method.output_bias)
        return model

    def _given(self, budget: Budget) -> FitInput:
        info = CorpusInfo(self.data.name, self.data.language, nested=False, redistributable=False)
        spec = self.model.encoder.spec
        return FitInput(self.data.train, (), self.data.labels, info, spec, self.seed, _not_asked, budget, device=self.device)

    def _save(self, tagger: NeuralTagger, name: str) -> None:
        directory = SAVED / self.task_name / f"{self.saved_as}_{name}"
        tagger.save(directory)
        row = {"method": self.method_name, "corpus": self.data.name, "language": self.data.language}
        write_text(directory / METHOD, json.dumps(row, ensure_ascii=False, indent=1) + "\n")
        self.model_record.append(model_uid=name)

    def _records(self) -> tuple[Columns, Columns, Columns]:
        return self.train_record.copy(), self.eval_record.copy(), self.model_record.copy()


def _not_asked(tagger: Tagger, *, step: int, epoch: float, loss: float | None = None) -> float:
    """The monitor of a loop that is iterated: who iterates it evaluates."""
    raise AssertionError("`steps` asks no monitor")


def clashes_of(remove_clashed: bool, nested: bool) -> Clashes:
    """How overlapping predictions are settled, in the suite's words."""
    return ("nested" if nested else "flat") if remove_clashed else "keep"


def with_tokenizer(model: Any, tokenizer: Any, spec: EncoderSpec) -> WordEncoder:
    """An encoder with a tokenizer that the caller made; a slow one is replaced by its fast twin.

    Raises:
        ConfigError: there is no twin, or it knows more sub-words than the encoder.
    """
    if not tokenizer.is_fast:
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(tokenizer.name_or_path, trust_remote_code=False)
        except (OSError, ValueError):
            tokenizer = None
        if tokenizer is None or not tokenizer.is_fast:
            raise ConfigError("the tokenizer is a slow one", "Give a fast one, such as BertTokenizerFast, or none.")
    if len(tokenizer) > (most := model.get_input_embeddings().num_embeddings):
        raise ConfigError(f"the tokenizer has {len(tokenizer)} sub-words, the encoder {most}", "Give the encoder's own tokenizer.")
    return WordEncoder(model, tokenizer, spec)


def check_tokenizer(given: Any, stored: Any, where: str | Path) -> None:
    """A trained checkpoint has its own tokenizer; another one would give its model other sub-words.

    Raises:
        ConfigError: their vocabularies differ.
    """
    if given is not None and given.get_vocab() != stored.get_vocab():
        raise ConfigError(f"{where}: the tokenizer that is given has another vocabulary", "Give the checkpoint's own tokenizer, or none.")


def check_labels(stored: Inventory, given: Inventory, where: str | Path) -> None:
    """The labels of a checkpoint and of a labels file, target by target and in the same order.

    Raises:
        ConfigError: they differ.
    """

    def said(labels: Inventory) -> Sequence[str]:
        return [label.name if label.is_target else f"{label.name} (extension)" for label in labels.labels]

    if said(stored) != said(given):
        what = f"{where}: its labels are {', '.join(said(stored))}; the labels file says {', '.join(said(given))}"
        raise ConfigError(what, "Give the labels file that it was trained with.")
