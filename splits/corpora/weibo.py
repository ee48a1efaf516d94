"""Weibo NER, second edition (Peng & Dredze 2015; He & Sun 2016): Chinese social media, 8 types, characters as tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from splits.conll import DAMAGED, blocks, columns, known_tag, tagged
from splits.corpus import Corpus
from splits.errors import CorpusError
from splits.labels import Inventory
from splits.schema import Sentence
from splits.source import Source, github

REPOSITORY, COMMIT = "hltcoe/golden-horse", "7a73c08e45ed94312af4ef2d97cc35a47d029e99"

SOURCE = Source(
    files={
        "train": github(
            REPOSITORY,
            COMMIT,
            "data/weiboNER_2nd_conll.train",
            sha256="4e8954c54ab33b0afc9a8abb85715c47422645cc6d1b49fdb24540f4a427e997",
            size=536039,
        ),
        "dev": github(
            REPOSITORY,
            COMMIT,
            "data/weiboNER_2nd_conll.dev",
            sha256="e72730d83aac680505280b6301c879b3ba470d29ac308979d48cdc58ee4907cc",
            size=105881,
        ),
        "test": github(
            REPOSITORY,
            COMMIT,
            "data/weiboNER_2nd_conll.test",
            sha256="faaf6c0ebde5348b935cfd5c89f0f22c9e0779d60667d8b5efbc647b6707d50e",
            size=108767,
        ),
    },
    repository=f"https://github.com/{REPOSITORY}",
    commit=COMMIT,
    language="zh",
    licence="CC BY-SA 3.0 (annotations); messages under Weibo's terms",
    redistributable=False,
    citation="peng-dredze-2015-named",
)

LABELS = ("GPE.NAM", "GPE.NOM", "LOC.NAM", "LOC.NOM", "ORG.NAM", "ORG.NOM", "PER.NAM", "PER.NOM")

LOST_EMOJI = "\ufffd\ufffd"  # the two surrogates of an emoji, each decoded alone by upstream


def read(files: Mapping[str, Path]) -> Corpus:
    """The three splits of upstream; the id of a sentence is its split and row, `train-0`."""
    splits = {split: list(sentences(path, split)) for split, path in files.items()}
    return Corpus("weibo", splits, Inventory.of_targets(LABELS))


def sentences(path: Path, stem: str) -> Iterator[Sentence]:
    """Sentences of one CoNLL file.

    A token is a character and its 0-based index in its word (`科0`, `e10`); an emoji that upstream lost is two U+FFFD.
    An I-X with nothing open starts an entity, and `repaired` counts it.

    Raises:
        CorpusError: a line is not `CHARACTER+INDEX<TAB>TAG`, or its tag is unknown; names file and line.
    """
    for row, (characters, _, tags) in enumerate(_rows(path)):
        yield tagged(f"{stem}-{row}", characters, tags)


def gold_words(path: Path, stem: str) -> Iterator[tuple[str, tuple[tuple[int, int], ...]]]:
    """The gold word segmentation of each sentence, to check an annotator with, never for a method: id, (start, end) of its words."""
    for row, (characters, indices, _) in enumerate(_rows(path)):
        starts = [i for i, index in enumerate(indices) if i == 0 or index == 0]
        yield f"{stem}-{row}", tuple(zip(starts, [*starts[1:], len(characters)], strict=True))


def _rows(path: Path) -> Iterator[tuple[list[str], list[int], list[str]]]:
    """Characters, their indices and tags, a sentence at a time."""
    for block in blocks(path, newline="\n"):
        characters, indices, tags = [], [], []
        for line in block:
            token, tag = columns(path, line, "CHARACTER+INDEX<TAB>TAG")
            width = 2 if token.startswith(LOST_EMOJI) else 1
            character, index = token[:width], token[width:]
            if not (index.isascii() and index.isdigit()):
                raise CorpusError(path, line[0], f"expected a character and its index in its word, found {token[:60]!r}", DAMAGED)
            characters.append(character)
            indices.append(int(index))
            tags.append(known_tag(path, line[0], tag, LABELS))
        yield characters, indices, tags
