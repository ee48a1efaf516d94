"""`kfbench score`: predictions of any origin against gold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.commands.common import AsJson, commands, print_json
from splits.errors import CorpusError
from splits.files import text_lines
from splits.schema import Sentence, Span, read_jsonl, surfaces

if TYPE_CHECKING:
    from benchmark.result import Counts, Score


@commands.command()
def score(
    gold: Annotated[Path, typer.Argument(metavar="GOLD", help="Sentences with entities, JSONL.")],
    predictions: Annotated[Path, typer.Argument(metavar="PRED", help="JSONL: {id, entities} a line, or sentences with entities.")],
    sample: Annotated[Path | None, typer.Option("--sample", help="Training sample, JSONL: adds F1 on unseen entities.")] = None,
    train: Annotated[Path | None, typer.Option("--train", help="Train split, JSONL: adds F1 without overlapping sentences.")] = None,
    as_json: AsJson = False,
) -> None:
    """Entity-level micro P, R and F1, per type, and with types ignored. Lines are matched by `id`, or by order without ids.

    Example: kfbench score data/weibo/test.jsonl results/weibo/knowfree/250/0-0/predictions.jsonl
    """
    from rich.console import Console
    from rich.table import Table

    from benchmark.scoring import score as score_spans

    sentences = read_jsonl(gold)
    found = score_spans(
        sentences,
        read_predictions(predictions, sentences),
        known=set(surfaces(read_jsonl(sample))) if sample else frozenset(),
        trained={s.text for s in read_jsonl(train)} if train else frozenset(),
    )
    rows = _rows(found, unseen=sample is not None, overlap=train is not None)
    if as_json:
        print_json({name: _json(counts) for name, counts in rows} | {"types": {t: _json(c) for t, c in found.types.items()}})
        return
    table = Table("", "P", "R", "F1", "gold", "predicted", "correct")
    for name, counts in [*rows, *found.types.items()]:
        numbers = (f"{100 * value:.2f}" for value in (counts.precision, counts.recall, counts.f1))
        table.add_row(name, *numbers, str(counts.gold), str(counts.pred), str(counts.tp))
    Console().print(table)


def _rows(found: Score, *, unseen: bool, overlap: bool) -> list[tuple[str, Counts]]:
    rows = [("micro", found.micro), ("boundary", found.boundary)]
    if unseen:
        rows.append(("unseen", found.unseen))
    if overlap:
        rows.append(("no_overlap", found.no_overlap))
    return rows


def _json(counts: Counts) -> dict[str, Any]:
    return {"precision": counts.precision, "recall": counts.recall, "f1": counts.f1, **counts.model_dump()}


def read_predictions(path: Path, gold: list[Sentence]) -> list[frozenset[Span]]:
    """The predicted spans of each gold sentence.

    Raises:
        CorpusError: a line is no prediction, a sentence is missing, unknown or twice there, or a span does not lie in it.
    """
    by_id = {sentence.id: sentence for sentence in gold}
    found: dict[str, frozenset[Span]] = {}
    for number, line in text_lines(path):
        row = _row(path, number, line)
        if "id" not in row and number > len(gold):
            raise CorpusError(path, number, f"gold has {len(gold)} sentences only", "Predictions without ids go by order.")
        id = str(row["id"]) if "id" in row else gold[number - 1].id
        if id not in by_id:
            raise CorpusError(path, number, f"gold has no sentence {id!r}", "Both files must be of the same split.")
        if id in found:
            raise CorpusError(path, number, f"sentence {id!r} stands twice", "One line a sentence.")
        found[id] = _spans(path, number, row, by_id[id])
    missing = [id for id in by_id if id not in found]
    if missing:
        raise CorpusError(path, None, f"{len(missing)} sentences of gold are missing, the first is {missing[0]!r}", "A line a sentence.")
    return [found[sentence.id] for sentence in gold]


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise CorpusError(path, number, f"not JSON: {error}", "A line is an object.") from None
    if not isinstance(row, dict) or not isinstance(row.get("entities"), list):
        raise CorpusError(path, number, "expected an object with `entities`", 'A line is {"id", "entities": [{"start", "end", "entity"}]}.')
    return row


def _spans(path: Path, number: int, row: dict[str, Any], sentence: Sentence) -> frozenset[Span]:
    if "text" in row and list(row["text"]) != list(sentence.text):
        raise CorpusError(
            path, number, f"the tokens are not those of gold's sentence {sentence.id!r}", "Both files must be of the same split."
        )
    spans = set()
    for entity in row["entities"]:
        try:
            start, end, label = entity["start"], entity["end"], entity["entity"]
        except (KeyError, TypeError):
            raise CorpusError(path, number, f"not an entity: {entity!r}", 'It needs "start", "end" and "entity".') from None
        whole = type(start) is int and type(end) is int and isinstance(label, str)
        if not whole or not 0 <= start < end <= len(sentence.text):
            raise CorpusError(path, number, f"{entity!r} does not lie in a sentence of {len(sentence.text)} tokens", "`end` is exclusive.")
        spans.add((start, end, label))
    return frozenset(spans)
