"""Sentences with their entities, in memory and as the JSONL of the KnowFREE paper."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from splits import plain_json
from splits.errors import CorpusError
from splits.files import text_lines, write_text
from splits.labels import CONTROL

Span = tuple[int, int, str]  # start, end (exclusive), label

NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Entity:
    """A labelled span of tokens: `start` inclusive, `end` exclusive; keys that we do not know stay in `extra`."""

    start: int
    end: int
    label: str
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def span(self) -> Span:
        """What scoring compares: start, end, label."""
        return (self.start, self.end, self.label)


@dataclass(frozen=True, slots=True)
class Sentence:
    """Tokens and entities of one sentence.

    `tags` is the optional `label` column of the paper's format (B-/I-/E- tags), carried but never used to train.
    `repaired` counts tags that the converter had to mend. Keys that we do not know stay in `extra`.
    """

    id: str
    text: tuple[str, ...]
    entities: tuple[Entity, ...] = ()
    tags: tuple[str, ...] | None = None
    repaired: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def spans(self) -> frozenset[Span]:
        """The entities as a set: an entity that stands twice counts once."""
        return frozenset(entity.span for entity in self.entities)

    def surface(self, entity: Entity | Span) -> tuple[str, ...]:
        """The tokens of a span."""
        start, end = (entity.start, entity.end) if isinstance(entity, Entity) else entity[:2]
        return self.text[start:end]


def to_json(sentence: Sentence) -> dict[str, Any]:
    """A sentence as one object of the paper's JSONL; entities in text order carry their tokens."""
    row: dict[str, Any] = {"id": sentence.id, "text": list(sentence.text)}
    if sentence.tags is not None:
        row["label"] = list(sentence.tags)
    row["entities"] = [
        {"start": e.start, "end": e.end, "entity": e.label, "text": list(sentence.surface(e)), **e.extra} for e in sentence.entities
    ]
    if sentence.repaired:
        row["repaired"] = sentence.repaired
    return row | dict(sentence.extra)


def from_json(row: Any, *, file: str | Path, line: int, split: str) -> Sentence:
    """One object of the paper's JSONL as a sentence; a missing id becomes `<split>-<row>`, rows counted from 0.

    Raises:
        CorpusError: a field is missing or of the wrong type, or an entity does not lie in the sentence or does not
            equal its `text`; names file and line.
    """

    def wrong(what: str) -> CorpusError:
        return CorpusError(
            file, line, what, 'A line is {"text": [tokens], "entities": [{"start", "end", "entity", "text"}]}; `end` is exclusive.'
        )

    if not isinstance(row, dict):
        raise wrong(f"expected a JSON object, found {type(row).__name__}")
    text = _strings(row.get("text"))
    if text is None:
        raise wrong("`text` must be a list of strings")
    if not text:
        raise wrong("`text` is empty")
    tags = None
    if row.get("label") is not None:
        tags = _strings(row["label"])
        if tags is None or len(tags) != len(text):
            raise wrong("`label` must be a list of strings as long as `text`")
    entities = row.get("entities")
    if not isinstance(entities, list):
        raise wrong("`entities` must be a list")
    repaired = row.get("repaired", 0)
    if type(repaired) is not int or repaired < 0:
        raise wrong("`repaired` must be a number of tags, 0 or more")
    name = row.get("id")
    if name is not None and type(name) not in (str, int):
        raise wrong("`id` must be a string or a whole number")
    known = {"id", "text", "label", "entities", "repaired"}
    return Sentence(
        id=f"{split}-{line - 1}" if name is None else str(name),
        text=text,
        entities=tuple(_entity(e, text, wrong) for e in entities),
        tags=tags,
        repaired=repaired,
        extra={k: v for k, v in row.items() if k not in known},
    )


