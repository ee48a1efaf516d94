"""The closed inventory of labels of a corpus, as labels.txt or labels.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from splits import plain_json
from splits.errors import CorpusError
from splits.files import text_lines, write_text

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # in no name of a label: it is a line of labels.txt and a word on terminals


@dataclass(frozen=True, slots=True)
class Label:
    """A label: targets are what a corpus asks for (count -1), the others are extension labels with their mention count."""

    name: str
    is_target: bool = True
    count: int = -1
    weight: float | None = None  # of the loss; None: by the paper's formula


@dataclass(frozen=True)
class Inventory:
    """Labels in channel order, targets before extensions; `O` is implied and has no channel here.

    Raises:
        ValueError: a name stands twice or is `O`, or a target follows an extension (masking cuts there).
    """

    labels: tuple[Label, ...]

    def __post_init__(self) -> None:
        names = [label.name for label in self.labels]
        if len(set(names)) != len(names):
            raise ValueError(f"label {next(n for n in names if names.count(n) > 1)!r} stands twice")
        if "O" in names or "" in names:
            raise ValueError("`O` and the empty name are no labels of an entity")
        if control := next((name for name in names if CONTROL.search(name)), None):
            raise ValueError(f"label {control!r} holds a control character")
        if not names:
            raise ValueError("there is no label besides O")
        kinds = [label.is_target for label in self.labels]
        if kinds != sorted(kinds, reverse=True):
            raise ValueError("targets must come before extension labels: inference cuts the channels there")

    @classmethod
    def of_targets(cls, names: Iterable[str]) -> Inventory:
        """An inventory of target labels alone."""
        return cls(tuple(Label(name) for name in names))

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)

    @cached_property
    def index(self) -> dict[str, int]:
        """Channel of each name, `O` not counted."""
        return {name: i for i, name in enumerate(self.names)}

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels if label.is_target)

    def __len__(self) -> int:
        return len(self.labels)


def read_labels(path: str | Path) -> Inventory:
    """labels.txt (a label a line, `O` first), labels.json (one object) or labels.jsonl (an object a line), by file name.

    Raises:
        CorpusError: names file and line.
    """
    path = Path(path)
    try:
        return Inventory(tuple(_from_txt(path) if path.suffix == ".txt" else _from_json(path)))
    except ValueError as error:
        raise CorpusError(path, None, str(error), "`O` comes first, then targets, then extension labels, each once.") from None


def _from_txt(path: Path) -> list[Label]:
    names = []
    for number, line in text_lines(path):
        if not line or line != line.strip():
            raise CorpusError(path, number, f"expected one label, found {line!r}", "A label a line, no spaces around it.")
        names.append(line)
    if names[0] != "O":
        raise CorpusError(path, 1, f"the first label is {names[0]!r}, expected O", "Put `O` in the first line.")
    return [Label(name) for name in names[1:]]


def _from_json(path: Path) -> list[Label]:
    rows: dict[str, Any] = {}
    lines = list(text_lines(path))
    parts = lines if path.suffix == ".jsonl" else [(1, "\n".join(line for _, line in lines))]
    for number, part in parts:
        try:
            found = plain_json.loads(part)
        except json.JSONDecodeError as error:
            raise CorpusError(path, number + error.lineno - 1, f"not JSON: {error.msg}", "Mend the file.") from None
        if not isinstance(found, dict):
            raise CorpusError(path, number, "expected an object of labels", 'A label is {"NAME": {"idx", "count", "is_target"}}.')
        rows |= found
    if next(iter(rows), None) != "O":
        raise CorpusError(path, 1, "the first label is not O", "Put `O` first: the order of the keys is the order of the channels.")
    labels = []
    for position, (name, row) in enumerate(rows.items()):
        if not isinstance(row, dict) or not isinstance(row.get("is_target"), bool) or type(row.get("count")) is not int:
            raise CorpusError(
                path, None, f"label {name!r} needs `idx`, `count` (an integer) and `is_target` (true or false)", "Complete it."
            )
        if row.get("idx") != position:
            raise CorpusError(
                path, None, f"label {name!r} has idx {row.get('idx')!r} but stands at place {position}", "Number the labels in order."
            )
        weight = row.get("weight")
        if weight is not None and (not isinstance(weight, (int, float)) or weight < 0):
            raise CorpusError(path, None, f"label {name!r} has weight {weight!r}", "A weight is a number, 0 or more.")
        if name != "O":
            labels.append(Label(name, row["is_target"], row["count"], weight))
    return labels


def write_labels(path: str | Path, inventory: Inventory) -> None:
    """Write labels.txt or labels.json, by file name; a labels.txt holds targets alone.

    Raises:
        ValueError: a labels.txt is asked of an inventory with extension labels.
    """
    path = Path(path)
    if path.suffix == ".txt":
        if len(inventory.targets) != len(inventory):
            raise ValueError("labels.txt cannot tell extension labels from targets: write labels.json")
        write_text(path, "\n".join(("O", *inventory.names)) + "\n")
        return
    rows: dict[str, dict[str, Any]] = {"O": {"idx": 0, "count": -1, "is_target": True}}
    for i, label in enumerate(inventory.labels, 1):
        rows[label.name] = {"idx": i, "count": label.count, "is_target": label.is_target}
        if label.weight is not None:
            rows[label.name]["weight"] = label.weight
    write_text(path, json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
