"""The corpora that the suite knows: each a module of this folder with `SOURCE` and `read(files)`, found by its name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, cast

from splits.corpus import Corpus
from splits.errors import ConfigError
from splits.source import CorpusInfo, Source


class Converter(Protocol):
    """What a corpus module offers; `read` gets the paths of the files that SOURCE lists, under the same keys."""

    SOURCE: Source
    read: Callable[[Mapping[str, Path]], Corpus]


def names() -> tuple[str, ...]:
    """Names of all corpora, sorted; a module whose name starts with `_` is none."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def source(name: str) -> Source:
    """Provenance and facts of a corpus.

    Raises:
        ConfigError: there is no such corpus; lists those that are.
    """
    return _module(name).SOURCE


def info(name: str) -> CorpusInfo:
    """What a method may ask about a corpus before it is read; raises as `source`."""
    found = source(name)
    return CorpusInfo(name, found.language, found.nested, found.redistributable)


def read(name: str, files: Mapping[str, Path]) -> Corpus:
    """The corpus in the given files of upstream (`splits.download.fetch` gets and checks them).

    Raises:
        ConfigError: there is no such corpus.
        CorpusError: a file cannot be read; names file and line.
    """
    return _module(name).read(files)


def _module(name: str) -> Converter:
    if name not in names():
        raise ConfigError(
            f"unknown corpus {name!r}, known are: {', '.join(names())}",
            'Data of your own needs no converter: name it in a present.json, {"NAME": {"train", "dev", "test", "labels"}}.',
        )
    return cast(Converter, importlib.import_module(f"{__name__}.{name}"))
