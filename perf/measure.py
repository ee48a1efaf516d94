"""Seconds, bytes and the machine that they were taken on."""

from __future__ import annotations

import gc
import os
import platform
import re
import resource
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from statistics import median
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch

from benchmark.provenance import commit, packages
from benchmark.provenance import machine as described

MATRIX_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # what fp32 and bf16 ratios hang on
PRELOADED = ["perf.grid", "perf.steps", "transformers.models.bert.modeling_bert"]  # seconds to import, once for all children
KEPT_FREE = 0.1  # of the memory that is available, for whoever else runs here

P = ParamSpec("P")
T = TypeVar("T")


def alternate(jobs: Mapping[str, Callable[[], object]], repeats: int, *, warm: int = 1) -> dict[str, list[float]]:
    """Seconds of each run of each job; jobs take turns, so that a busy minute falls on all of them.

    A job that returns a float has taken its own seconds.
    """
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(warm + repeats):
        for name, job in jobs.items():
            gc.collect()
            started = time.perf_counter()
            own = job()
            if turn >= warm:
                seconds[name].append(own if isinstance(own, float) else time.perf_counter() - started)
    return seconds


def medians(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median of each job's runs."""
    return {name: median(runs) for name, runs in seconds.items()}


def peak_bytes(job: Callable[[], object]) -> int:
    """By how much the process grew at its largest while the job ran; ask in a fresh process, after a small warm-up."""
    gc.collect()
    reset = _reset_peak()
    before = _status("VmRSS")
    job()
    after = _status("VmHWM") if reset else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return max(0, after - before)


def _reset_peak() -> bool:
    """Let the kernel forget the largest size so far; False where it does not let us."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _status(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def available_bytes() -> int:
    """Memory that a new process may take without hurting others."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE)
    return int((1 - KEPT_FREE) * 1024 * int(found[1])) if found else 0


def in_child(threads: int, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """The function's result from a fresh process; None where the process died, as one that asks for too much memory does."""
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with ProcessPoolExecutor(1, mp_context=context, initializer=_start, initargs=(threads,)) as pool:
        try:
            return pool.submit(function, *args, **kwargs).result()
        except BrokenProcessPool:
            return None


def _start(threads: int) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    try:
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")  # short of memory, this process goes first
    except OSError:
        return


def _end_with_parent() -> None:
    """Who is killed while a child computes must not leave it computing."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def exponent(sizes: Sequence[float], values: Sequence[float | None]) -> float | None:
    """The power of the size that the values grow with: least squares on logarithms; None for fewer than three points."""
    points = [(n, v) for n, v in zip(sizes, values, strict=True) if v]
    if len(points) < 3:
        return None
    x, y = np.log(np.array(points)).T
    return float(np.polyfit(x, y, 1)[0])


def ratio(one: float | None, other: float | None) -> float | None:
    """One over the other, where there are both."""
    return one / other if one is not None and other else None


def machine(threads: int) -> dict[str, Any]:
    """Processor with what it has for matrices, threads, memory, GPU, packages, commit, and how busy it was."""
    gpu = torch.cuda.is_available()
    return {
        **described("cuda" if gpu else "cpu"),
        "flags": [flag for flag in MATRIX_FLAGS if flag in _flags()],
        "threads": threads,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if gpu else None,
        "load": round(os.getloadavg()[0], 2),
        "packages": packages(),
        **commit(),
        "date": time.strftime("%Y-%m-%d"),
    }


def _flags() -> set[str]:
    if platform.system() != "Linux":
        return set()
    found = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return set(found[1].split()) if found else set()
