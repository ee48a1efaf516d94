"""Training steps on a GPU: seconds, memory, utilisation. Plain and fast, in fp32 and bf16, and fast in fp16.

`python -m perf.gpu`
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import torch
import typer

from perf.measure import alternate, machine, medians, ratio
from perf.steps import SENTENCES, sample_of, suite_epoch, train_jobs
from perf.tables import Table, as_markdown, write
from perf.workload import BATCH, Kind, labels, model
from perf.workload import encoder as encoder_of

RESULTS = Path(__file__).parent / "results" / "gpu"
KINDS: tuple[Kind, ...] = ("knowfree", "cnn_ner")
EVERY = 0.05  # seconds between two looks at the utilisation


def main(
    repeats: Annotated[int, typer.Option(help="timed epochs of each formulation")] = 5,
    encoder: Annotated[str, typer.Option(help="tiny, 6x384 or bert-base")] = "bert-base",
    sentences: Annotated[int, typer.Option(help="of an epoch, a multiple of the batch size 4")] = SENTENCES,
    out: Annotated[Path, typer.Option(help="folder of the results")] = RESULTS,
) -> None:
    """Time training steps on the GPU that torch sees."""
    if not torch.cuda.is_available():
        raise SystemExit("perf.gpu: torch sees no GPU here; run it on a machine with one and a CUDA build of torch (CPU: make perf)")
    here = machine(torch.get_num_threads())
    rows: list[dict[str, Any]] = []
    runs: dict[str, Any] = {}
    for kind in KINDS:
        rows += measured(kind, encoder, sentences, repeats, runs)
    note = (
        f"Mean seconds a step over an epoch of {sentences} sentences, batch {BATCH}, encoder {encoder}, untrained. "
        "MB: the most that was allocated above weights and optimiser states. "
        "Ratios are to the plain fp32 row of the model. –: no pynvml, hence no utilisation."
    )
    table = Table("Training step on a GPU", rows, note, runs)
    write(out, "gpu", [table], here, {"repeats": repeats, "encoder": encoder, "sentences": sentences})
    print(as_markdown(table))


def measured(kind: Kind, encoder: str, count: int, repeats: int, runs: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a formulation; seconds of single epochs go to `runs`."""
    jobs = train_jobs(kind, encoder, count, device="cuda") | {"fast fp16": half(kind, encoder, count, "cuda")}
    runs[kind] = alternate(jobs, repeats)
    seconds = {name: value / (count // BATCH) for name, value in medians(runs[kind]).items()}
    rows = []
    for name, job in jobs.items():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        with utilisation() as seen:
            job()
        peak = (torch.cuda.max_memory_allocated() - before) / 1e6
        row = {"model": kind, "formulation": name, "step s": seconds[name], "ratio": ratio(seconds["plain"], seconds[name])}
        rows.append(row | {"peak MB": peak, "utilisation %": mean(seen) if seen else None})
        print(rows[-1], flush=True)
    return rows


def half(kind: Kind, name: str, count: int, device: str) -> Callable[[], float]:
    """The suite's epoch in fp16."""
    names = labels()
    sample = sample_of(names, count, seed=1)
    suite = model(kind, encoder_of(name), names).to(device)
    return suite_epoch(suite, suite.encoder.windows([s.text for s in sample]), sample, names, "fp16", device)


@contextmanager
def utilisation() -> Iterator[list[float]]:
    """Percent of the time that the GPU worked, looked at in turns by a thread; empty where pynvml is missing."""
    seen: list[float] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            try:
                seen.append(float(torch.cuda.utilization()))
            except (ImportError, RuntimeError):  # no pynvml, or no driver that it can ask
                return
            stop.wait(EVERY)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        stop.set()
        watcher.join()


if __name__ == "__main__":
    typer.run(main)
