"""A method that does nothing for a while: what an engine takes beside its cells."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmark.method import FitInput, Fitted, Predicted, Tagger
from splits.schema import Sentence
from splits.source import CorpusInfo


class Silence:
    def predict(self, sentences: Sequence[Sentence]) -> list[list[Predicted]]:
        return [[] for _ in sentences]

    def save(self, directory: Path) -> None: ...


@dataclass(frozen=True)
class Idle:
    """Sleeps `seconds`."""

    name: ClassVar[str] = "idle"
    artefacts: ClassVar[tuple[str, ...]] = ()
    requires: ClassVar[str | None] = None
    test_config: ClassVar[Mapping[str, Any]] = {}

    seconds: float = 0.0

    def supports(self, corpus: CorpusInfo) -> str | None:
        return None

    def fit(self, given: FitInput) -> Fitted:
        time.sleep(self.seconds)
        silence = Silence()
        given.monitor(silence, step=1, epoch=1.0)
        return Fitted(silence, silence)

    @classmethod
    def load(cls, directory: Path, *, device: str = "cpu") -> Tagger:
        return Silence()
