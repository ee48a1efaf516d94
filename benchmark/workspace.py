"""The folders of a profile, and the prepared data in them, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmark import places
from benchmark.declared import Methods
from benchmark.hashing import Encoders
from splits.corpora import info as corpus_info
from splits.corpus import Corpus
from splits.draw import Draws, load_draws, order, take
from splits.errors import ConfigError
from splits.prepare import info as prepared_info
from splits.prepare import load
from splits.schema import Sentence, content_hash
from splits.source import CorpusInfo


@dataclass(frozen=True)
class Data:
    """A prepared corpus as cells see it."""

    corpus: Corpus
    info: CorpusInfo
    draws: Draws

    def sample(self, size: int | str, draw: int) -> list[Sentence]:
        """The training sentences of a cell."""
        return take(self.draws.get(size, draw).sample, self.corpus.splits["train"])

    def dev(self, size: int | None) -> list[Sentence]:
        """The first sentences of dev in hash order, in the order of the file; None: all."""
        dev = self.corpus.splits["dev"]
        if size is None:
            return dev
        chosen = set(order(self.corpus.name, [s.id for s in dev], 0)[:size])
        return [s for s in dev if s.id in chosen]

    @cached_property
    def hashes(self) -> Mapping[str, Any]:
        """Content of what all cells of the corpus share."""
        splits = {name: content_hash(self.corpus.splits[name]) for name in ("train", "dev", "test")}
        return splits | {"labels": [asdict(label) for label in self.corpus.labels.labels], "corpus": asdict(self.info)}


class Workspace:
    """A profile's directory: `data/`, `results/`, `.kfbench/`."""

    def __init__(self, root: Path | str = ".") -> None:
        self.root = Path(root)
        self.encoders = Encoders(self.root / ".kfbench" / "encoders.json")
        self.methods = Methods(self.root / ".kfbench" / "methods.json")
        self._data: dict[str, Data] = {}
        self._samples: dict[tuple[str, int | str, int], str] = {}

    @property
    def store(self) -> Path:
        return places.store(self.root)

    @property
    def results(self) -> Path:
        return self.root / "results"

    def fingerprint(self, variant: str) -> Path:
        """Where the fingerprint of a variant's code is written: what a DVC stage depends on."""
        return self.root / "data" / "methods" / f"{variant}.json"

    def prepared(self, corpus: str) -> bool:
        """Whether a corpus can be read: it is prepared and drawn."""
        return (self._folder(corpus) / "train.jsonl").is_file() and self._draws(corpus).is_file()

    def data(self, corpus: str) -> Data:
        """A corpus with its draws.

        Raises:
            CorpusError: it is not prepared or not drawn, or a file is damaged.
        """
        if corpus not in self._data:
            self._data[corpus] = Data(load(self._folder(corpus)), self.info(corpus), load_draws(self._draws(corpus)))
        return self._data[corpus]

    def info(self, corpus: str) -> CorpusInfo:
        """Facts of a corpus: as prepared, or of its converter.

        Raises:
            ConfigError: it has no converter and is not prepared.
        """
        if (self._folder(corpus) / "train.jsonl").is_file():
            return prepared_info(self._folder(corpus))
        return corpus_info(corpus)

    def artefacts(self, corpus: str, annotator: str, size: int | str, draw: int) -> Path:
        """The folder of what was made for a sample: `train.<artefact>.jsonl` with label files."""
        return self.root / "data" / "fused" / corpus / annotator / str(size) / str(draw)

    def sample_hash(self, corpus: str, size: int | str, draw: int) -> str:
        """Content of a sample, computed once."""
        key = (corpus, size, draw)
        if key not in self._samples:
            self._samples[key] = content_hash(self.data(corpus).sample(size, draw))
        return self._samples[key]

    def _folder(self, corpus: str) -> Path:
        return self.root / "data" / corpus

    def _draws(self, corpus: str) -> Path:
        return self.root / "data" / "draws" / f"{corpus}.json"


def cell_name(text: str) -> tuple[str, str, int | str, int, int]:
    """`corpus/variant/size/draw-seed` taken apart.

    Raises:
        ConfigError: it has another form.
    """
    try:
        corpus, variant, size, run = text.split("/")
        draw, seed = run.split("-")
        return corpus, variant, int(size) if size.isdigit() else size, int(draw), int(seed)
    except ValueError:
        raise ConfigError(
            f"{text!r} is not the name of a cell", "A cell is `corpus/variant/size/draw-seed`: weibo/bert_crf/250/0-0."
        ) from None
