"""The command `kfbench power`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from benchmark.places import PARAMS
from splits.errors import KfbenchError


def power(
    difference: Annotated[list[float] | None, typer.Option("--difference", help="F1 points to see; may be repeated.")] = None,
    sd: Annotated[
        float | None, typer.Option("--sd", help="Deviation of the paired difference between draws, F1 points; else observed.")
    ] = None,
    seed_sd: Annotated[
        float | None, typer.Option("--seed-sd", help="With --sd: deviation of the difference between seeds of a draw.")
    ] = None,
    params: Annotated[Path, typer.Option("--params", help="The profile's parameters.")] = PARAMS,
    results: Annotated[Path, typer.Option("--results", help="Where the cells are that the variance is observed in.")] = Path("results"),
    baseline: Annotated[str | None, typer.Option("--baseline", help="Compared with; default: the profile's.")] = None,
    corpus: Annotated[list[str] | None, typer.Option("--corpus", help="Only the variance on these.")] = None,
    variant: Annotated[list[str] | None, typer.Option("--variant", help="Only the variance of these.")] = None,
    size: Annotated[list[str] | None, typer.Option("--size", help="Only the variance at these sizes.")] = None,
    family: Annotated[
        int | None, typer.Option("--family", min=1, help="Differences tested together (Holm); default: as observed, 1 with --sd.")
    ] = None,
    level: Annotated[float, typer.Option("--level", min=0.0001, max=0.5, help="Level of the test.")] = 0.05,
    chance: Annotated[float, typer.Option("--power", min=0.05, max=0.99, help="Chance to see the difference, if it is there.")] = 0.8,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")] = False,
) -> None:
    """How many draws and seeds a difference of so many F1 points needs.

    The variance is that of the paired differences in a profile's results, or given with --sd. The test is that of the report:
    sign flips of whole draws, which no number of seeds can replace.

    Examples:

    [bold]kfbench power --sd 2.5[/bold]

    [bold]kfbench power --difference 1 --difference 2 --corpus weibo[/bold]
    """
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from benchmark.config import load_params
    from reports import aggregate
    from reports.power import MOST, Noise, observe, pooled, table

    if seed_sd is not None and sd is None:
        raise KfbenchError("--seed-sd without --sd", "Give both, or neither: then both are observed.")
    if any(number is not None and not number >= 0 for number in (sd, seed_sd)) or not all(d > 0 for d in difference or []):
        raise KfbenchError("a deviation is at least 0, a difference above 0", "Give F1 points, such as --sd 2.5 --difference 1.")
    observed = []
    if sd is not None:
        noise, tested = Noise(sd, seed_sd), family or 1
    else:
        profile = load_params(params)
        found = aggregate.read_results(profile, results)
        base = baseline or profile.baseline or profile.rows[0]
        wanted = ((corpus, "corpus"), (variant, "variant"), (size, "size"))
        observed = [one for one in observe(found, base) if all(not names or str(getattr(one, key)) in names for names, key in wanted)]
        if not observed:
            raise KfbenchError(
                f"no variant has two draws in common with {base}, so there is no variance to go by",
                "Run more draws, look at other cells (--params, --results, --corpus, ...), or give the deviation: --sd 2.5.",
            )
        columns = [(one.corpus, one.size) for one in observed]
        noise, tested = pooled(observed), family or max(columns.count(column) for column in columns)
    seeds = [1] if noise.seed is None else [1, 2, 3, 5]
    needs = table(noise, difference or [0.5, 1.0, 2.0, 3.0, 5.0], seeds, alpha=level / tested, wanted=chance)
    if as_json:
        needs_out = [asdict(need) | {"runs": need.runs} for need in needs]
        seen = [asdict(one) for one in observed]
        print(
            json.dumps(
                {"noise": asdict(noise), "level": level, "family": tested, "power": chance, "needs": needs_out, "observed": seen}, indent=1
            )
        )
        return
    told = f"{noise.draw:.1f} points between draws" + ("" if noise.seed is None else f", {noise.seed:.1f} between seeds of a draw")
    source = "given" if noise.freedom is None else f"observed, {noise.freedom} degrees of freedom"
    holm = f", corrected for {tested} variants" if tested > 1 else ""
    shown = Table(title="Draws needed")
    shown.add_column("difference", justify="right")
    for k in seeds:
        shown.add_column(f"{k} seed{'s' if k > 1 else ''}", justify="right")
    for i in range(0, len(needs), len(seeds)):
        row = needs[i : i + len(seeds)]
        cells = [
            f"> {MOST}" if need.draws is None else f"{need.draws}" + (f" ({need.runs} runs)" if need.seeds > 1 else "") for need in row
        ]
        shown.add_row(*map(Text, (f"{row[0].difference:g}", *cells)))
    console = Console()
    console.print(shown)
    console.print(f"Power {chance:.0%} at level {level:g}{holm}. Deviation of the paired difference: {told} ({source}).", highlight=False)
    if noise.seed is None and sd is None:
        console.print("One seed was run: what more seeds in a draw would save is not known.")
