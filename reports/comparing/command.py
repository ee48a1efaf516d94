"""`kfbench compare`: one method against another, fairly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.places import PARAMS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from reports.comparing.verdict import Verdict


def compare(
    method: Annotated[
        str, typer.Argument(metavar="METHOD", help="path.py, path.py:Class, a variant of the profile, or a registered method.")
    ],
    against: Annotated[str | None, typer.Option("--against", help="The same. Default: the profile's baseline.")] = None,
    corpus: Annotated[list[str] | None, typer.Option("--corpus", help="Repeatable. Default: those of the profile.")] = None,
    size: Annotated[list[str] | None, typer.Option("--size", help="250, or k5; repeatable. Default: those of the profile.")] = None,
    draws: Annotated[int | None, typer.Option("--draws", min=1, help="How many draws. Default: as the profile.")] = None,
    seed: Annotated[list[int] | None, typer.Option("--seed", help="Repeatable. Default: those of the profile.")] = None,
    param: Annotated[list[str] | None, typer.Option("--param", help="key=value: a hyper-parameter of METHOD; repeatable.")] = None,
    own: Annotated[
        bool, typer.Option("--own-params", help="Leave METHOD its own defaults where the profile's methods share a value.")
    ] = False,
    name: Annotated[str | None, typer.Option("--name", help="What to call METHOD's row. Default: its own name.")] = None,
    params: Annotated[Path, typer.Option("--params", help="The profile's params file.")] = PARAMS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")] = False,
) -> None:
    """Compare a method with another on the same draws: run what is missing, print the paired difference and what it proves.

    Run it in a profile's directory. Nothing is written but cells in the store.

    Example: [bold]kfbench compare span_bert.py --against bert_crf --corpus demo_zh --size 120 --draws 6[/bold]
    """
    from rich.console import Console
    from rich.markup import escape

    from benchmark.commands.common import sizes_of
    from benchmark.commands.run import close
    from benchmark.config import load_params
    from benchmark.store import Store
    from benchmark.workspace import Workspace
    from reports.comparing.cells import run
    from reports.comparing.request import request, settings_of
    from reports.comparing.verdict import judge, unequal

    asked = request(
        load_params(params),
        method,
        against,
        name=name,
        settings=settings_of(param or []),
        own=own,
        corpora=corpus or (),
        sizes=sizes_of(size),
        draws=draws,
        seeds=seed or (),
    )
    methods = Workspace().methods
    said = {v: methods.declared(asked.params.methods[v].method, asked.params.methods[v].params) for v in (asked.variant, asked.baseline)}
    settings, artefacts = {v: one.params for v, one in said.items()}, {v: one.artefacts for v, one in said.items()}
    progress = Console(stderr=True, highlight=False)
    for note in unequal(asked, settings, artefacts):  # before hours are spent on it; said again beside the verdict
        progress.print(f"[yellow]note:[/] {escape(note)}", soft_wrap=True)
    ran = run(asked, Path())
    found = None if ran.report.interrupted else judge(asked, ran, settings, artefacts)
    if found is not None and as_json:
        print(json.dumps(found.to_json(), ensure_ascii=False, indent=1))
    elif found is not None:
        _show(found, Console(highlight=False))
    close(ran.report, Store(Workspace().store))


def _show(found: Verdict, console: Console) -> None:
    from rich.markup import escape

    if found.lines:
        console.print(_table(found))
    else:
        console.print("There is nothing to compare.")
    for line in found.lines:
        console.print(escape(line.words), soft_wrap=True)
    for note in found.notes:
        console.print(f"[yellow]note:[/] {escape(note)}", soft_wrap=True)


def _table(found: Verdict) -> Table:
    from rich.box import SIMPLE
    from rich.markup import escape
    from rich.table import Table

    title = f"{found.variant} against {found.baseline}: F1 on test, protocol {found.protocol}"
    table = Table(title=title, box=SIMPLE, title_justify="left", padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", no_wrap=True)
    for head in ("draws", "F1", "against", "difference, 95 %", "p", "min p", "wins"):
        table.add_column(head, justify="right", no_wrap=True)
    for line in found.lines:
        one = line.comparison
        interval = "" if one.difference is None else f" [{100 * one.difference.low:+.1f}, {100 * one.difference.high:+.1f}]"
        table.add_row(
            f"{one.corpus} {'all sizes' if one.size is None else one.size}",
            str(one.draws),
            *("" if number is None else f"{100 * number:.1f}" for number in (line.f1, line.baseline_f1)),
            escape(f"{100 * one.mean:+.1f}{interval}"),
            "-" if one.draws < 2 else f"{one.p:.2g}",
            f"{one.smallest_p:.2g}",
            f"{one.improvement:.2f}",
        )
    return table
