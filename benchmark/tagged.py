"""Column files of other systems: a token and its tag a line, in IOB1, IOB2, BIOES, BMES or BILOU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from splits.conll import Line, blocks
from splits.errors import CorpusError
from splits.schema import Entity, Sentence, Span

SCHEMES: Mapping[str, str] = {  # prefixes, beside O
    "bio": "BI",
    "iob1": "BI",
    "bioes": "BIES",
    "bmes": "BMES",
    "bilou": "BILU",
}
ALIKE = {"M": "I", "L": "E", "U": "S"}  # BMES and BILOU are BIOES in other letters
HEADER = "-DOCSTART-"  # of CoNLL-2003; no sentence
FORM = "A line is TOKEN, a tab or a space, TAG (O, B-PER, ...); an empty line ends a sentence."


@dataclass(frozen=True, slots=True)
class Tagged:
    """A sentence of a column file; `lines` are the places of its tokens in the file."""

    lines: tuple[int, ...]
    text: tuple[str, ...]
    tags: tuple[str, ...]


def read_tagged(path: Path) -> list[Tagged]:
    """The sentences of a column file: the first column is the token, the last one the tag, whatever stands between.

    The first line says whether columns end at tabs or at spaces, and how many there are.

    Raises:
        CorpusError: a line with more or fewer columns, or no tag; names file and line.
    """
    found: list[Tagged] = []
    tab, width = False, 0
    for block in blocks(path, newline=None, closed=False):
        rows = []
        for number, text in block:
            if not width:
                tab = "\t" in text
            cells = text.split("\t") if tab else [cell for cell in text.split(" ") if cell]
            width = width or len(cells)
            if len(cells) != width or width < 2 or "" in (cells[0], cells[-1]):
                expected = f"{max(width, 2)} columns that end at {'tabs' if tab else 'spaces'}, as in the first line"
                raise CorpusError(path, number, f"expected {expected}, found {text[:60]!r}", FORM)
            _check(path, (number, cells[-1]))
            rows.append((number, cells[0], cells[-1]))
        if [row[1] for row in rows] != [HEADER]:
            found.append(Tagged(*(tuple(column) for column in zip(*rows, strict=True))))
    return found


def _check(path: Path, tag: Line) -> None:
    prefix, dash, kind = tag[1].partition("-")
    if tag[1] != "O" and not (dash and kind and len(prefix) == 1 and prefix in "BIESMLU"):
        raise CorpusError(
            path, tag[0], f"{tag[1][:60]!r} is no tag", "A tag is O, or a letter of BIOES, BMES or BILOU, a dash, and a type."
        )


def scheme_of(path: Path, sentences: Iterable[Tagged], asked: str | None = None) -> str:
    """The scheme whose letters the tags are of: the one asked for, or the first of SCHEMES that fits.

    IOB1 is told from IOB2 by its B-, which stand only where an entity touches another one of its type.

    Raises:
        CorpusError: a tag has a letter of another scheme; names file and line.
    """
    sentences = list(sentences)
    fitting = [asked] if asked else [name for name in SCHEMES if name != "iob1"]
    for sentence in sentences:
        for number, tag in zip(sentence.lines, sentence.tags, strict=True):
            left = [name for name in fitting if tag[0] in f"O{SCHEMES[name]}"]
            if not left:
                mend = "A file has one scheme; name it with --format if it was guessed wrong."
                raise CorpusError(path, number, f"the tag {tag!r} is not of the scheme {' or '.join(fitting)}", mend)
            fitting = left
    if asked is None and fitting[0] == "bio" and _is_iob1(sentences):
        return "iob1"
    return fitting[0]


def _is_iob1(sentences: Iterable[Tagged]) -> bool:
    starts = False
    for sentence in sentences:
        for before, tag in _pairs(sentence.tags):
            if tag[0] == "B" and before[1:] != tag[1:]:
                return False
            starts |= tag[0] == "I" and before[1:] != tag[1:]
    return starts


def _pairs(tags: Sequence[str]) -> Iterator[tuple[str, str]]:
    return zip(("O", *tags), tags, strict=False)


def decode(tags: Sequence[str], scheme: str) -> list[tuple[Span, bool]]:
    """Entities of a sentence's tags, in order, each with whether the scheme spells it so.

    The rule of conlleval, which never drops a tag: B- and S- start an entity; E- and S- end one; I- and E- continue an
    open one of their type, and start one where there is none. What strict seqeval takes are the entities that are True.
    """
    found: list[tuple[Span, bool]] = []
    start, letters, kind = 0, "", ""
    for i, tag in enumerate([*tags, "O"]):
        letter, _, label = tag.partition("-")
        letter = ALIKE.get(letter, letter)
        if letters and letter in "IE" and label == kind and letters[-1] in "BI":
            letters += letter
            continue
        if letters:
            touches = start > 0 and tags[start - 1][1:] == tags[start][1:]
            found.append(((start, i, kind), _well_formed(letters, scheme, touches=touches)))
        start, letters, kind = i, "" if letter == "O" else letter, label
    return found


def _well_formed(letters: str, scheme: str, *, touches: bool) -> bool:
    """`touches`: the entity stands right behind one of its type."""
    if scheme == "bio":
        return letters[0] == "B"
    if scheme == "iob1":
        return letters[0] == "I" or touches
    return letters == "S" or (len(letters) > 1 and letters[0] == "B" and letters[-1] == "E")


def sentences_of(path: Path, scheme: str | None = None) -> list[Sentence]:
    """A column file as sentences with entities, ids `<stem>-<row>`; `repaired` counts entities that the scheme spells otherwise.

    Raises:
        CorpusError: as `read_tagged` and `scheme_of`.
    """
    tagged = read_tagged(path)
    chosen = scheme_of(path, tagged, scheme)
    sentences = []
    for row, one in enumerate(tagged):
        spans = decode(one.tags, chosen)
        entities = tuple(Entity(*span) for span, _ in spans)
        sentences.append(Sentence(f"{path.stem}-{row}", one.text, entities, repaired=sum(not fine for _, fine in spans)))
    return sentences
