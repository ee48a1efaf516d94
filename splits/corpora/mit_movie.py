"""MIT Movie, trivia10k13 (Liu et al. 2013): spoken-style English questions about films, 12 types, words as tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from splits.conll import blocks, columns, known_tag, tagged
from splits.corpus import Corpus
from splits.labels import Inventory
from splits.partition import hash_order, verify
from splits.schema import Sentence
from splits.source import Source, github

# A copy that can be pinned to a commit; what the KnowFREE authors call mit_movies.
REPOSITORY, COMMIT = "Piyush1416/Building-Custom-Name-Entity-Recognition-NER-using-BERT", "fe1e85b186ab87b7a309d1887fbcf246921196cb"

SOURCE = Source(
    files={
        "train": github(
            REPOSITORY,
            COMMIT,
            "trivia10k13train.bio",
            sha256="8fab6e609201c66127e99726e37c86cdcc84182a1db4aa92df0c31889844a7af",
            size=1952195,
        ),
        "test": github(
            REPOSITORY,
            COMMIT,
            "trivia10k13test.bio",
            sha256="b89bb1225d9c586f7b6ea62ad1bc145bf7e9933837e589524b145932c73ffe54",
            size=479715,
        ),
    },
    repository=f"https://github.com/{REPOSITORY}",
    commit=COMMIT,
    language="en",
    licence="none stated; research use",
    redistributable=False,
    citation="liu-etal-2013-asgard",
)

LABELS = (
    "ACTOR",
    "PLOT",
    "OPINION",
    "AWARD",
    "YEAR",
    "GENRE",
    "ORIGIN",
    "DIRECTOR",
    "SOUNDTRACK",
    "RELATIONSHIP",
    "CHARACTER_NAME",
    "QUOTE",
)

DEV_SIZE = 1000
RULE = f"dev: the first {DEV_SIZE} sentences of upstream's train by sha256('mit_movie split 1:' + id); both parts in upstream's order"
SALT = "mit_movie split 1"


def read(files: Mapping[str, Path]) -> Corpus:
    """Upstream's test; its train cut into train and dev, whose ids both trace upstream's row, `train-17`.

    Raises:
        KfbenchError: the cut is not the committed one.
    """
    upstream = {s.id: s for s in sentences(files["train"], "train")}
    parts = partition(list(upstream))
    verify("mit_movie", parts)
    splits = {part: [upstream[name] for name in ids] for part, ids in parts.items()}
    return Corpus("mit_movie", {**splits, "test": list(sentences(files["test"], "test"))}, Inventory.of_targets(LABELS))


def partition(ids: Sequence[str]) -> dict[str, list[str]]:
    """Upstream's train ids as our train and dev."""
    dev = set(hash_order(ids, SALT)[:DEV_SIZE])
    return {"train": [name for name in ids if name not in dev], "dev": [name for name in ids if name in dev]}


def sentences(path: Path, stem: str) -> Iterator[Sentence]:
    """Sentences of one BIO file: the tag stands first, lines end in CRLF, nothing follows the last sentence.

    Upstream writes types as `Character_Name`; the KnowFREE paper, and so we, as `CHARACTER_NAME`.

    Raises:
        CorpusError: a line is not `TAG<TAB>WORD`, or its tag is unknown; names file and line.
    """
    for row, block in enumerate(blocks(path, newline="\r\n", closed=False)):
        pairs = [(line[0], columns(path, line, "TAG<TAB>WORD")) for line in block]
        tags = [known_tag(path, number, tag.upper(), LABELS) for number, (tag, _) in pairs]
        yield tagged(f"{stem}-{row}", [word for _, (_, word) in pairs], tags)
