"""`kfbench doctor`: is this installation fit to run."""

from __future__ import annotations

from dataclasses import asdict, replace

import typer

from benchmark.commands.common import AsJson, commands, print_json
from splits.terminal import shown

COLOURS = {"ok": "green", "note": "yellow", "problem": "red"}


@commands.command()
def doctor(as_json: AsJson = False) -> None:
    """What is installed, what is missing, which device, whether the mirror is there. Fails only where something must be mended.

    Example: kfbench doctor --json
    """
    from rich.console import Console

    from benchmark.doctor import examine

    found = [replace(finding, detail=shown(finding.detail)) for finding in examine()]  # an address in the environment may hold a password
    if as_json:
        print_json([asdict(finding) for finding in found])
    else:
        console = Console(highlight=False, soft_wrap=True)
        for finding in found:
            console.print(f"[{COLOURS[finding.state]}]{finding.state:8}[/]{finding.name:14}", end="")
            console.print(finding.detail + (f"\n{'':22}{finding.mend}" if finding.mend else ""), markup=False)
    if any(finding.state == "problem" for finding in found):
        raise typer.Exit(1)
