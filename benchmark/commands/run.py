"""`kfbench plan`, `run`, `gc`: cells of a profile."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.commands.common import AsJson, Corpora, DrawNumbers, ParamsFile, Seeds, Sizes, Variants, commands, filter_of, print_json
from benchmark.places import PARAMS

if TYPE_CHECKING:
    from benchmark.engine import Report
    from benchmark.store import Store


@commands.command()
def plan(
    params: ParamsFile = PARAMS,
    corpus: Corpora = None,
    variant: Variants = None,
    size: Sizes = None,
    draw: DrawNumbers = None,
    seed: Seeds = None,
    cells: Annotated[bool, typer.Option("--cells", help="A line a cell, with failures.")] = False,
    as_json: AsJson = False,
) -> None:
    """Cells of the profile: done, running, failed, stale, missing, and the time left under the engine that is set.

    Example: kfbench plan --corpus weibo --cells
    """
    from rich.console import Console
    from rich.table import Table

    from benchmark.config import load_params
    from benchmark.engine import side_by_side
    from benchmark.local import local
    from benchmark.plan import make_plan
    from benchmark.progress import duration
    from benchmark.status import STATES, seconds_left, states
    from benchmark.store import Store
    from benchmark.workspace import Workspace

    workspace = Workspace()
    found = make_plan(load_params(params), workspace, filter_of(corpus, variant, size, draw, seed))
    store = Store(workspace.store)
    state = states(found, store)
    where = local()
    workers = side_by_side(where, max((cell.training.threads for cell in found.cells), default=1))
    left = seconds_left(found, state, store, workers or 1)
    if as_json:
        rows: list[dict[str, Any]] = []
        for cell, status in zip(found.cells, state, strict=True):
            failure = store.failure(cell.hash) if cell.hash and status == "failed" else None
            rows.append({**cell.id.model_dump(), "hash": cell.hash, "state": status, "error": failure.error if failure else None})
        absent = [vars(pair) for pair in found.not_applicable]
        print_json({"cells": rows, "n/a": absent, "seconds_left": left, "engine": where.engine, "workers": workers})
        return
    console = Console(highlight=False)
    if cells:
        for cell, status in zip(found.cells, state, strict=True):
            failure = store.failure(cell.hash) if cell.hash and status == "failed" else None
            console.print(f"{status:8} {cell.id}" + (f"  {failure.error.splitlines()[0]}" if failure else ""), markup=False)
    table = Table("corpus", "variant", *STATES)
    counts: Counter[tuple[str, str, str]] = Counter((c.id.corpus, c.id.variant, s) for c, s in zip(found.cells, state, strict=True))
    for corpus_name, variant_name in found.pairs:
        numbers = [counts[corpus_name, variant_name, status] for status in STATES]
        if any(numbers):
            table.add_row(corpus_name, variant_name, *(str(n) if n else "" for n in numbers))
    console.print(table)
    for pair in found.not_applicable:
        console.print(f"n/a: {pair.corpus} x {pair.variant}: {pair.reason}", markup=False)
    rest = sum(status != "done" for status in state)
    at_a_time = "one at a time" if (workers or 1) == 1 else f"{workers} at a time"
    time = "none finished yet to estimate from" if left is None else f"about {duration(left)}, {at_a_time} ({where.engine})"
    if workers is None:
        time += "; a cluster's size is not known here: set `workers`"
    console.print(f"{len(state) - rest} of {len(state)} cells done" + (f"; {rest} to go, {time}" if rest else ""))


@commands.command()
def run(
    params: ParamsFile = PARAMS,
    corpus: Corpora = None,
    variant: Variants = None,
    size: Sizes = None,
    draw: DrawNumbers = None,
    seed: Seeds = None,
    record: Annotated[bool, typer.Option("--record", help="Then write results/<corpus>/<variant> anew, as the DVC stage does.")] = False,
    checkpoints: Annotated[bool, typer.Option("--checkpoints", help="Keep the best tagger of each cell in the store.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run again what is done.")] = False,
    all_cells: Annotated[
        bool, typer.Option("--all", help="The whole plan in one go, on the engine that is set; `dvc repro` then only records.")
    ] = False,
) -> None:
    """Run the cells that are not done, on the engine that KFBENCH_ENGINE names; a failing one does not stop the rest.

    Interrupted or killed at any moment, it goes on where it was.

    Example: kfbench run --corpus weibo --variant knowfree --size 250 --draw 0
    """
    given = {"--corpus": corpus, "--variant": variant, "--size": size, "--draw": draw, "--seed": seed}
    if all_cells and any(given.values()):
        from splits.errors import ConfigError

        names = ", ".join(name for name, value in given.items() if value)
        raise ConfigError(f"--all is the whole plan, {names} is not", "Leave out one or the other.")
    from benchmark.collect import collect
    from benchmark.config import load_params
    from benchmark.engine import engine
    from benchmark.index import Index
    from benchmark.plan import Filter, make_plan
    from benchmark.progress import Bar
    from benchmark.store import Store
    from benchmark.worker import Worker, hash_of
    from benchmark.workspace import Workspace

    workspace, profile = Workspace(), load_params(params)
    found = make_plan(profile, workspace, filter_of(corpus, variant, size, draw, seed))
    lacking = next((cell for cell in found.cells if cell.hash is None), None) if all_cells else None
    if lacking is not None:
        hash_of(lacking)  # raises: what stages before training make is to be there before hours are spent
    store = Store(workspace.store)
    worker = Worker(
        profile,
        workspace,
        store,
        checkpoints=checkpoints or profile.checkpoints,
        required=make_plan(profile, workspace, Filter(corpus or ())).required,
        force=force,
    )
    with Bar(store, len(found.cells)) as bar:
        for pair in found.not_applicable:
            bar.console.print(f"n/a: {pair.corpus} x {pair.variant}: {pair.reason}", markup=False)
        report = engine().run(found.cells, worker, bar)
    Index(store).whole(found.hashes)  # cells that were just written or read: a later plan of thousands need not read them
    if record:
        whole = make_plan(profile, workspace, filter_of(corpus, variant, None, None, None))
        collect(whole, store, workspace.results, profile.protocol)
    close(report, store)


def close(report: Report, store: Store) -> None:
    """The last lines of a run, and the exit status."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    console.print(f"{report.count('ran')} run, {report.count('kept')} done before, {len(report.failed)} failed")
    for cell in report.failed:
        failure = store.failure(cell.hash) if cell.hash else None
        last = failure.traceback.rstrip() if failure else ""
        console.print(f"\n{cell.id} failed; run it again with `kfbench run` once mended\n{last}", markup=False)
    if report.interrupted:
        console.print("stopped; what is done is kept")
        raise typer.Exit(130)
    if report.failed:
        raise typer.Exit(1)


