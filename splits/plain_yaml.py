"""YAML that holds data alone, and no more of it than its text says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from splits.errors import ConfigError

LARGEST = 1_000_000  # bytes of a file that a person writes
VALUES = 100_000  # with every alias written out: nine short lines of aliases make a billion ("billion laughs")


def read_yaml(path: str | Path) -> Any:
    """The value of a YAML file; no tag of it makes an object.

    Raises:
        FileNotFoundError: it is not there.
        ConfigError: it cannot be read, is not YAML, or is too large; names file and line.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}", "Check the file and its permissions.") from None
    if len(raw) > LARGEST:
        raise ConfigError(f"{path}: larger than {LARGEST:,} bytes", "Is it the right file?")
    try:
        return parse(raw.decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigError(f"{where}: not YAML: {getattr(error, 'problem', None) or error}", "Mend the file.") from None


def parse(text: str) -> Any:
    """The value of a YAML text.

    Raises:
        yaml.YAMLError: it is no YAML.
        ValueError: it nests too deeply, an alias holds itself, aliases multiply it, or a number or date cannot be.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _size(node, {}, ())
        return yaml.safe_load(text)
    except RecursionError:
        raise ValueError("it nests too deeply") from None


def _size(node: yaml.Node, known: dict[int, int], above: tuple[int, ...]) -> int:
    """Values in a node with its aliases written out."""
    if id(node) in above:
        raise ValueError("an alias holds itself")
    if id(node) not in known:
        here = (*above, id(node))
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            parts = node.value
        known[id(node)] = 1 + sum(_size(part, known, here) for part in parts)
    if known[id(node)] > VALUES:
        raise ValueError(f"with its aliases written out it has more than {VALUES:,} values")
    return known[id(node)]
