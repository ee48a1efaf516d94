"""`make perf`: the plain formulation and the fast path side by side, ratios printed and saved."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from perf import floor, grid, parts, steps
from perf.measure import machine
from perf.tables import Table, as_markdown, write

RESULTS = Path(__file__).parent / "results"
SECTIONS: dict[str, Callable[..., list[Table]]] = {
    "grid": grid.measure,
    "training": steps.training,
    "evaluation": steps.evaluation,
    "parts": parts.measure,
    "floor": floor.measure,
}


def main(
    only: Annotated[list[str] | None, typer.Option(help=f"sections, of: {', '.join(SECTIONS)}")] = None,
    repeats: Annotated[int, typer.Option(help="timed runs of each job")] = 5,
    threads: Annotated[int, typer.Option(help="CPU threads of torch")] = os.cpu_count() or 1,
    quick: Annotated[bool, typer.Option(help="sizes that only show that it runs; written to results/quick")] = False,
    out: Annotated[Path | None, typer.Option(help="folder of the results")] = None,
) -> None:
    """Time the plain formulation and the fast path in turns; a section's figures replace its earlier ones."""
    chosen = only or list(SECTIONS)
    if unknown := set(chosen) - set(SECTIONS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: known are {', '.join(SECTIONS)}", param_hint="--only")
    folder = out or (RESULTS / "quick" if quick else RESULTS)
    for name in chosen:
        here = machine(threads)
        print(f"== {name}", flush=True)
        tables = SECTIONS[name](repeats, threads, quick=quick)
        write(folder, name, tables, here, {"repeats": repeats, "quick": quick})
        print("\n".join(map(as_markdown, tables)), flush=True)


if __name__ == "__main__":
    typer.run(main)
