"""What a method is given, what it must give back, and how it is found."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, cast, runtime_checkable

from splits.errors import ConfigError
from splits.labels import Inventory
from splits.schema import Sentence
from splits.source import CorpusInfo

GROUP = "kfbench.methods"  # entry points: a name -> a room (package) whose modules are scanned
SCRATCH_LAYERS = 2
Precision = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """A pretrained encoder: a hub id with its revision, or a local directory; `scratch` builds a tiny one.

    Attributes:
        name: hub id, directory, or `scratch`.
        revision: commit of a hub id; None for a directory, whose content is hashed instead.
        max_length: sub-words a sentence may have, special tokens included; None: what the encoder allows.
        overlong: what happens to a longer sentence: `split` at a word boundary, or `truncate`. Entities that are cut
            count as missed either way.
        freeze_words: keep the word embeddings as they are (they dominate memory where the vocabulary is large).
        layers: how many, the first ones of a pretrained encoder; None: all (a `scratch` one: SCRATCH_LAYERS).
        hidden, heads, seed: shape and initialisation of a `scratch` encoder, whose vocabulary is the characters of the sample.
    """

    name: str
    revision: str | None = None
    max_length: int | None = None
    overlong: Literal["split", "truncate"] = "split"
    freeze_words: bool = False
    layers: int | None = None
    hidden: int = 64
    heads: int = 4
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a method may train, the same for all methods of a comparison; never seconds.

    Attributes:
        epochs: passes over the sample (ignored where `steps` is set).
        steps: optimiser steps.
        batch_size: sentences an optimiser step.
        accumulate: parts into which a batch is cut to save memory; the gradient is that of the whole batch.
        max_cells: words squared, summed over the sentences of a part: a bound on memory that long sentences cannot break (one alone may);
            None: no bound. As exact as `accumulate`.
        evaluate_every: optimiser steps between two calls of the monitor; None: once an epoch.
        patience: stop after so many monitor calls without a better F1; None: never.
    """

    epochs: int = 20
    steps: int | None = None
    batch_size: int = 4
    accumulate: int = 1
    max_cells: int | None = None
    evaluate_every: int | None = None
    patience: int | None = None


@dataclass(frozen=True, slots=True)
class Predicted:
    """A predicted entity: `start` inclusive, `end` exclusive; `score` in [0, 1], None where a method has none."""

    start: int
    end: int
    label: str
    score: float | None = None


