"""Predictions of any system, as spans of gold's sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.method import Predicted
from benchmark.tagged import SCHEMES, Tagged, decode, read_tagged, scheme_of, sentences_of
from splits import plain_json
from splits.errors import ConfigError, CorpusError
from splits.files import text_lines
from splits.schema import Sentence, read_jsonl

FORMATS = ("jsonl", *SCHEMES)
SAME_SPLIT = "Both files must be of the same split."


@dataclass(frozen=True)
class Predictions:
    """Predicted entities of each sentence of gold, in its order.

    Attributes:
        format: one of FORMATS: as asked, or as found.
        repaired: entities that the tags do not spell as their scheme wants.
        dropped: whether those were left out, as strict seqeval does; otherwise they are in.
    """

    rows: list[list[Predicted]]
    format: str
    repaired: int = 0
    dropped: bool = False


def read_gold(path: Path) -> list[Sentence]:
    """Sentences with entities, JSONL or tags; raises as `read_jsonl` and `sentences_of`."""
    return read_jsonl(path) if _is_jsonl(path) else sentences_of(path)


def read_predictions(path: Path, gold: Sequence[Sentence], *, format: str | None = None, strict: bool = False) -> Predictions:
    """The predicted entities of each gold sentence.

    Args:
        format: one of FORMATS; None: guessed from the first line.
        strict: leave out entities that the tags do not spell as their scheme wants.

    Raises:
        ConfigError: there is no such format.
        CorpusError: a line is no prediction, a sentence is missing, unknown or twice there, its tokens are not gold's,
            or a span does not lie in it; names file and line.
    """
    if format not in (None, *FORMATS):
        raise ConfigError(f"there is no format {format!r}", f"It has: {', '.join(FORMATS)}.")
    if format == "jsonl" or (format is None and _is_jsonl(path)):
        return Predictions(_from_jsonl(path, gold), "jsonl")
    tagged = read_tagged(path)
    scheme = scheme_of(path, tagged, format)
    _same_tokens(path, tagged, gold)
    decoded = [decode(sentence.tags, scheme) for sentence in tagged]
    rows = [[Predicted(*span) for span, fine in spans if fine or not strict] for spans in decoded]
    return Predictions(rows, scheme, sum(not fine for spans in decoded for _, fine in spans), strict)


def _is_jsonl(path: Path) -> bool:
    """Whether the first line opens an object with a key: a token file may well start with a brace."""
    _, first = next(text_lines(path))
    return path.suffix in (".jsonl", ".json") or first.replace(" ", "").startswith('{"')


def _same_tokens(path: Path, tagged: Sequence[Tagged], gold: Sequence[Sentence]) -> None:
    for sentence, expected in zip(tagged, gold, strict=False):
        for i, (number, token) in enumerate(zip(sentence.lines, sentence.text, strict=True)):
            there = repr(expected.text[i]) if i < len(expected.text) else "its end"
            if i >= len(expected.text) or token != expected.text[i]:
                raise CorpusError(path, number, f"the token is {token!r}, gold's sentence {expected.id!r} has {there} here", SAME_SPLIT)
        if len(sentence.text) < len(expected.text):
            what = f"the sentence ends after {len(sentence.text)} tokens, gold's {expected.id!r} has {len(expected.text)}"
            raise CorpusError(path, sentence.lines[-1], what, SAME_SPLIT)
    if len(tagged) > len(gold):
        raise CorpusError(path, tagged[len(gold)].lines[0], f"gold has {len(gold)} sentences only", SAME_SPLIT)
    if len(tagged) < len(gold):
        what = f"{len(gold) - len(tagged)} sentences of gold are missing, the first is {gold[len(tagged)].id!r}"
        raise CorpusError(path, None, what, "An empty line ends a sentence; sentences stand in gold's order.")


def _from_jsonl(path: Path, gold: Sequence[Sentence]) -> list[list[Predicted]]:
    by_id = {sentence.id: sentence for sentence in gold}
    found: dict[str, list[Predicted]] = {}
    for number, line in text_lines(path):
        row = _row(path, number, line)
        if "id" not in row and number > len(gold):
            raise CorpusError(path, number, f"gold has {len(gold)} sentences only", "Predictions without ids go by order.")
        id = str(row["id"]) if "id" in row else gold[number - 1].id
        if id not in by_id:
            raise CorpusError(path, number, f"gold has no sentence {id!r}", SAME_SPLIT)
        if id in found:
            raise CorpusError(path, number, f"sentence {id!r} stands twice", "One line a sentence.")
        found[id] = _entities(path, number, row, by_id[id])
    missing = [id for id in by_id if id not in found]
    if missing:
        raise CorpusError(path, None, f"{len(missing)} sentences of gold are missing, the first is {missing[0]!r}", "A line a sentence.")
    return [found[sentence.id] for sentence in gold]


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = plain_json.loads(line)
    except ValueError as error:
        raise CorpusError(path, number, f"not JSON: {error}", "A line is an object.") from None
    if not isinstance(row, dict) or not isinstance(row.get("entities"), list):
        raise CorpusError(path, number, "expected an object with `entities`", 'A line is {"id", "entities": [{"start", "end", "entity"}]}.')
    return row


def _entities(path: Path, number: int, row: dict[str, Any], sentence: Sentence) -> list[Predicted]:
    if "text" in row and not _says(row["text"], sentence.text):
        raise CorpusError(path, number, f"the tokens are not those of gold's sentence {sentence.id!r}", SAME_SPLIT)
    return [_entity(path, number, entity, sentence) for entity in row["entities"]]


def _entity(path: Path, number: int, entity: Any, sentence: Sentence) -> Predicted:
    try:
        start, end, label = entity["start"], entity["end"], entity["entity"]
    except (KeyError, TypeError):
        raise CorpusError(path, number, f"not an entity: {entity!r}", 'It needs "start", "end" and "entity".') from None
    whole = type(start) is int and type(end) is int and isinstance(label, str) and label
    if not whole or not 0 <= start < end <= len(sentence.text):
        raise CorpusError(path, number, f"{entity!r} does not lie in a sentence of {len(sentence.text)} tokens", "`end` is exclusive.")
    if "text" in entity and not _says(entity["text"], sentence.text[start:end]):
        what = f"entity {start}:{end} says {entity['text']!r}, the sentence there {list(sentence.text[start:end])!r}"
        raise CorpusError(path, number, what, "`end` is exclusive; tokens are counted, not characters.")
    value = entity.get("score")
    if value is not None and (not isinstance(value, int | float) or not math.isfinite(value)):
        raise CorpusError(path, number, f"entity {start}:{end} has the score {value!r}", "A score is a number, or null.")
    return Predicted(start, end, label, None if value is None else float(value))


def _says(text: Any, tokens: Sequence[str]) -> bool:
    """Whether a text, as tokens or as a string, is that of the tokens; blanks between tokens are nobody's."""
    if isinstance(text, str):
        return "".join(text.split()) == "".join("".join(tokens).split())
    return isinstance(text, list) and text == list(tokens)
