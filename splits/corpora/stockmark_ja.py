"""Stockmark's NER of Japanese Wikipedia, version 2.0 (Omi 2021): 8 types, characters as tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from splits.corpus import Corpus
from splits.errors import CorpusError
from splits.files import text_lines
from splits.labels import Inventory
from splits.partition import hash_order, verify
from splits.schema import Entity, Sentence
from splits.source import Source, github

REPOSITORY, COMMIT = "stockmarkteam/ner-wikipedia-dataset", "5e525c2132c0e87cce890b8b92639a0cf357c1f3"

SOURCE = Source(
    files={
        "ner": github(
            REPOSITORY,
            COMMIT,
            "ner.json",
            sha256="5796effb85c473aec5b85784545349ed42e408bb0fecdb78f82bc107d53edbe3",
            size=4042700,
        )
    },
    repository=f"https://github.com/{REPOSITORY}",
    commit=COMMIT,
    language="ja",
    licence="CC BY-SA 3.0",
    redistributable=True,
    citation="omi-2021-wikipedia",
)

LABELS = ("人名", "法人名", "地名", "製品名", "政治的組織名", "施設名", "その他の組織名", "イベント名")

RULE = (
    "pages by sha256('stockmark_ja split 1:' + curid): dev takes whole pages until it has a tenth of the rows, "
    "then test likewise, train the rest; every part in upstream's order"
)
SALT = "stockmark_ja split 1"

FORM = 'A row is {"curid", "text", "entities": [{"name", "span": [start, end], "type"}]}: fetch the file again.'


def read(files: Mapping[str, Path]) -> Corpus:
    """Train, dev and test by page; the id of a sentence is upstream's row, `ner-17`.

    Raises:
        KfbenchError: the split is not the committed one.
    """
    rows = list(_rows(files["ner"]))
    sentences = {s.id: s for s, _ in rows}
    parts = partition([(s.id, page) for s, page in rows])
    verify("stockmark_ja", parts)
    return Corpus("stockmark_ja", {part: [sentences[name] for name in ids] for part, ids in parts.items()}, Inventory.of_targets(LABELS))


def partition(rows: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Ids of train, dev and test from (id, page): rows of a page stay together, or test would hold what train has seen."""
    size: dict[str, int] = {}
    for _, page in rows:
        size[page] = size.get(page, 0) + 1
    part_of: dict[str, str] = {}
    filled = {"dev": 0, "test": 0}
    for page in hash_order(size, SALT):
        part = next((part for part, count in filled.items() if count * 10 < len(rows)), "train")
        part_of[page] = part
        if part in filled:
            filled[part] += size[page]
    return {part: [name for name, page in rows if part_of[page] == part] for part in ("train", "dev", "test")}


def _rows(path: Path) -> Iterator[tuple[Sentence, str]]:
    """Sentences and their pages; a space is a token like any other character."""
    for number, (line, row) in enumerate(_objects(path)):

        def wrong(what: str, line: int = line) -> CorpusError:
            return CorpusError(path, line, what, FORM)

        if not isinstance(row, dict) or not isinstance(row.get("curid"), str) or not isinstance(row.get("entities"), list):
            raise wrong("expected an object with a string `curid` and a list `entities`")
        text = row.get("text")
        if not isinstance(text, str) or not text:
            raise wrong("`text` must be a string, and not empty")
        entities = sorted((_entity(entity, text, wrong) for entity in row["entities"]), key=lambda e: e.span)
        yield Sentence(f"ner-{number}", tuple(text), tuple(entities)), row["curid"]


def _entity(row: Any, text: str, wrong: Any) -> Entity:
    span = row.get("span") if isinstance(row, dict) else None
    if not isinstance(span, list) or len(span) != 2 or any(type(place) is not int for place in span):
        raise wrong("an entity needs a `span` of two integers")
    start, end = span
    if row.get("type") not in LABELS:
        raise wrong(f"unknown type {row.get('type')!r}, expected one of: {', '.join(LABELS)}")
    if not 0 <= start < end <= len(text) or text[start:end] != row.get("name"):
        raise wrong(f"entity {start}:{end} says {row.get('name')!r}, the text there {text[max(start, 0) : max(end, 0)]!r}")
    return Entity(start, end, row["type"])


def _objects(path: Path) -> Iterator[tuple[int, Any]]:
    """The members of a JSON list and the line (from 1) where each begins; json.loads would lose the lines.

    Raises:
        CorpusError: not a JSON list, or it is cut short.
    """
    text = "\n".join(line for _, line in text_lines(path, newline="\n"))
    decoder = json.JSONDecoder()
    place, line = 0, 1

    def skip() -> str:
        """Move past blanks, counting lines; the character there, or none at the end."""
        nonlocal place, line
        while place < len(text) and text[place] in " \t\n":
            line += text[place] == "\n"
            place += 1
        return text[place : place + 1]

    def expect(marks: str) -> str:
        nonlocal place
        found = skip()
        if not found or found not in marks:
            raise CorpusError(path, line, f"expected {' or '.join(marks)}, found {found or 'the end of the file'}", FORM)
        place += 1
        return found

    expect("[")
    while True:
        skip()
        try:
            row, end = decoder.raw_decode(text, place)
        except json.JSONDecodeError as error:
            raise CorpusError(path, error.lineno, f"not JSON: {error.msg} at column {error.colno}", FORM) from None
        yield line, row
        line += text.count("\n", place, end)
        place = end
        if expect(",]") == "]":
            break
    if skip():
        raise CorpusError(path, line, "something follows the end of the list", FORM)
