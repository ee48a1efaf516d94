"""KLP NER, the cleaned edition of 2016klp (kmounlp; kor_ner): Korean, 5 types, morphemes as tokens.

The KnowFREE authors used the original edition, where 426 dev and 164 test sentences also stand in train: never mix the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from splits.conll import DAMAGED, blocks, columns, known_tag, tagged
from splits.corpus import Corpus
from splits.errors import CorpusError
from splits.labels import Inventory
from splits.schema import Sentence
from splits.source import Source, github

REPOSITORY, COMMIT = "kmounlp/NER", "1e557de738b8e6215c7cacac116e735518c0f680"

SOURCE = Source(
    files={
        "train": github(
            REPOSITORY,
            COMMIT,
            "2016klp/ner.train",
            sha256="ae8d0b9ecc49a36ec8fd30ebed5accf2e4da23e8e432d0e4e494be049412c1cf",
            size=2808804,
        ),
        "dev": github(
            REPOSITORY,
            COMMIT,
            "2016klp/ner.dev",
            sha256="0b6afc8e02a5bb3439b697da7aa6bc274b1128f84c14f6bde85c7d0934b145d6",
            size=345513,
        ),
        "test": github(
            REPOSITORY,
            COMMIT,
            "2016klp/ner.test",
            sha256="35396b5d88d9c3feb74a5e43097482e4379ff522bc66ed0d2a1e40a4e34a5645",
            size=338858,
        ),
    },
    repository=f"https://github.com/{REPOSITORY}",
    commit=COMMIT,
    language="ko",
    licence="MIT terms, non-commercial use only",
    redistributable=False,
    citation="kmounlp-ner",
)

LABELS = ("PS", "LC", "OG", "DT", "TI")

FORM = "EOJEOL<TAB>MORPHEME<TAB>POS<TAB>TAG"


class Row(NamedTuple):
    """A morpheme; `eojeol` (the space-delimited word it is part of, from 1) and `pos` are gold knowledge."""

    eojeol: int
    morpheme: str
    pos: str
    tag: str


def read(files: Mapping[str, Path]) -> Corpus:
    """The three splits of upstream; the id of a sentence is its split and row, `train-0`."""
    splits = {split: list(sentences(path, split)) for split, path in files.items()}
    return Corpus("klp_ko", splits, Inventory.of_targets(LABELS))


def sentences(path: Path, stem: str) -> Iterator[Sentence]:
    """Sentences of one file, morphemes and entities alone: raw text, eojeol and POS would leak gold knowledge into a method.

    Raises:
        CorpusError: a sentence is not a `;` line, a `$` line and rows of four columns, or a tag is unknown, or an `I`
            has nothing open to continue; names file and line.
    """
    for number, rows in enumerate(_rows(path)):
        yield tagged(f"{stem}-{number}", [row.morpheme for row in rows], [row.tag for row in rows])


def gold_morphology(path: Path, stem: str) -> Iterator[tuple[str, tuple[tuple[int, str], ...]]]:
    """Gold eojeol number and POS of each morpheme, to check an annotator with, never for a method: sentence id, pairs."""
    for number, rows in enumerate(_rows(path)):
        yield f"{stem}-{number}", tuple((row.eojeol, row.pos) for row in rows)


def _rows(path: Path) -> Iterator[list[Row]]:
    """Rows of a sentence at a time, upstream's `B_PS` and untyped `I` as B-PS and I-PS."""
    for block in blocks(path, newline="\r\n"):
        for (number, text), mark in zip(block, ";$", strict=False):
            if not text.startswith(mark):
                what = "`; raw text`" if mark == ";" else "`$ annotated text`"
                raise CorpusError(path, number, f"expected {what} at the head of a sentence, found {text[:60]!r}", DAMAGED)
        if len(block) < 3:
            raise CorpusError(path, block[-1][0], f"expected {FORM}, found the end of the sentence", DAMAGED)
        rows: list[Row] = []
        kind = ""  # of the open entity
        for line in block[2:]:
            eojeol, morpheme, pos, tag = columns(path, line, FORM)
            if not (eojeol.isascii() and eojeol.isdigit()):
                raise CorpusError(path, line[0], f"expected the number of an eojeol, found {eojeol[:60]!r}", DAMAGED)
            if tag == "I" and not kind:
                raise CorpusError(path, line[0], "an `I` with no open entity to continue", DAMAGED)
            typed = known_tag(path, line[0], f"I-{kind}" if tag == "I" else tag.replace("_", "-", 1), LABELS)
            kind = typed[2:]
            rows.append(Row(int(eojeol), morpheme, pos, typed))
        yield rows
