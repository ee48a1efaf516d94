"""Several copies of an engine, each in a process of its own with its own devices."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, cast

from knowfree.synthesis.chat import Backend, Reply, Request
from knowfree.synthesis.llm import LLM
from splits.errors import ConfigError, KfbenchError

VISIBLE = "CUDA_VISIBLE_DEVICES"
GRACE = 30.0  # seconds to stop an engine in good order
KEPT = "Replies got so far are kept; run it again, and only the rest is asked."

Mail = tuple[str, Any]  # "ready" settings | "reply" (place, reply) | "done" None | "error" a KfbenchError


class Replicas:
    """Copies of one engine; copy k of n answers every n-th request.

    A copy ends with the process that started it, also when that is killed: its pipe then breaks.

    Args:
        open_one: starts an engine; a function or class of a module, since it is called in another process.

    Raises:
        ConfigError: there are GPUs, but too few.
        KfbenchError: a copy cannot start.
    """

    def __init__(self, llm: LLM, copies: int, open_one: Callable[[LLM], Backend]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes: list[multiprocessing.process.BaseProcess] = []
        for devices in shares(visible_devices(), copies, llm.tensor_parallel_size):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, llm, open_one, devices))
            process.start()
            theirs.close()  # so that its end is heard here
            self._pipes.append(ours)
            self._processes.append(process)
        try:
            settings = [_received(pipe, "ready") for pipe in self._pipes]
        except BaseException:
            self.close()
            raise
        self._settings: Mapping[str, Any] = settings[0]

    @property
    def settings(self) -> Mapping[str, Any]:
        return {**self._settings, "data_parallel_size": len(self._pipes)}

    def chat(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Answers of all copies as they come."""
        for k, pipe in enumerate(self._pipes):
            pipe.send([(place, requests[place]) for place in range(k, len(requests), len(self._pipes))])
        busy = list(self._pipes)
        while busy:
            for pipe in cast("list[Connection]", wait(busy)):
                kind, content = _mail(pipe)
                if kind == "reply":
                    yield content
                else:
                    busy.remove(pipe)

    def close(self) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(GRACE)
            if process.is_alive():
                process.terminate()
                process.join()


def visible_devices() -> list[str]:
    """Names of the GPUs that this process may use; none on a machine without."""
    import torch

    named = os.environ.get(VISIBLE)
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    return [str(k) for k in range(torch.cuda.device_count())]


def shares(devices: Sequence[str], copies: int, each: int) -> list[list[str]]:
    """Devices of each copy; without any GPU, copies share the CPU.

    Raises:
        ConfigError: there are GPUs, but fewer than copies x each.
    """
    if not devices:
        return [[] for _ in range(copies)]
    if len(devices) < copies * each:
        raise ConfigError(
            f"data_parallel_size {copies} x tensor_parallel_size {each} need {copies * each} GPUs, {len(devices)} are visible",
            f"Lower one of them, or see {VISIBLE}.",
        )
    return [list(devices[k * each : (k + 1) * each]) for k in range(copies)]


def numbered(backend: Backend, given: Sequence[tuple[int, Request]]) -> Iterator[tuple[int, Reply]]:
    """Answers to a share of the requests, under the places that those have in the whole."""
    places = [place for place, _ in given]
    for k, reply in backend.chat([request for _, request in given]):
        yield places[k], reply


def _mail(pipe: Connection) -> Mail:
    try:
        kind, content = pipe.recv()
    except (EOFError, OSError):
        raise KfbenchError(
            "a copy of the language model's engine died", "See its last words above (memory?); replies got so far are kept."
        ) from None
    if kind == "error":
        raise content
    return kind, content


def _received(pipe: Connection, kind: str) -> Any:
    found, content = _mail(pipe)
    if found != kind:
        raise KfbenchError(f"a copy of the language model's engine says {found!r} where {kind!r} was due")
    return content


def _serve(pipe: Connection, llm: LLM, open_one: Callable[[LLM], Backend], devices: Sequence[str]) -> None:
    """What a copy does: answer lists of requests until nobody listens."""
    if devices:
        os.environ[VISIBLE] = ",".join(devices)
    backend: Backend | None = None
    try:
        backend = open_one(llm)
        pipe.send(("ready", dict(backend.settings)))
        while True:
            given = pipe.recv()
            for answer in numbered(backend, given):
                pipe.send(("reply", answer))
            pipe.send(("done", None))
    except (EOFError, OSError, KeyboardInterrupt):
        pass  # the asking process has gone, or wants us to
    except KfbenchError as error:
        pipe.send(("error", error))
    finally:
        if backend is not None:
            backend.close()
