"""`kfbench check`: whether a method keeps to what every method must."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.commands.common import AsJson, commands, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from benchmark.conformance.verdict import Result

SIGNS = {"pass": "[green]pass[/]", "fail": "[red]fail[/]", "skip": "[yellow]skip[/]"}


@commands.command()
def check(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="path.py, path.py:Class, or the name of a registered method.")],
    as_json: AsJson = False,
) -> None:
    """Try a method on small data: that it trains, obeys its budget, is repeatable, sees no test, saves and loads, survives odd input.

    All checks are run; exit status 1 if one fails. Nothing is downloaded, and no profile is needed.

    Example: kfbench check span_bert.py
    """
    from rich.console import Console
    from rich.markup import escape

    from benchmark.conformance.run import CHECKS, examine

    console = Console(stderr=as_json, highlight=False)
    with console.status("") as status:
        results = examine(method, lambda name: status.update(f"{name} ({len(CHECKS)} checks)"))
    failed = [result for result in results if result.status == "fail"]
    if as_json:
        print_json({"method": method, "passed": not failed, "checks": [asdict(result) for result in results]})
    else:
        console.print(_table(results))
        for result in failed:
            console.print(f"\n[red]{result.check}[/]: {escape(result.asks)}")
            console.print(f"  {escape(result.evidence)}\n  {escape(result.mend)}", soft_wrap=True)
            if result.traceback:
                console.print(escape(result.traceback), soft_wrap=True)
        passed = sum(result.status == "pass" for result in results)
        console.print(f"{method}: {passed} of {len(results)} checks hold" + (f", {len(failed)} fail" if failed else ""), soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _table(results: list[Result]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table("", "check", "what was seen")
    for result in results:
        table.add_row(SIGNS[result.status], result.check, escape(result.evidence))
    return table