@runtime_checkable
class Tagger(Protocol):
    """A trained model, ready to predict."""

    def predict(self, sentences: Sequence[Sentence]) -> list[list[Predicted]]:
        """Entities of each sentence, in the order given. Must not read `sentence.entities`."""
        ...

    def save(self, directory: Path) -> None:
        """Write all that the method's `load` needs."""
        ...


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a run leaves: the tagger that the monitor liked best, and the one after the last step.

    One run thus records both protocols, `dev` and `last`. A method without a choice gives the same tagger twice.
    """

    best: Tagger
    last: Tagger


class Monitor(Protocol):
    """Scores a tagger on dev while it trains. It belongs to the harness, which keeps the learning curve."""

    def __call__(self, tagger: Tagger, *, step: int, epoch: float, loss: float | None = None) -> float:
        """Micro F1 on dev in [0, 1]; `loss` is the mean training loss since the last call."""
        ...


@dataclass(frozen=True)
class FitInput:
    """All that a method sees of a cell: never the test split, never its own score on it.

    Attributes:
        sample: the low-resource training sentences.
        dev: sentences for model selection.
        labels: the corpus's inventory: a type that the sample lacks still exists.
        corpus: name, language, and whether entities nest.
        encoder: which pretrained encoder.
        seed: of initialisation, dropout and batch order.
        precision: `fp32`, or `bf16` or `fp16` autocast; who trains in `fp16` must scale the loss.
        threads: CPU threads, part of the cell's configuration.
        device: `cpu` or `cuda`.
        budget: how long to train.
        artefacts: name -> path, as the method declares.
        upstream: directory of the cell that the method requires, if it requires one.
        monitor: F1 on dev.
    """

    sample: Sequence[Sentence]
    dev: Sequence[Sentence]
    labels: Inventory
    corpus: CorpusInfo
    encoder: EncoderSpec
    seed: int
    monitor: Monitor
    budget: Budget = field(default_factory=Budget)
    precision: Precision = "fp32"
    threads: int = 1
    device: str = "cpu"
    artefacts: Mapping[str, Path] = field(default_factory=dict)
    upstream: Path | None = None


@runtime_checkable
class Method(Protocol):
    """A class that gets a tagger from a sample. A frozen dataclass: its fields are its hyper-parameters.

    Class attributes:
        name: what params call it.
        artefacts: names of the files it needs (`fusion`, `synthetic`); usually none.
        requires: the variant whose trained cell it starts from, or None.
        test_config: field values that make it train in seconds, for tests of any plug-in.
    """

    name: ClassVar[str]
    artefacts: ClassVar[tuple[str, ...]]
    requires: ClassVar[str | None]
    test_config: ClassVar[Mapping[str, Any]]

    def supports(self, corpus: CorpusInfo) -> str | None:
        """None where the method can be trained on the corpus, else the reason why not."""
        ...

    def fit(self, given: FitInput) -> Fitted:
        """Train on the sample within the budget."""
        ...

    @classmethod
    def load(cls, directory: Path, *, device: str = "cpu") -> Tagger:
        """The tagger that `save` wrote."""
        ...


@cache
def discover() -> Mapping[str, type[Method]]:
    """Every method of every registered room, by name.

    Raises:
        ConfigError: two classes share a name.
    """
    found: dict[str, type[Method]] = {}
    for entry in entry_points(group=GROUP):
        room = importlib.import_module(entry.value)
        names = [entry.value, *(f"{entry.value}.{m.name}" for m in pkgutil.iter_modules(room.__path__))]
        for module in map(importlib.import_module, names):
            for cls in _methods_in(vars(module), module.__name__):
                if found.get(cls.name, cls) is not cls:
                    raise ConfigError(
                        f"two methods are called {cls.name!r}: {found[cls.name].__module__} and {cls.__module__}", "Rename one."
                    )
                found[cls.name] = cls
    return found


def _methods_in(names: Mapping[str, Any], module: str) -> list[type[Method]]:
    return [
        cast("type[Method]", thing)
        for thing in names.values()
        if isinstance(thing, type)
        and thing.__module__ == module
        and is_dataclass(thing)
        and "name" in vars(thing)
        and hasattr(thing, "fit")
    ]


def find(method: str) -> type[Method]:
    """A method class by registered name, or as `path.py:Class`.

    Raises:
        ConfigError: there is none; lists those there are.
    """
    if ".py:" in method:
        return _from_file(*method.rsplit(":", 1))
    known = discover()
    if method not in known:
        raise ConfigError(f"there is no method {method!r}", f"Known: {', '.join(sorted(known))}; or give `path.py:Class`.")
    return known[method]


def _from_file(path: str, cls: str) -> type[Method]:
    file = Path(path).resolve()
    if not file.is_file():
        raise ConfigError(f"{path}: no such file", "A method outside the rooms is given as `path.py:Class`.")
    name = f"kfbench_method_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path}: cannot be imported", "Is it a Python file?")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    found = {c.__name__: c for c in _methods_in(vars(module), name)}
    if cls not in found:
        raise ConfigError(
            f"{path}: there is no method class {cls!r}",
            f"It holds: {', '.join(sorted(found)) or 'none (a dataclass with `name` and `fit`)'}.",
        )
    return found[cls]


def build(method: str, params: Mapping[str, Any]) -> Method:
    """A method with its hyper-parameters.

    Raises:
        ConfigError: the method is unknown, or a parameter is.
    """
    cls = find(method)
    names = [f.name for f in fields(cast("Any", cls))]
    for name in params:
        if name not in names:
            raise ConfigError(f"method {method!r} has no parameter {name!r}", f"It has: {', '.join(names) or 'none'}.")
    try:
        return cast("Callable[..., Method]", cls)(**params)
    except ValueError as error:
        raise ConfigError(f"method {method!r}: {error}", "Correct the parameter in the params file.") from error
