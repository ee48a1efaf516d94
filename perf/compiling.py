"""What torch.compile does to an encoder's forward and backward pass, beside the padded one as it is, and the suite's without padding.

Sentences as in `make perf`; each shape is met once before it is timed. `python -m perf.compiling --encoder 6x384`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Annotated

import torch
import typer
from tabulate import tabulate

from benchmark.method import Precision
from benchmark.nn.encoder import Batch, WordEncoder
from benchmark.nn.precision import autocast
from perf.measure import alternate, medians, ratio
from perf.steps import SENTENCES, sample_of
from perf.workload import BATCH, encoder, labels

PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")


def main(
    encoder_name: Annotated[str, typer.Option("--encoder", help="6x384 or bert-base")] = "6x384",
    repeats: Annotated[int, typer.Option(help="timed epochs of each")] = 5,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cuda" if torch.cuda.is_available() else "cpu",
) -> None:
    """Print milliseconds a batch, and the ratio to the padded encoder as it is."""
    names = labels()
    sample = sample_of(names, SENTENCES, seed=1)
    jobs: dict[str, Callable[[], object]] = {}
    first: dict[str, float] = {}
    for way in ("padded", "padded, compiled", *(["without padding"] if device == "cpu" else [])):
        found = encoder(encoder_name).to(device).train()
        found.packs = way == "without padding"
        if way == "padded, compiled":
            found.model.compile(dynamic=True)
        windows = found.windows([s.text for s in sample])
        batches = [found.batch(windows[at : at + BATCH]) for at in range(0, len(windows), BATCH)]
        for precision in PRECISIONS:
            jobs[f"{way} {precision}"] = partial(epoch, found, batches, precision, device)
            started = time.perf_counter()
            jobs[f"{way} {precision}"]()
            first[f"{way} {precision}"] = time.perf_counter() - started
    seconds = medians(alternate(jobs, repeats))
    steps = len(sample) // BATCH
    rows = []
    for name, value in seconds.items():
        base = seconds[f"padded {name.rpartition(' ')[2]}"]
        rows.append([name, 1000 * value / steps, ratio(base, value), first[name]])
    print(tabulate(rows, ["encoder", "ms a batch", "ratio", "first epoch s"], tablefmt="github", floatfmt=".2f"))


def epoch(found: WordEncoder, batches: list[Batch], precision: Precision, device: str) -> None:
    """Forward and backward of every batch."""
    for batch in batches:
        with autocast(device, precision):
            states = found(batch)
        states.float().square().sum().backward()
    if device == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    typer.run(main)
