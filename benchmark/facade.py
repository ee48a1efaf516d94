"""What the released trainers read and report, by the suite's own readers and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from benchmark.method import Predicted
from benchmark.result import Counts
from benchmark.scoring import score
from splits.errors import ConfigError, CorpusError
from splits.labels import Inventory, read_labels
from splits.present import UNKNOWN_LANGUAGE, entry
from splits.sample import k_shot, order
from splits.schema import Sentence, read_jsonl

EvalMode = Literal["dev", "test"]
SYNTHETIC = 3  # synthetic sentences to a real one, at most, in a k-shot sample (KnowFREE, released code)


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a span model under the names that the released code gives them; the defaults are its trainers'.

    Attributes:
        n_head: heads of the biaffine; 0: one, over all dimensions.
        kernel_size: radius of KnowFREE's attention, kernel of CNN-NER's convolutions.
    """

    n_head: int = 4
    cnn_dim: int = 200
    biaffine_size: int = 200
    size_embed_dim: int = 25
    logit_drop: float = 0
    kernel_size: int = 3
    cnn_depth: int = 3
    span_threshold: float = 0.5

    def require(self, allowed: Mapping[str, Any], where: str) -> None:
        """Refuse values of fields that the models here have only one value of.

        Raises:
            ConfigError: names every such field.
        """
        asked = {name: getattr(self, name) for name in allowed}
        wrong = [f"{name} is {asked[name]}, only {value} can be had" for name, value in allowed.items() if asked[name] != value]
        if wrong:
            raise ConfigError(f"{where}: {'; '.join(wrong)}", "Leave them at their defaults.")


@dataclass(frozen=True)
class Data:
    """What a trainer works on: `judged` is the split that evaluates and picks checkpoints."""

    name: str
    language: str
    train: Sequence[Sentence]
    judged: Sequence[Sentence]
    labels: Inventory


def read_data(
    name: str, present: str | Path | None, files: Mapping[str, str | Path | None], eval_mode: EvalMode, shots: int | None, draw: int
) -> Data:
    """The sentences of a corpus of present.json, or of files that are given; then present.json is not read.

    Args:
        files: paths under `train`, `dev`, `test` and `labels`; those that are None are not given.
        shots: as `k5` of a draw: so many mentions of each target; the released code takes so many sentences in all.

    Raises:
        ConfigError: a file that is needed is not given, the corpus is unknown, or `eval_mode` is.
        CorpusError: a file cannot be read, or an entity's label is not in the labels file.
    """
    if eval_mode not in ("dev", "test"):
        raise ConfigError(f"eval_mode is {eval_mode!r}", "It is `dev`, or `test` to pick checkpoints on test as the released code does.")
    language, paths = _paths(name, present, files)
    if lacking := [key for key in ("train", eval_mode, "labels") if paths.get(key) is None]:
        mend = "Give data_name, or train_file, eval_file (test_file) and label_file."
        raise ConfigError(f"no {' and no '.join(lacking)} file is given", mend)
    labels = read_labels(str(paths["labels"]))
    train, judged = (_sentences(Path(str(paths[split])), split, labels) for split in ("train", eval_mode))
    if shots is not None:
        train = few(train, name, shots, labels, draw)
    return Data(name, language, train, [targets_only(sentence, labels) for sentence in judged], labels)


def _paths(name: str, present: str | Path | None, files: Mapping[str, str | Path | None]) -> tuple[str, Mapping[str, str | Path | None]]:
    if any(path is not None for path in files.values()) or present is None:
        return UNKNOWN_LANGUAGE, files
    found = entry(present, name)
    return found.language, found.files


def _sentences(path: Path, split: str, labels: Inventory) -> list[Sentence]:
    """Entities may share tokens here, whatever the corpus: extension labels lie across targets."""
    sentences = read_jsonl(path, split=split)
    for line, sentence in enumerate(sentences, 1):  # a line of JSONL is a sentence
        for entity in sentence.entities:
            if entity.label not in labels.index:
                what = f"entity {entity.start}:{entity.end} has label {entity.label!r}, which is not in the labels file"
                raise CorpusError(path, line, what, "Add the label there, or mend the entity.")
    return sentences


def targets_only(sentence: Sentence, labels: Inventory) -> Sentence:
    """A sentence without its extension labels: what is scored."""
    targets = set(labels.targets)
    return replace(sentence, entities=tuple(e for e in sentence.entities if e.label in targets))


def few(train: Sequence[Sentence], name: str, shots: int, labels: Inventory, draw: int) -> list[Sentence]:
    """A k-shot sample of the real sentences, and synthetic ones (`synthetic: true`), SYNTHETIC to a real one at most."""
    if shots < 1:
        raise ConfigError(f"k_shot is {shots}", "It is a number of mentions of each type, 1 or more; None takes all sentences.")
    real = [sentence for sentence in train if not sentence.extra.get("synthetic")]
    synthetic = {sentence.id: sentence for sentence in train if sentence.extra.get("synthetic")}
    row_of = {sentence.id: row for row, sentence in enumerate(real)}
    ordered = [row_of[id] for id in order(name, list(row_of), draw)]
    taken = [real[row] for row in k_shot([targets_only(sentence, labels) for sentence in real], ordered, shots)]
    return taken + [synthetic[id] for id in order(name, list(synthetic), draw)[: SYNTHETIC * len(taken)]]


def report(gold: Sequence[Sentence], rows: Sequence[Sequence[Predicted]], labels: Inventory) -> dict[str, float | int]:
    """f1, precision, recall and supports, over all and then per target, as `LABEL_f1`."""
    found = score(gold, [{(p.start, p.end, p.label) for p in row} for row in rows], labels=labels.targets)
    figures = _figures("", found.micro)
    for label in labels.targets:
        figures |= _figures(f"{label}_", found.types[label])
    return figures


def _figures(prefix: str, counts: Counts) -> dict[str, float | int]:
    values = {"f1": counts.f1, "precision": counts.precision, "recall": counts.recall, "supports": counts.gold}
    return {f"{prefix}{name}": value for name, value in values.items()}


class Record:
    """Columns that grow a row at a time."""

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {}

    def append(self, **row: Any) -> None:
        for name, value in row.items():
            self._columns.setdefault(name, []).append(value)

    def copy(self) -> dict[str, list[Any]]:
        """The columns as they stand; later rows do not change them."""
        return {name: list(column) for name, column in self._columns.items()}
