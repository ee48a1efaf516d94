"""A corpus in memory: its splits with their sentences, and its label inventory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from splits.labels import Inventory
from splits.schema import Sentence

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class Corpus:
    """Sentences of train, dev and test, and the labels that they may carry."""

    name: str
    splits: Mapping[str, list[Sentence]]
    labels: Inventory
