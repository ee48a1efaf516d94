"""Forward and backward of the span grid alone: seconds and peak memory over the sentence length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from benchmark.method import Precision
from perf.measure import alternate, available_bytes, exponent, in_child, medians, peak_bytes, ratio
from perf.plain import PlainModel, attention_bytes
from perf.tables import Table
from perf.workload import BATCH, TABLE, Kind, encoder, labels, model, sentences, suite_loss, uneven

SIZES: dict[Kind, tuple[int, ...]] = {"knowfree": (32, 64, 128, 256, 384), "cnn_ner": (64, 128)}
QUICK: dict[Kind, tuple[int, ...]] = {"knowfree": (8, 16, 24), "cnn_ner": (8,)}
ATTENTION_HEADS = 10
FORMULATIONS = ("plain", "fast", "fast bf16")


@dataclass(frozen=True, slots=True)
class Case:
    """A batch of sentences of these lengths, and what is run on it."""

    kind: Kind
    lengths: tuple[int, ...]
    formulations: tuple[str, ...] = FORMULATIONS

    def jobs(self) -> dict[str, Callable[[], object]]:
        """A closure a formulation: collate, forward, backward, in training mode, dropout included."""
        names = labels()
        sample = sentences(self.lengths, names)
        suite = model(self.kind, encoder(TABLE), names).train()
        # The released code lets padding be keys; to mask it would cost the plain form another n x n mask for every row.
        plain = PlainModel(suite, padding_keys=True).train()
        windows = suite.encoder.windows([s.text for s in sample])

        def dense() -> None:
            suite.zero_grad()
            plain.loss(plain.collate(windows, sample)).backward()  # type: ignore[no-untyped-call]

        def fast(precision: Precision) -> None:
            suite.zero_grad()
            suite_loss(suite, suite.encoder.batch(windows), sample, precision).backward()  # type: ignore[no-untyped-call]

        every: dict[str, Callable[[], object]] = {"plain": dense, "fast": partial(fast, "fp32"), "fast bf16": partial(fast, "bf16")}
        return {name: every[name] for name in self.formulations}


def seconds(case: Case, repeats: int) -> dict[str, list[float]]:
    """Of each formulation, in turns."""
    return alternate(case.jobs(), repeats)


def peak(case: Case) -> int:
    """Bytes of its one formulation; a batch of short sentences has loaded kernels and started threads before."""
    (warm_up,) = replace(case, lengths=(6,) * BATCH).jobs().values()
    warm_up()
    (job,) = case.jobs().values()
    return peak_bytes(job)


def measure(repeats: int, threads: int, *, quick: bool) -> list[Table]:
    """Each model, lengths even and uneven, each n."""
    rows: list[dict[str, Any]] = []
    runs: dict[str, Any] = {}
    for kind, sizes in (QUICK if quick else SIZES).items():
        for name, lengths in (("uneven", uneven), ("equal", lambda n: [n] * BATCH)):
            for n in sizes:
                case = Case(kind, tuple(lengths(n)))
                runs[f"{kind} {name} {n}"], row = _row(case, n, repeats, threads)
                rows.append({"model": kind, "lengths": name, "n": n, **row})
                print(rows[-1], flush=True)
    real = sum(k * k for k in uneven(128)) / (BATCH * 128 * 128)
    note = (
        f"Batch of {BATCH}, 8 target and 60 extension labels, random word vectors of 768 dimensions, no encoder; collation "
        "included; memory above that of the loaded program. Uneven: lengths spread as Weibo's, "
        f"{real:.0%} of the padded cells are real. –: not enough memory."
    )
    return [Table("Span grid, forward and backward", rows, note, runs), _growth(rows)]


def _row(case: Case, n: int, repeats: int, threads: int) -> tuple[dict[str, list[float]], dict[str, Any]]:
    fits = case.kind != "knowfree" or attention_bytes(BATCH, n, ATTENTION_HEADS) < available_bytes()
    possible = replace(case, formulations=FORMULATIONS if fits else FORMULATIONS[1:])
    runs = in_child(threads, seconds, possible, repeats) or {}
    time = medians(runs)
    bytes_of = {name: in_child(threads, peak, replace(case, formulations=(name,))) for name in possible.formulations}
    memory = {name: found / 1e6 for name, found in bytes_of.items() if found is not None}
    row: dict[str, Any] = {f"{name} s": time.get(name) for name in FORMULATIONS}
    row |= {"ratio": ratio(time.get("plain"), time.get("fast")), "ratio bf16": ratio(time.get("plain"), time.get("fast bf16"))}
    row |= {f"{name} MB": memory.get(name) for name in FORMULATIONS}
    return runs, row | {"ratio MB": ratio(memory.get("plain"), memory.get("fast"))}


def _growth(rows: list[dict[str, Any]]) -> Table:
    found = []
    for kind, name in dict.fromkeys((row["model"], row["lengths"]) for row in rows):
        of = [row for row in rows if (row["model"], row["lengths"]) == (kind, name)]
        sizes = [row["n"] for row in of]
        fitted = {f"{what} {unit}": exponent(sizes, [row[f"{what} {unit}"] for row in of]) for unit in ("s", "MB") for what in FORMULATIONS}
        if any(value is not None for value in fitted.values()):
            found.append({"model": kind, "lengths": name, **{f"exponent {key.replace(' MB', ' memory')}": v for key, v in fitted.items()}})
    return Table(
        "Growth with n",
        found,
        "The power of n that seconds and memory grow with, least squares over the rows above; –: fewer than three of them.",
    )
