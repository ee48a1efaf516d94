"""GENIA term corpus 3.02 (Kim et al. 2003): English biomedical abstracts, 5 types, nested entities, words as tokens."""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

from splits.corpus import Corpus
from splits.errors import CorpusError
from splits.files import text_lines
from splits.labels import Inventory
from splits.schema import Entity, Sentence, Span
from splits.source import Source, github

LISTS, LISTS_COMMIT = "yhcc/CNN_Nested_NER", "d1c9fae196e2d7692f3d5afd86694dd933b08d71"
REPOSITORY, COMMIT = "frankTian92/Overview_NER", "2cd9b65a9ed462ffa40116f5df4231ae708952e8"  # a later commit deletes the file

SOURCE = Source(
    files={
        "corpus": github(
            REPOSITORY,
            COMMIT,
            "GENIAcorpus3.02.tgz",
            sha256="85b2aede313308c33783ba508d054d0af0ff9c7e48490f0db5168a9f88d74d1c",
            size=1651614,
        ),
        "train": github(
            LISTS,
            LISTS_COMMIT,
            "preprocess/splits/genia/train.txt",
            sha256="fb8c38a539100a926661eef31dfe5c88e636e4161ba765e8323c5ca3a8ec3ba3",
            size=27217,
        ),
        "dev": github(
            LISTS,
            LISTS_COMMIT,
            "preprocess/splits/genia/dev.txt",
            sha256="345b7fbbf54f6f5b2d379e63810473c27ad8ab4d548040cfe3b24d19ce5fb599",
            size=3383,
        ),
        "test": github(
            LISTS,
            LISTS_COMMIT,
            "preprocess/splits/genia/test.txt",
            sha256="29bb07a6b9f98a71b6d7ec473ebec4ddd26d1d9391635564b4829ebffc3c2ec1",
            size=3383,
        ),
    },
    repository=f"https://github.com/{REPOSITORY}",
    commit=COMMIT,
    language="en",
    licence="GENIA Project Licence for Annotated Corpora",
    redistributable=False,
    citation="kim-etal-2003-genia",
    nested=True,
)

LABELS = ("protein", "DNA", "RNA", "cell_line", "cell_type")

MEMBER = "GENIA_term_3.02/GENIAcorpus3.02.xml"
LARGEST = 200_000_000  # bytes of it unpacked; it has 9 million
KIND = re.compile(rf"G#({'|'.join(LABELS)})(?:_|$)")  # `G#protein_molecule` is a protein; `(AND G#protein ...` is no kind

# Numbers, words, and every other sign alone. Signs do not stay in words, because then nearly every entity boundary is a
# token boundary anyway (all but 11 in the corpus) and the tokens of a test sentence say nothing about its entities.
TOKEN = re.compile(r"[0-9]+(?:[.,][0-9]+)+|[A-Za-z0-9]+|[^A-Za-z0-9\s]")

MEND = "The archive is damaged or of another version: fetch it again."


def read(files: Mapping[str, Path]) -> Corpus:
    """The splits of the CNN-NER paper: lists of documents. The id of a sentence is its document and number, `MEDLINE:95369245-0`.

    Raises:
        CorpusError: a list names a document that the corpus does not have, or as `documents`.
    """
    found = dict(documents(files["corpus"]))  # of the article that stands twice, the later copy stays, as in the CNN-NER paper
    splits: dict[str, list[Sentence]] = {}
    for split in ("train", "dev", "test"):
        splits[split] = []
        for number, name in text_lines(files[split]):
            if name not in found:
                raise CorpusError(files[split], number, f"document {name[:60]!r} is not in the corpus", "Fetch both files again.")
            splits[split] += found[name]
    return Corpus("genia", splits, Inventory.of_targets(LABELS))


def documents(path: Path) -> Iterator[tuple[str, list[Sentence]]]:
    """Documents in the archive, read as a stream: MEDLINE id and sentences, the title's first.

    Raises:
        CorpusError: the archive or its XML is broken; names archive, member and line.
    """
    where = f"{path}!{MEMBER}"
    parser: ElementTree.XMLPullParser[Any] = ElementTree.XMLPullParser(("end",))
    number = 0
    try:
        for number, line in enumerate(_lines(path), 1):  # fed by lines, so that an error can name its line
            parser.feed(line)
            for event in parser.read_events():
                element = cast(ElementTree.Element, event[-1])  # an `end` event is a pair
                if element.tag == "article":
                    yield _document(element, where, number)
                    element.clear()
        parser.close()
    except ElementTree.ParseError as error:
        raise CorpusError(where, error.position[0] or number, f"not XML: {error}", MEND) from None


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with tarfile.open(path, "r:gz") as archive:
            member = archive.extractfile(MEMBER)
            if member is None:
                raise KeyError
            if (size := archive.getmember(MEMBER).size) > LARGEST:
                raise CorpusError(path, None, f"{MEMBER} unpacks to {size:,} bytes", MEND)
            yield from member
    except FileNotFoundError:
        raise CorpusError(path, None, "no such file", "Check the path.") from None
    except KeyError:
        raise CorpusError(path, None, f"the archive has no {MEMBER}", MEND) from None
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise CorpusError(path, None, f"not a whole tar.gz archive: {error}", MEND) from None


def _document(article: ElementTree.Element, where: str, line: int) -> tuple[str, list[Sentence]]:
    name = (article.findtext("articleinfo/bibliomisc") or "").strip()
    if not name:
        raise CorpusError(where, line, "an article ends here that has no `bibliomisc`, its MEDLINE id", MEND)
    sentences = []
    for number, element in enumerate(article.iter("sentence")):
        text, spans = _flatten(element)
        if not text.strip():
            raise CorpusError(where, line, f"sentence {number} of {name}, which ends here, is empty", MEND)
        sentences.append(_sentence(f"{name}-{number}", text, spans))
    return name, sentences


def _flatten(element: ElementTree.Element) -> tuple[str, list[Span]]:
    """Text of an element, and the terms in it by characters."""
    text = element.text or ""
    spans: list[Span] = []
    for child in element:
        inner, below = _flatten(child)
        kind = KIND.match(child.get("sem") or "")
        if kind and inner.strip():
            start = len(text) + len(inner) - len(inner.lstrip())
            spans.append((start, start + len(inner.strip()), kind[1]))
        spans += [(start + len(text), end + len(text), label) for start, end, label in below]
        text += inner + (child.tail or "")
    return text, spans


def _sentence(name: str, text: str, spans: list[Span]) -> Sentence:
    """Tokens for characters; terms that are equal in tokens and type count once."""
    tokens = list(tokenise(text, {place for start, end, _ in spans for place in (start, end)}))
    first = {start: i for i, (start, _) in enumerate(tokens)}
    last = {end: i + 1 for i, (_, end) in enumerate(tokens)}
    entities = sorted({(first[start], last[end], label) for start, end, label in spans})
    return Sentence(name, tuple(text[start:end] for start, end in tokens), tuple(Entity(*span) for span in entities))


def tokenise(text: str, boundaries: Collection[int]) -> Iterator[tuple[int, int]]:
    """Tokens as (start, end) in characters; each boundary is the end or start of a token."""
    for match in TOKEN.finditer(text):
        cuts = [match.start(), *sorted(place for place in boundaries if match.start() < place < match.end()), match.end()]
        yield from pairwise(cuts)
