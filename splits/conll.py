"""Column files: a token a line, an empty line between sentences."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from splits.errors import CorpusError
from splits.files import text_lines
from splits.schema import Entity, Sentence, from_tags

Line = tuple[int, str]  # number in the file, from 1, and text

DAMAGED = "The file is damaged or of another edition: fetch it again."


def blocks(path: Path, *, newline: str | None, closed: bool = True) -> Iterator[list[Line]]:
    """Runs of lines between empty lines.

    Args:
        newline: the line end of the format; None: whichever the file has.
        closed: an empty line stands after the last sentence too, so its absence says that the file was cut.

    Raises:
        CorpusError: as `text_lines`, or the file ends inside a sentence.
    """
    block: list[Line] = []
    for number, line in text_lines(path, newline=newline):
        if line:
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block and closed:
        raise CorpusError(path, block[-1][0], "the file ends inside a sentence, expected an empty line after it", DAMAGED)
    if block:
        yield block


def columns(path: Path, line: Line, form: str) -> list[str]:
    """The tab-separated columns of a line, as many as `form` (`TOKEN<TAB>TAG`) has, none of them empty.

    Raises:
        CorpusError: names file, line and form.
    """
    number, text = line
    found = text.split("\t")
    if len(found) != form.count("<TAB>") + 1 or "" in found:
        raise CorpusError(path, number, f"expected {form}, found {_short(text)}", DAMAGED)
    return found


def known_tag(path: Path, number: int, tag: str, kinds: Collection[str]) -> str:
    """The tag, if it is `O`, `B-X` or `I-X` with X in `kinds`.

    Raises:
        CorpusError: names file, line and the kinds.
    """
    if tag == "O" or (tag[:2] in ("B-", "I-") and tag[2:] in kinds):
        return tag
    raise CorpusError(path, number, f"unknown tag {_short(tag)}, expected O, or B- or I- and one of: {', '.join(kinds)}", DAMAGED)


def tagged(name: str, text: list[str], tags: list[str]) -> Sentence:
    """A sentence from its BIO tags; `repaired` counts the I- tags with nothing open to continue."""
    spans, repaired = from_tags(tags)
    return Sentence(name, tuple(text), tuple(Entity(*span) for span in spans), repaired=repaired)


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}...")
