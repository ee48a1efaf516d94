"""A fake engine for actors, and a process that asks it on a local Ray: `python asking_on_ray.py LOG REQUESTS PAUSE`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmark.local import Local
from knowfree.synthesis.ask import ask
from knowfree.synthesis.backends.ray_replicas import open_on_ray
from knowfree.synthesis.chat import Backend, Reply, Request
from knowfree.synthesis.llm import LLM
from knowfree.synthesis.replies import read
from splits.errors import KfbenchError
from tests.knowfree.synthesis.asking import requests

LONGEST = 500.0  # seconds until something that hangs counts as failed; no figure of speed
MODEL = LLM(backend="vllm", model="parrot", data_parallel_size=2)


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def holds(log: Path, count: int) -> bool:
    """Whether there are so many replies in a log."""
    return len(read(log)) >= count


class Parrot:
    """Answers with the words backwards, each after `timeout` seconds where the model says less than the default.

    `die` kills its process, `die after N FILE` as soon as the log FILE holds N replies, `die once FILE` only where FILE is not there
    yet, `fail` is an error of its own, `break once FILE` one that no engine should raise. Each copy leaves its process id in the
    model's directory.
    """

    def __init__(self, llm: LLM) -> None:
        if llm.directory:
            Path(llm.directory, str(os.getpid())).touch()
        self.pause = llm.timeout if llm.timeout < 600 else 0.0
        self.settings = {"engine": "parrot", "tensor_parallel_size": llm.tensor_parallel_size, "data_parallel_size": 1}

    def chat(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        for place, request in reversed(list(enumerate(requests))):
            time.sleep(self.pause)
            match request.user.split():
                case ["die"]:
                    os._exit(1)
                case ["die", "after", count, log]:
                    wait_for(partial(holds, Path(log), int(count)))
                    os._exit(1)
                case ["die", "once", file] if not Path(file).exists():
                    Path(file).touch()
                    os._exit(1)
                case ["fail"]:
                    raise KfbenchError("it failed", "Try again.")
                case ["break", "once", file] if not Path(file).exists():
                    Path(file).touch()
                    raise RuntimeError("engine core is dead\nand more")
            yield place, Reply(request.user[::-1], "stop", 3, 5)

    def close(self) -> None:
        pass


def on_ray(llm: LLM) -> Backend:
    """Two parrots, or as many as the model says, on Ray's two CPUs."""
    return open_on_ray(llm, Local(engine="ray", workers=2), Parrot)


if __name__ == "__main__":
    log, n, pause, directory = sys.argv[1:]
    ask(requests(int(n)), Path(log), MODEL.model_copy(update={"directory": directory, "timeout": float(pause)}), open_backend=on_ray)
