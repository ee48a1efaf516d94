"""my_method: say in a sentence what is new about it, and cite its source."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmark.method import FitInput, Fitted, Predicted, Tagger
from splits.schema import Sentence
from splits.source import CorpusInfo

FILE = "surfaces.json"


class SurfaceTagger:
    """Finds the surface forms that it knows, longest first, none inside another: the part to make your own."""

    def __init__(self, known: Mapping[tuple[str, ...], str]) -> None:
        self.known = known
        self.longest = max(map(len, known), default=0)

    def predict(self, sentences: Sequence[Sentence]) -> list[list[Predicted]]:
        """Entities of each sentence, from its tokens alone: what else stands in a sentence is not there in a run."""
        return [self._read(sentence.text) for sentence in sentences]

    def _read(self, text: tuple[str, ...]) -> list[Predicted]:
        found: list[Predicted] = []
        start = 0
        while start < len(text):
            ends = range(min(len(text), start + self.longest), start, -1)
            end = next((end for end in ends if text[start:end] in self.known), None)
            if end is not None:
                found.append(Predicted(start, end, self.known[text[start:end]]))
            start = end or start + 1
        return found

    def save(self, directory: Path) -> None:
        """All that `load` needs."""
        rows = [[list(surface), label] for surface, label in self.known.items()]
        (directory / FILE).write_text(json.dumps(rows, ensure_ascii=False) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class MyMethod:
    """What the method is. Its fields are its hyper-parameters; say where each default is from."""

    name: ClassVar[str] = "my_method"
    artefacts: ClassVar[tuple[str, ...]] = ()  # files beside the sample: `fusion`, `synthetic`
    requires: ClassVar[str | None] = None  # a variant whose trained cell it starts from
    test_config: ClassVar[Mapping[str, Any]] = {}  # fields that make it train in seconds, for `kfbench check`

    at_least: int = 1  # mentions of a surface form in the sample before it counts

    def supports(self, corpus: CorpusInfo) -> str | None:
        """Flat corpora: the tagger looks for nothing inside what it has found."""
        return "entities nest, and this tagger finds none inside another" if corpus.nested else None

    def fit(self, given: FitInput) -> Fitted:
        """Remember the entities of `given.sample`, each surface form with its most frequent type, the first of equals."""
        counts: dict[tuple[str, ...], Counter[str]] = {}
        for sentence in given.sample:
            for entity in sentence.entities:
                counts.setdefault(sentence.surface(entity), Counter())[entity.label] += 1
        tagger = SurfaceTagger({s: types.most_common(1)[0][0] for s, types in counts.items() if types.total() >= self.at_least})
        given.monitor(tagger, step=1, epoch=1)  # F1 on dev, for the learning curve; a method that chooses keeps the best
        return Fitted(best=tagger, last=tagger)

    @classmethod
    def load(cls, directory: Path, *, device: str = "cpu") -> Tagger:
        """The tagger that `save` wrote."""
        rows = json.loads((directory / FILE).read_text(encoding="utf-8"))
        return SurfaceTagger({tuple(surface): label for surface, label in rows})
