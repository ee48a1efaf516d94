"""The command `kfbench gate`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.places import PARAMS

if TYPE_CHECKING:
    from rich.console import Console

    from reports.gate.current import Profile
    from reports.gate.judge import Exact, Judgement
    from reports.gate.reference import Block, Reference

REFERENCE = Path("reference.json")
TOLERANCE = 1.0


def gate(
    reference: Annotated[Path, typer.Option("--reference", help="What `--update` wrote: the cells to compare with.")] = REFERENCE,
    tolerance: Annotated[float, typer.Option("--tolerance", help="Points of F1 that a block may lose.")] = TOLERANCE,
    params: Annotated[Path, typer.Option("--params", help="The profile's params file.")] = PARAMS,
    exact: Annotated[
        bool | None,
        typer.Option("--exact/--no-exact", help="Ask for the same bytes of every cell, or of none; else on the reference's machine."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="New cells and notes fail too.")] = False,
    update: Annotated[bool, typer.Option("--update", help="Write the reference from the cells as they are now.")] = False,
    sensitivity: Annotated[bool, typer.Option("--sensitivity", help="Only say how small a loss each block's gate would see.")] = False,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML here.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write a summary in Markdown here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")] = False,
) -> None:
    """Fail where F1 got worse than a stored reference: same cells, same draws, same seeds.

    Exit 1 when the interval of a paired difference lies below the tolerance, when bytes differ on the reference's machine, and when a
    cell of the reference is missing, failed, stale, no longer planned or not comparable. `kfbench run` makes the cells.

    Example: kfbench gate --tolerance 0.5 --junit gate.xml --markdown gate.md
    """
    from rich.console import Console

    from benchmark.config import load_params
    from benchmark.workspace import Workspace
    from reports.gate import output
    from reports.gate.current import read_profile
    from reports.gate.judge import judge
    from reports.gate.reference import read_reference
    from splits.errors import KfbenchError

    asked: Exact = "auto" if exact is None else "always" if exact else "never"
    try:
        if sensitivity:
            _sensitivity(read_reference(reference), tolerance, as_json=as_json)
            return
        profile = read_profile(load_params(params), Workspace())
        if update:
            _update(profile, reference, tolerance)
            return
        found = judge(profile, read_reference(reference), tolerance=tolerance, exact=asked, strict=strict, watch=_progress)
    except KfbenchError as error:
        _write(junit, output.junit_error(str(error)))
        _write(markdown, f"{output.BAD} **gate: error.** {error}\n")
        raise
    _write(junit, output.junit(found, str(reference)))
    _write(markdown, output.markdown(found, str(reference)))
    if as_json:
        print(json.dumps(output.as_json(found, str(reference)), ensure_ascii=False, indent=1))
    else:
        _show(found, str(reference), Console(highlight=False))
    if not found.passed:
        raise typer.Exit(1)


def _show(found: Judgement, reference: str, console: Console) -> None:
    from reports.gate import output

    console.print(output.on_terminal(found))
    for line in output.remarks(found):
        console.print(line, markup=False, soft_wrap=True)
    console.print(output.headline(found), style="green" if found.passed else "bold red")
    for line in output.advice(found, reference):
        console.print(line, markup=False, soft_wrap=True)


def _sensitivity(stored: Reference, tolerance: float, *, as_json: bool) -> None:
    from dataclasses import asdict

    from rich.console import Console

    from reports.gate import output
    from reports.gate.judge import check_tolerance
    from reports.gate.sensitivity import sensitivity

    check_tolerance(tolerance)
    seen = list(sensitivity(stored, tolerance=tolerance, watch=_progress))
    if as_json:
        print(json.dumps([asdict(row) for row in seen], ensure_ascii=False, indent=1))
    else:
        Console(highlight=False).print(output.sees_on_terminal(seen, tolerance))


def _update(profile: Profile, reference: Path, tolerance: float) -> None:
    """Write, and show what it changes of the reference that stood there."""
    from contextlib import suppress

    from rich.console import Console

    from reports.gate import output
    from reports.gate.judge import judge
    from reports.gate.reference import read_reference, write_reference
    from reports.gate.update import make_reference
    from splits.errors import KfbenchError

    console = Console(highlight=False)
    made = make_reference(profile)
    with suppress(KfbenchError):  # none, or one that says nothing any more
        console.print(output.on_terminal(judge(profile, read_reference(reference), tolerance=tolerance, watch=_progress)))
    write_reference(reference, made)
    if made.written["dirty"] or any(cell.dirty for cell in made.cells.values()):
        console.print("note: some of it was computed with uncommitted changes; the reference says so", style="yellow")
    console.print(f"{reference}: {len(made.cells)} cells", markup=False)


def _progress(blocks: Sequence[Block]) -> Iterable[Block]:
    from rich.console import Console
    from rich.progress import track

    return track(blocks, description="comparing", console=Console(stderr=True), transient=True)


def _write(path: Path | None, text: str) -> None:
    from splits.files import write_text

    if path is not None:
        write_text(path, text)
