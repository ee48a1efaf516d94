"""Draws of a prepared corpus, checked against the committed manifests: what `kfbench draw` writes and the harness reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splits.corpus import Corpus
from splits.draw_manifest import MANIFESTS, MEND, Manifest, read_manifest, verify, write_manifest
from splits.errors import ConfigError, CorpusError
from splits.files import write_text
from splits.sample import Sample, Size, expected_overlap, flagged, observed_overlap, of_rows, order, sample
from splits.schema import Sentence, content_hash

__all__ = [
    "MANIFESTS",
    "Drawn",
    "Draws",
    "Manifest",
    "Sample",
    "Size",
    "expected_overlap",
    "flagged",
    "load_draws",
    "materialise",
    "observed_overlap",
    "order",
    "read_manifest",
    "sample",
    "take",
    "verify",
    "write_draws",
    "write_manifest",
]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sample and whether a committed manifest vouches for it.

    `expected_overlap` is None for k-shot sizes, which favour sentences of rare types: there only the observed overlap means something.
    """

    sample: Sample
    verified: bool
    expected_overlap: float | None
    observed_overlap: float | None
    flagged: bool


@dataclass(frozen=True)
class Draws:
    """The draws of a corpus in a profile, and the content hash of the train split that they are of."""

    corpus: str
    train: str
    sentences: int
    drawn: Mapping[tuple[Size, int], Drawn]

    def get(self, size: Size, draw: int) -> Drawn:
        """The sample of a size in a draw.

        Raises:
            ConfigError: it was not drawn; names what was.
        """
        if (size, draw) not in self.drawn:
            sizes = ", ".join(dict.fromkeys(str(s) for s, _ in self.drawn))
            raise ConfigError(
                f"{self.corpus}: size {size}, draw {draw} was not drawn; sizes: {sizes}; draws: {len({d for _, d in self.drawn})}",
                f"Run `kfbench draw {self.corpus}` after changing `sizes` or `draws` in params.yaml.",
            )
        return self.drawn[size, draw]


def materialise(corpus: Corpus, sizes: Sequence[Size], draws: int, manifests: Path = MANIFESTS) -> Draws:
    """Draw every size `draws` times by the rule, each compared with the committed manifest where that holds it.

    Raises:
        ConfigError: a size that cannot be, or a draw that differs from the committed one.
    """
    train = corpus.splits["train"]
    manifest = read_manifest(corpus.name, manifests)
    drawn: dict[tuple[Size, int], Drawn] = {}
    for size in sizes:
        samples = [sample(train, corpus.name, size, draw) for draw in range(draws)]
        expected = expected_overlap(size, len(train)) if isinstance(size, int) else None
        observed = observed_overlap(samples)
        flag = flagged(size, len(train)) if isinstance(size, int) else (observed or 0) > 0.5
        for one in samples:
            drawn[size, one.draw] = Drawn(one, verify(one, manifest), expected, observed, flag)
    return Draws(corpus.name, content_hash(train), len(train), drawn)


def write_draws(path: str | Path, draws: Draws) -> None:
    """Write data/draws/<corpus>.json, a line for each (size, draw)."""
    lines = []
    for (size, draw), one in draws.drawn.items():
        row: dict[str, Any] = {"size": size, "draw": draw, "sha256": one.sample.sha256, "verified": one.verified}
        row |= {"expected_overlap": one.expected_overlap, "observed_overlap": one.observed_overlap, "flagged": one.flagged}
        row |= {"short": one.sample.short, "rows": one.sample.rows, "ids": one.sample.ids}
        lines.append(json.dumps(row, ensure_ascii=False))
    head = json.dumps({"corpus": draws.corpus, "sentences": draws.sentences, "train": draws.train}, ensure_ascii=False)
    write_text(path, head[:-1] + ', "draws": [\n' + ",\n".join(lines) + "\n]}\n")


def load_draws(path: str | Path) -> Draws:
    """What `write_draws` wrote.

    Raises:
        CorpusError: the file is missing or damaged.
    """
    path = Path(path)
    mend = f"Run `kfbench draw {path.stem}`."
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        drawn = {}
        for row in value["draws"]:
            one = Sample(value["corpus"], row["size"], row["draw"], tuple(row["rows"]), tuple(row["ids"]), row["sha256"], row["short"])
            drawn[one.size, one.draw] = Drawn(one, row["verified"], row["expected_overlap"], row["observed_overlap"], row["flagged"])
        return Draws(value["corpus"], value["train"], value["sentences"], drawn)
    except FileNotFoundError:
        raise CorpusError(path, None, "no such file", mend) from None
    except (ValueError, KeyError, TypeError) as error:
        raise CorpusError(path, None, f"not a file of draws: {error!r}", mend) from None


def take(drawn: Sample, train: Sequence[Sentence]) -> list[Sentence]:
    """The sentences of a sample.

    Raises:
        ConfigError: the train split is not the one that was drawn from.
    """
    fits = all(row < len(train) for row in drawn.rows)
    again = of_rows(train, drawn.corpus, drawn.size, drawn.draw, drawn.rows, drawn.short) if fits else None
    if again is None or again.sha256 != drawn.sha256:
        found = again.sha256[:12] + "..." if again else f"of {len(train)} sentences only"
        raise ConfigError(
            f"{drawn.corpus}: size {drawn.size}, draw {drawn.draw}: the train split is {found}, drawn was {drawn.sha256[:12]}...",
            f"Prepare the corpus again and run `kfbench draw {drawn.corpus}`. " + MEND.format(corpus=drawn.corpus),
        )
    return [train[row] for row in drawn.rows]
