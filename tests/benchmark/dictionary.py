"""A method without torch: it remembers the entities of its sample. Tests of the harness train it in no time."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmark.method import FitInput, Fitted, Predicted, Tagger
from splits.schema import Sentence
from splits.source import CorpusInfo


class Lookup:
    """Every occurrence of a known surface is an entity."""

    def __init__(self, known: dict[tuple[str, ...], str]) -> None:
        self.known = known

    def predict(self, sentences: Sequence[Sentence]) -> list[list[Predicted]]:
        assert not any(s.entities for s in sentences), "a tagger must not see the answers"
        return [
            [
                Predicted(i, j, self.known[s.text[i:j]], 1.0)
                for i in range(len(s.text))
                for j in range(i + 1, len(s.text) + 1)
                if s.text[i:j] in self.known
            ]
            for s in sentences
        ]

    def save(self, directory: Path) -> None:
        rows = [[list(surface), label] for surface, label in self.known.items()]
        (directory / "known.json").write_text(json.dumps(rows), encoding="utf-8")


@dataclass(frozen=True)
class Dictionary:
    """Remembers the first `share` of the sample, then all of it.

    `log` gets a line a fit; `trap` is a file: while it exists, draw `fails` (by its first sentence) raises; `seconds`
    is how long a fit takes.
    """

    name: ClassVar[str] = "dictionary"
    artefacts: ClassVar[tuple[str, ...]] = ()
    requires: ClassVar[str | None] = None
    test_config: ClassVar[Mapping[str, Any]] = {}

    seconds: float = 0.0
    log: str = ""
    trap: str = ""
    flat_only: bool = False

    def supports(self, corpus: CorpusInfo) -> str | None:
        return "entities nest" if self.flat_only and corpus.nested else None

    def fit(self, given: FitInput) -> Fitted:
        if self.log:
            with Path(self.log).open("a", encoding="utf-8") as file:
                file.write(f"{given.corpus.name} {given.seed} {given.sample[0].id}\n")
        if self.trap and Path(self.trap).exists() and given.seed == 1:
            raise RuntimeError("the trap is set")
        known: dict[tuple[str, ...], str] = {}
        taggers = []
        for epoch in (1, 2):
            for sentence in given.sample[: len(given.sample) * epoch // 2]:
                known |= {sentence.surface(e): e.label for e in sentence.entities}
            time.sleep(self.seconds / 2)
            taggers.append(Lookup(dict(known)))
            given.monitor(taggers[-1], step=epoch, epoch=epoch, loss=1 / epoch)
        return Fitted(best=taggers[0], last=taggers[1])

    @classmethod
    def load(cls, directory: Path, *, device: str = "cpu") -> Tagger:
        rows = json.loads((directory / "known.json").read_text(encoding="utf-8"))
        return Lookup({tuple(surface): label for surface, label in rows})
