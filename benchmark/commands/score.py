"""`kfbench score`: predictions of any origin against gold, and onto the board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from benchmark.commands.common import AsJson, ParamsFile, commands, print_json
from benchmark.places import PARAMS
from splits.errors import ConfigError

if TYPE_CHECKING:
    from benchmark.board import Claim
    from benchmark.external import Selection
    from benchmark.result import Counts, Score
    from splits.schema import Sentence, Span

PROTOCOLS = ("dev", "last", "test")
PLACE = ("--corpus", "--size", "--draw", "--seed")


@commands.command()
def score(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="[GOLD] PRED", help="Sentences with entities, then predictions: JSONL, or a token and its tag a line."),
    ],
    sample: Annotated[Path | None, typer.Option("--sample", help="Training sample, JSONL: adds F1 on unseen entities.")] = None,
    train: Annotated[Path | None, typer.Option("--train", help="Train split, JSONL: adds F1 without overlapping sentences.")] = None,
    format: Annotated[
        str | None, typer.Option("--format", help="jsonl, bio, iob1, bioes, bmes or bilou; default: guessed from the file.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Leave out entities that the tags spell wrongly, as strict seqeval does.")
    ] = False,
    name: Annotated[str | None, typer.Option("--as", help="Put PRED on the board of the profile here, as this system.")] = None,
    corpus: Annotated[str | None, typer.Option("--corpus", help="With --as: whose test split; GOLD may be left out.")] = None,
    size: Annotated[str | None, typer.Option("--size", help="With --as: the size of the sample it was trained on.")] = None,
    draw: Annotated[int | None, typer.Option("--draw", help="With --as: the draw of that sample.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="With --as: the seed of the run.")] = None,
    protocol: Annotated[str, typer.Option("--protocol", help="With --as: what chose its checkpoint: dev, last or test.")] = "dev",
    note: Annotated[str, typer.Option("--note", help="With --as: what readers should know of the system.")] = "",
    url: Annotated[str, typer.Option("--url", help="With --as: where it is described.")] = "",
    again: Annotated[bool, typer.Option("--replace", help="With --as: in place of a row that is there.")] = False,
    params: ParamsFile = PARAMS,
    as_json: AsJson = False,
) -> None:
    """Entity-level micro P, R and F1, per type, and with types ignored. Lines of JSONL are matched by `id`, all else by order.

    With --as the predictions become an external row of the report: the profile's prepared test split is gold, the declared draw its sample.

    Example: kfbench score data/weibo/test.jsonl results/weibo/knowfree/250/0-0/predictions.jsonl

    Example: kfbench score theirs.bioes --as W2NER --corpus weibo --size 250 --draw 0 --seed 0 --protocol test --url https://example.org
    """
    from benchmark.predictions import read_gold, read_predictions
    from benchmark.scoring import score as score_spans
    from splits.schema import read_jsonl, surfaces

    if len(files) > 2:
        raise ConfigError(f"score takes a GOLD and a PRED, not {len(files)} files", "One file of predictions at a time.")
    gold, predictions = (files[0], files[1]) if len(files) == 2 else (None, files[0])
    if name is not None:
        _no_options(sample=sample, train=train)
        claim = _claim(name, (corpus, size, draw, seed), protocol, note, url, format, strict=strict)
        _show(_onto_board(claim, gold, predictions, params, again=again), as_json, unseen=True, overlap=True)
        return
    _no_options(corpus=corpus, size=size, draw=draw, seed=seed, note=note or None, url=url or None, replace=again or None, board=True)
    if gold is None:
        raise ConfigError("score needs GOLD and PRED", "Give both, or put predictions on the board with --as.")
    sentences = read_gold(gold)
    given = read_predictions(predictions, sentences, format=format, strict=strict)
    if given.repaired:
        how = "left out" if given.dropped else "taken as conlleval takes them; --strict leaves them out, as strict seqeval does"
        typer.echo(f"{predictions}: {given.repaired} entities are not spelt as {given.format} wants: {how}", err=True)
    found = score_spans(
        sentences,
        [frozenset((p.start, p.end, p.label) for p in row) for row in given.rows],
        known=set(surfaces(read_jsonl(sample))) if sample else frozenset(),
        trained={s.text for s in read_jsonl(train)} if train else frozenset(),
    )
    _show(found, as_json, unseen=sample is not None, overlap=train is not None)


def _no_options(*, board: bool = False, **options: object) -> None:
    """Options that would be ignored are refused."""
    for option, value in options.items():
        if value is not None:
            mend = "It describes a row of the board." if board else "The sample is that of the declared draw, train that of the corpus."
            raise ConfigError(f"--{option} goes {'only' if board else 'not'} with --as", mend)


def _claim(
    name: str,
    place: tuple[str | None, str | None, int | None, int | None],
    protocol: str,
    note: str,
    url: str,
    format: str | None,
    *,
    strict: bool,
) -> Claim:
    from benchmark.board import Claim
    from benchmark.result import CellId
    from splits.sample import parse_size

    corpus, size, draw, seed = place
    if corpus is None or size is None or draw is None or seed is None:
        missing = [option for option, value in zip(PLACE, place, strict=True) if value is None]
        raise ConfigError(f"--as needs {', '.join(missing)}", "A row says which sample its system was trained on.")
    if protocol not in PROTOCOLS:
        raise ConfigError(f"--protocol {protocol!r}", f"It is one of: {', '.join(PROTOCOLS)}.")
    cell = CellId(corpus=corpus, variant=name, size=parse_size(size), draw=draw, seed=seed)
    return Claim(cell, cast("Selection", protocol), note, url, format, strict)


def _onto_board(claim: Claim, gold: Path | None, file: Path, params: Path, *, again: bool) -> Score:
    """Check all that is declared, score, then write."""
    from benchmark import board
    from benchmark.config import load_params
    from benchmark.external import FOLDER
    from benchmark.predictions import read_gold
    from benchmark.workspace import Workspace

    board.check(claim, load_params(params))
    workspace = Workspace()
    data = workspace.data(claim.cell.corpus)
    if gold is not None and _content(read_gold(gold)) != _content(data.corpus.splits["test"]):
        what = f"{gold} is not the test split of {claim.cell.corpus} as it is prepared here"
        raise ConfigError(what, "Leave GOLD out: --as knows it.")
    entry = board.assess(claim, file, data, workspace.root / FOLDER)
    folder = board.put(entry, workspace.root / FOLDER, again=again)
    for warning in entry.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(f"{folder}: on the board; `kfbench report` shows it", err=True)
    return entry.external.score


def _content(sentences: list[Sentence]) -> list[tuple[tuple[str, ...], frozenset[Span]]]:
    """Tokens and entities: a file of tags has no ids."""
    return [(sentence.text, sentence.spans) for sentence in sentences]


def _show(found: Score, as_json: bool, *, unseen: bool, overlap: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    rows = _rows(found, unseen=unseen, overlap=overlap)
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
