"""`kfbench cells`: list them, show one, say why two differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.commands.common import (
    AsJson,
    Corpora,
    DrawNumbers,
    ParamsFile,
    Seeds,
    Sizes,
    Variants,
    commands,
    filter_of,
    print_json,
)
from benchmark.places import PARAMS

if TYPE_CHECKING:
    from benchmark.difference import Difference
    from benchmark.lookup import Cells

cells = typer.Typer(no_args_is_help=True, help="Cells one by one: list, show, diff.")
commands.add_typer(cells, name="cells")

Name = Annotated[str, typer.Argument(metavar="CELL", help="corpus/variant/size/draw-seed, the start of a hash, or a directory.")]


def _cells(params: ParamsFile) -> Cells:
    from benchmark.config import load_params
    from benchmark.lookup import Cells
    from benchmark.workspace import Workspace

    return Cells(load_params(params), Workspace())


@cells.command("list")
def list_cells(
    params: ParamsFile = PARAMS,
    corpus: Corpora = None,
    variant: Variants = None,
    size: Sizes = None,
    draw: DrawNumbers = None,
    seed: Seeds = None,
    everything: Annotated[bool, typer.Option("--all", help="Also cells of the store that are not planned.")] = False,
    as_json: AsJson = False,
) -> None:
    """State, hash and name of the planned cells, a line each.

    Example: kfbench cells list --corpus weibo --all
    """
    from benchmark.plan import make_plan
    from benchmark.status import states

    found = _cells(params)
    only = filter_of(corpus, variant, size, draw, seed)
    plan = make_plan(found.params, found.workspace, only)
    rows: list[dict[str, Any]] = [
        {"state": state, "hash": cell.hash, "cell": str(cell.id)} for cell, state in zip(plan.cells, states(plan, found.store), strict=True)
    ]
    if everything:
        others = {hash: id for hash, id in found.store.cells().items() if hash not in plan.hashes and only.cell(id)}
        rows += [{"state": "stored", "hash": hash, "cell": str(id)} for hash, id in others.items()]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        typer.echo(f"{row['state']:8} {(row['hash'] or '-')[:12]:12} {row['cell']}")


@cells.command()
def show(name: Name, params: ParamsFile = PARAMS, as_json: AsJson = False) -> None:
    """What a cell is: its configuration, its code, its scores, and where and when it ran.

    Example: kfbench cells show weibo/bert_crf/250/0-0
    """
    import yaml

    side = _cells(params).find(name)
    score = (
        {protocol: score.micro.model_dump() | {"f1": score.micro.f1} for protocol, score in side.metrics.scores.items()}
        if side.metrics
        else None
    )
    run = (
        {k: v for k, v in side.run.provenance.items() if k not in ("config", "modules")} | {"seconds": side.run.seconds}
        if side.run
        else None
    )
    row = {
        "cell": side.cell,
        "hash": side.hash,
        "config": dict(side.config) if side.config else None,
        "modules": dict(side.modules) if side.modules else None,
        "scores": score,
        "run": run,
    }
    if as_json:
        print_json(row)
    else:
        typer.echo(yaml.safe_dump(row, allow_unicode=True, sort_keys=False), nl=False)


@cells.command()
def diff(
    name: Name,
    other: Annotated[str | None, typer.Argument(metavar="[CELL]", help="Left out: what the store has under the name of the first.")] = None,
    params: ParamsFile = PARAMS,
    as_json: AsJson = False,
) -> None:
    """Why two cells differ: configuration, data, encoder, code, environment, and scores.

    With one cell: why what the store has of it is stale.

    Example: kfbench cells diff weibo/bert_crf/250/0-0

    Example: kfbench cells diff 3fa94c 71b20e --json
    """
    from benchmark.difference import compare

    found = _cells(params)
    if other is not None:
        pairs = [(found.find(name), found.find(other))]
    else:
        now = found.planned(found.find(name).cell)
        pairs = [(old, now) for old in found.others(now)]
    differences = [compare(a, b) for a, b in pairs]
    if as_json:
        print_json([difference.to_json() for difference in differences])
        return
    if not differences:
        typer.echo(f"the store has no other cell {now.cell}; {'it is done' if now.metrics else 'it has not been run'}")
    for difference in differences:
        _print(difference)


def _print(difference: Difference) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from benchmark.difference import GROUPS, shown

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"A  {difference.a.name}\nB  {difference.b.name}", markup=False)
    if difference.same_hash:
        console.print("the same cell: configuration, data and code agree")
    table = Table("", "", "A", "B")
    for column in table.columns:
        column.overflow = "fold"
    for group in GROUPS:
        for i, change in enumerate(difference.of(group)):
            table.add_row(group if i == 0 else "", *(Text(text) for text in (change.key, shown(change.a), shown(change.b))))
        table.add_section()
    if table.row_count:
        Console(highlight=False).print(table)
    for note in difference.notes:
        console.print(note, markup=False)