def _strings(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    return None


def _entity(row: Any, text: tuple[str, ...], wrong: Any) -> Entity:
    if not isinstance(row, dict):
        raise wrong("an entity must be an object")
    start, end, label = row.get("start"), row.get("end"), row.get("entity")
    if type(start) is not int or type(end) is not int:
        raise wrong("an entity needs integers `start` and `end`")
    if not isinstance(label, str) or not label or label == "O":
        raise wrong(f"an entity needs a label other than O as `entity`, found {label!r}")
    if CONTROL.search(label):
        raise wrong(f"the label {label!r} holds a control character")
    if not 0 <= start < end <= len(text):
        raise wrong(f"entity {start}:{end} does not lie in a sentence of {len(text)} tokens")
    if "text" in row and row["text"] != list(text[start:end]):
        raise wrong(f"entity {start}:{end} says {row['text']!r}, the sentence there {list(text[start:end])!r}")
    return Entity(start, end, label, {k: v for k, v in row.items() if k not in {"start", "end", "entity", "text"}})


def read_jsonl(path: str | Path, *, split: str | None = None) -> list[Sentence]:
    """The sentences of a JSONL file; `split` names ids that the file lacks (default: the file's stem).

    Raises:
        CorpusError: the file is missing, is not UTF-8, or a line cannot be read, or two sentences share an id.
    """
    path = Path(path)
    sentences: list[Sentence] = []
    seen: dict[str, int] = {}
    for number, line in text_lines(path):
        if not line.strip():
            raise CorpusError(path, number, "empty line", "Remove it: every line of a JSONL file is one sentence.")
        try:
            row = plain_json.loads(line)
        except json.JSONDecodeError as error:
            raise CorpusError(path, number, f"not JSON: {error.msg} at column {error.colno}", "Mend or remove the line.") from None
        except ValueError as error:
            raise CorpusError(path, number, str(error), "Mend or remove the line.") from None
        sentence = from_json(row, file=path, line=number, split=split or path.stem)
        if sentence.id in seen:
            raise CorpusError(
                path, number, f"id {sentence.id!r} already stands in line {seen[sentence.id]}", "Ids must be unique in a file."
            )
        seen[sentence.id] = number
        sentences.append(sentence)
    return sentences


def write_jsonl(path: str | Path, sentences: Iterable[Sentence]) -> None:
    """Write sentences a line each, whole or not at all."""
    write_text(path, "".join(json.dumps(to_json(s), ensure_ascii=False) + "\n" for s in sentences))


def content_hash(sentences: Iterable[Sentence]) -> str:
    """sha256 over ids, tokens and entities in the order given: two samples with one hash train the same model."""
    digest = hashlib.sha256()
    for s in sentences:
        row = [s.id, list(s.text), sorted([e.start, e.end, e.label] for e in s.entities)]
        digest.update(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def is_nested(sentences: Iterable[Sentence]) -> bool:
    """True where two entities of a sentence share a token (which a tag per token cannot say)."""
    for sentence in sentences:
        taken: set[int] = set()
        for start, end, _ in sorted(sentence.spans):
            if not taken.isdisjoint(range(start, end)):
                return True
            taken.update(range(start, end))
    return False


def from_tags(tags: Sequence[str]) -> tuple[list[Span], int]:
    """Spans of BIO tags (`O`, `B-X`, `I-X`), and the number of I- tags that had nothing open to continue.

    Such an I-X starts an entity: the repair rule of conlleval.
    """
    spans: list[Span] = []
    start, label, repaired = 0, "", 0
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        if label and not (prefix == "I" and kind == label):
            spans.append((start, i, label))
            label = ""
        if prefix == "B" or (prefix == "I" and not label):
            repaired += prefix == "I"
            start, label = i, kind
    return spans, repaired


def by_id(sentences: Iterable[Sentence]) -> dict[str, Sentence]:
    """Sentences under their ids."""
    return {s.id: s for s in sentences}


def surfaces(sentences: Iterable[Sentence]) -> Iterator[tuple[str, ...]]:
    """The token sequences of all entities."""
    for sentence in sentences:
        for entity in sentence.entities:
            yield sentence.surface(entity)
