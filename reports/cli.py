"""The commands of reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from benchmark import places
from benchmark.places import PARAMS
from reports.comparing.command import compare
from reports.gate.command import gate
from reports.power_command import power

commands = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
commands.command()(compare)
commands.command()(gate)
commands.command()(power)


@commands.callback()
def _group() -> None:
    """Reports. Typer makes a command of its own out of a group with one command, unless the group has a callback."""


@commands.command()
def report(
    params: Annotated[Path, typer.Option("--params", help="The profile's parameters.")] = PARAMS,
    results: Annotated[Path, typer.Option("--results", help="Where `kfbench run --record` put the cells.")] = Path("results"),
    out: Annotated[Path, typer.Option("--out", help="The folder to write; a report that stands there is replaced.")] = Path("site"),
    data: Annotated[Path, typer.Option("--data", help="Prepared corpora and draws, for audits and overlaps.")] = Path("data"),
    partial: Annotated[bool, typer.Option("--partial", help="Report what there is and mark the holes.")] = False,
    public: Annotated[bool, typer.Option("--public", help="Leave out sentences of corpora that may not be redistributed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")] = False,
) -> None:
    """Tables, figures and pages over exactly the cells that a profile plans.

    Without --partial a missing cell is an error.

    Examples:

    [bold]kfbench report[/bold]

    [bold]kfbench report --partial --out so-far[/bold]

    [bold]kfbench report --public --out published[/bold]

    [bold]kfbench report --json | jq .f1[/bold]
    """
    from rich.console import Console
    from rich.text import Text

    from benchmark.config import load_params
    from reports import aggregate, build

    profile = load_params(params)
    found = aggregate.read_results(profile, results)
    if not partial:
        aggregate.require_all(found)
    made = build.build(profile, found, data, places.store(Path()), results=results, public=public)
    build.write(made, out)
    if as_json:
        print(json.dumps(build.summary(made, out), ensure_ascii=False, indent=1))
        return
    console = Console()
    console.print(build.on_terminal(made.main))
    if found.gaps:
        console.print(Text(f"{len(found.gaps)} planned cells are missing; the page names them.", style="yellow"))
    for warning in made.warnings:
        console.print(Text(warning, style="yellow"))
    print(out / "index.html")
