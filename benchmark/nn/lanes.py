"""Independent work on several cores: a job a core, where torch would put all cores on one small operation after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import TypeVar

import torch

Result = TypeVar("Result")


def lanes(device: torch.device) -> int:
    """How many jobs may run side by side: torch's threads on a CPU, one elsewhere."""
    return torch.get_num_threads() if device.type == "cpu" else 1


def share(sizes: Sequence[int], count: int) -> list[list[int]]:
    """Indices for each of at most `count` lanes: the largest first, each to who has least; a lane keeps them in order."""
    found: list[list[int]] = [[] for _ in range(min(count, len(sizes)))]
    loads = [0] * len(found)
    for index in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        lane = loads.index(min(loads))
        found[lane].append(index)
        loads[lane] += sizes[index]
    return [sorted(lane) for lane in found]


def side_by_side(jobs: Sequence[Callable[[], Result]]) -> list[Result]:
    """What each job returns: all run at once, each on one core, as the caller is set (autocast, gradients); one alone has every core.

    A job must draw no random numbers, for who comes first is chance.
    """
    if len(jobs) == 1:
        return [jobs[0]()]
    cores, set_as_caller = torch.get_num_threads(), _caller()

    def run(job: Callable[[], Result]) -> Result:
        torch.set_num_threads(1)  # of this thread
        with set_as_caller():
            return job()

    others = [_threads(os.getpid(), len(jobs) - 1).submit(run, job) for job in jobs[1:]]
    try:
        first = run(jobs[0])
    finally:
        wait(others)
        torch.set_num_threads(cores)  # when all have ended: it is also what threads start with
    return [first, *(other.result() for other in others)]


@cache
def _threads(process: int, count: int) -> ThreadPoolExecutor:
    """Kept, for to start a thread takes longer than many a job; a forked process has its own."""
    return ThreadPoolExecutor(count, "lane")


def _caller() -> Callable[[], AbstractContextManager[None]]:
    """The caller's manner, which torch keeps a thread, to enter in another one."""
    gradients, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    cast, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    @contextmanager
    def enter() -> Iterator[None]:
        # without the cache, which threads share and the first to end empties
        casting = torch.autocast("cpu", dtype, enabled=cast, cache_enabled=False)
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients), casting:
            yield

    return enter
