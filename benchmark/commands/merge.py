"""`kfbench merge`: results of several machines into one profile."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.commands.common import AsJson, ParamsFile, commands, print_json
from benchmark.places import PARAMS

if TYPE_CHECKING:
    from benchmark.merge import Outcome, Survey
    from benchmark.store import Store


@commands.command()
def merge(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Profiles' directories, or their .kfbench/store.")],
    into: Annotated[Path, typer.Option("--into", help="The profile that gets the cells.")] = Path(),
    params: ParamsFile = PARAMS,
    matching: Annotated[bool, typer.Option("--matching", help="Leave out cells of another plan instead of refusing all.")] = False,
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="Copy taggers too; those that a planned cell needs always are.")
    ] = False,
    record: Annotated[bool, typer.Option("--record", help="Then write results/ anew from all cells that are done.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be copied.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copy the cells that the profile plans and lacks from other machines' stores, each checked byte for byte.

    A done cell is never overwritten; a store with cells of another plan is refused. Stopped, it goes on where it was.

    Example: kfbench merge /mnt/a/knowfree-bench /mnt/b/store --into . --dry-run
    """
    from benchmark.collect import collect
    from benchmark.config import load_params
    from benchmark.index import Index
    from benchmark.lookup import Cells
    from benchmark.merge import Outcome, refuse_mixtures, survey
    from benchmark.merge import merge as copy
    from benchmark.plan import make_plan
    from benchmark.workspace import Workspace
    from splits.errors import ConfigError

    if not (into / params).is_file():
        raise ConfigError(f"{into / params}: no such file", "--into is a profile's directory: one with a params.yaml.")
    sources = list(dict.fromkeys(directory.resolve() for directory in directories))
    with chdir(into):  # relative names in a profile are meant from its directory
        workspace, profile = Workspace(), load_params(params)
        plan = make_plan(profile, workspace)
        cells = Cells(profile, workspace)
        found = survey(plan, cells, sources)
        if not matching:
            refuse_mixtures(found)
        outcome = Outcome()
        if not dry_run:
            with _Bar(len(found.wanted)) as bar:
                kept = plan.hashes if checkpoints or profile.checkpoints else plan.required
                outcome = copy(found, cells.store, kept, bar)
            lacking = len(plan.hashes) - len(Index(cells.store).whole(plan.hashes))
            if record:
                collect(plan, cells.store, workspace.results, profile.protocol)
        else:
            lacking = len(plan.hashes) - len(Index(cells.store).whole(plan.hashes)) - len(found.wanted)
    if as_json:
        print_json(_json(found, outcome, lacking, dry_run=dry_run))
    else:
        _print(found, outcome, cells.store, lacking, dry_run=dry_run)
    if outcome.damaged or outcome.busy:
        raise typer.Exit(1)


class _Bar:
    """Cell k of n and its name, on a terminal."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=total)
        self._begun = 0

    def __enter__(self) -> _Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, name: str) -> None:
        self._bar.update(self._task, completed=self._begun, description=name)
        self._begun += 1


def _json(found: Survey, outcome: Outcome, lacking: int, *, dry_run: bool) -> dict[str, Any]:
    return {
        "plan": found.plan,
        "dry_run": dry_run,
        "sources": [{"directory": str(given), "plan": theirs, "ours": ours} for given, (theirs, ours) in found.plans.items()],
        "wanted": [str(places[0].cell.id) for places in found.wanted.values()],
        "copied": outcome.copied,
        "here": [*found.here, *outcome.here],
        "busy": outcome.busy,
        "damaged": outcome.damaged,
        "different": [{"cell": one.name, "directory": str(one.given), "reasons": one.reasons} for one in found.different],
        "unplanned": found.unplanned,
        "unlike": list(found.unlike),
        "lacking": lacking,
    }


def _print(found: Survey, outcome: Outcome, store: Store, lacking: int, *, dry_run: bool) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    if dry_run:
        for places in found.wanted.values():
            console.print(f"{places[0].cell.id}  from {places[0].given}", markup=False)
    for warning in store.moved:
        console.print(f"warning: {warning}", markup=False)
    for name, wrong in outcome.damaged.items():
        console.print(f"damaged, not copied: {name}: {wrong}", markup=False)
    for name in outcome.busy:
        console.print(f"another process is at work on it here, not copied: {name}", markup=False)
    for name in found.unlike:
        console.print(f"two machines have it with other scores; the first stays: {name}", markup=False)
    for different in found.different:
        console.print(f"of another plan, left out: {different.name} in {different.given}: {'; '.join(different.reasons)}", markup=False)
    copied = f"{len(found.wanted)} would be copied" if dry_run else f"{len(outcome.copied)} copied"
    console.print(
        f"plan {found.plan[:12]}: {copied}, {len(found.here) + len(outcome.here)} here before, {len(outcome.damaged)} damaged, "
        f"{len(outcome.busy)} busy, {found.unplanned} not of the plan; {lacking} planned cells still lacking"
    )