@commands.command()
def gc(
    params: ParamsFile = PARAMS,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove cells from the store that are not in the profile's plan, and checkpoints that nothing requires.

    Example: kfbench gc --dry-run
    """
    from benchmark.config import load_params
    from benchmark.plan import make_plan
    from benchmark.store import Store, prune
    from benchmark.workspace import Workspace

    workspace, profile = Workspace(), load_params(params)
    found = make_plan(profile, workspace)
    store = Store(workspace.store)
    unknown = [cell.id for cell in found.cells if cell.hash is None]
    if unknown:
        from splits.errors import ConfigError

        raise ConfigError(
            f"{unknown[0]}: not all that it reads is there, so its stale cells cannot be told from others",
            "Make the data of the whole profile first: `dvc repro -k fuse`.",
        )
    keep = None if profile.checkpoints else found.required
    cells, checkpoints = prune(store, found.hashes, keep, dry_run=True)
    names = store.cells()
    for hash in cells:
        print(f"cell {hash[:12]}  {names.get(hash, '(failed or damaged)')}")
    for hash in checkpoints:
        print(f"checkpoint of {names.get(hash, hash[:12])}")
    if not cells and not checkpoints:
        print("nothing to remove")
        return
    if dry_run or not (yes or typer.confirm(f"Remove {len(cells)} cells and {len(checkpoints)} checkpoints?")):
        return
    prune(store, found.hashes, keep)
    print(f"removed {len(cells)} cells and {len(checkpoints)} checkpoints")
