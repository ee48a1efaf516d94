"""Copies of an engine on the machines of a Ray cluster, each an actor with its own GPUs."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmark.cluster.session import session
from benchmark.local import Local
from knowfree.synthesis.backends.replicas import GRACE, KEPT, numbered
from knowfree.synthesis.chat import Backend, Reply, Request
from knowfree.synthesis.llm import LLM
from splits.errors import ConfigError, KfbenchError

STARTS = 3  # of one copy: what has killed it so often will do it again
LOOK = 2.0  # seconds without news until somebody looks whether a copy can still come

Node = Mapping[str, Any]  # as `ray.nodes()` has it


def open_on_ray(llm: LLM, where: Local, open_one: Callable[[LLM], Backend]) -> Backend:
    """Copies on the cluster's GPUs; a single copy without a GPU anywhere is opened in this process.

    Raises:
        ConfigError: no cluster, too few devices in it, or a node lacks the model's directory.
        KfbenchError: no copy can start.
    """
    with ExitStack() as opened:
        ray = opened.enter_context(session(where)).ray
        copies, resource = wanted(llm, ray.nodes())
        if copies == 1 and resource == "CPU":
            opened.close()
            return open_one(llm)
        found = RayReplicas(llm.model_copy(update={"data_parallel_size": 1}), copies, resource, open_one, ray)
        found.opened = opened.pop_all()
        return found


def wanted(llm: LLM, nodes: Sequence[Node]) -> tuple[int, str]:
    """How many copies, and of what each takes `tensor_parallel_size`: GPUs where the cluster has any, else CPUs.

    `data_parallel_size` says how many; where it is 1, all GPUs of the cluster are used. A copy does not span machines.

    Raises:
        ConfigError: the nodes have no room for them.
    """
    each, asked = llm.tensor_parallel_size, llm.data_parallel_size
    resource = "GPU" if any(_amount(node, "GPU") for node in nodes) else "CPU"
    there = room(nodes, resource, each)
    copies = max(there, 1) if resource == "GPU" and asked == 1 else asked
    if copies > there:
        raise ConfigError(
            f"data_parallel_size {copies} x tensor_parallel_size {each}: the cluster has room for {there} copies of {each} {resource} each",
            "Lower one of them, or add nodes; the devices of one copy are on one node.",
        )
    return copies, resource


def room(nodes: Sequence[Node], resource: str, each: int) -> int:
    """How many copies the living nodes can hold, were they empty."""
    return sum(_amount(node, resource) // each for node in nodes)


def _amount(node: Node, resource: str) -> int:
    return int(node["Resources"].get(resource, 0)) if node["Alive"] else 0


class Serving:
    """What an actor does. `start` is apart from the constructor: an error in that one would not come back as itself."""

    def __init__(self, llm: LLM, open_one: Callable[[LLM], Backend]) -> None:
        self.llm, self.open_one = llm, open_one
        self.backend: Backend | None = None

    def start(self) -> dict[str, Any]:
        """The engine's settings, once it runs.

        Raises:
            ConfigError: this node lacks the model's directory.
        """
        if self.llm.directory and not Path(self.llm.directory).is_dir():
            raise ConfigError(
                f"{self.llm.directory}: no such directory on the node {socket.gethostname()}",
                "A model is too large to travel: copy it to the same path on every node, or leave the directory out, and each "
                "node loads the model from the hub or its cache.",
            )
        self.backend = self.open_one(self.llm)
        return dict(self.backend.settings)

    def chat(self, given: Sequence[tuple[int, Request]]) -> Iterator[tuple[int, Reply]]:
        assert self.backend is not None
        yield from numbered(self.backend, given)

    def close(self) -> None:
        if self.backend is not None:
            self.backend.close()


@dataclass(eq=False)
class Copy:
    """An actor: `news` is what it says next (its settings when it has started, then replies), `given` what it has not answered yet."""

    actor: Any
    news: Any  # an ObjectRef or ObjectRefGenerator; None: it waits for work
    starts: int = 1
    settings: Mapping[str, Any] | None = None  # None: it is starting
    given: dict[int, Request] = field(default_factory=dict)
    lost: bool = False  # started too often

    @property
    def at_work(self) -> bool:
        return self.settings is not None and self.news is not None

    @property
    def coming(self) -> bool:
        return not self.lost and not self.at_work


class RayReplicas:
    """Copies of one engine as Ray actors; requests are dealt out as copies become ready, replies come back as they end.

    The requests that a dead copy has not answered go to the others, and it is started again, at most `STARTS` times in
    all. Actors end with this process, also when that is killed.

    Args:
        llm: one copy's.
        resource: of what an actor takes `tensor_parallel_size`: GPU or CPU.
        open_one: starts an engine; a function or class of a module, since it is called on another machine.
        ray: the module, connected.

    Raises:
        ConfigError, KfbenchError: as the engine; or every copy died.
    """

    def __init__(self, llm: LLM, copies: int, resource: str, open_one: Callable[[LLM], Backend], ray: ModuleType) -> None:
        self.ray, self.llm, self.resource, self.open_one = ray, llm, resource, open_one
        self.opened = ExitStack()  # what ends with this object: the connection, if it is ours
        # GPUs of one actor are on one node, so vLLM splits a model over them itself. In a placement group it would start
        # actors of its own for that.
        each = llm.tensor_parallel_size
        self._actor = ray.remote(Serving).options(
            num_cpus=1 if resource == "GPU" else each,
            num_gpus=each if resource == "GPU" else 0,
            max_restarts=0,
            scheduling_strategy="SPREAD",
        )
        self._copies: list[Copy] = []
        self._words = ""  # the last ones of a copy that died
        try:
            for _ in range(copies):
                self._copies.append(Copy(*self._begun()))
            while not any(copy.settings for copy in self._copies):
                for copy in self._with_news():
                    self._started(copy)
        except BaseException:
            self.close()
            raise
        self._settings = next(copy.settings for copy in self._copies if copy.settings)

    @property
    def settings(self) -> Mapping[str, Any]:
        return {**self._settings, "data_parallel_size": len(self._copies)}

    def chat(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Answers of all copies as they come.

        Raises:
            KfbenchError: an engine refuses a request, or no copy is left.
        """
        left = dict(enumerate(requests))  # given to nobody yet
        while left or any(copy.at_work for copy in self._copies):
            self._deal(left)
            for copy in self._with_news():
                if copy.settings is None:
                    self._started(copy)
                    continue
                try:
                    place, reply = self.ray.get(next(copy.news))
                except StopIteration:  # what it has left out, whoever asks will miss
                    copy.news = None
                    copy.given.clear()
                except self.ray.exceptions.RayError as error:
                    left |= copy.given
                    self._again(copy, error)
                else:
                    copy.given.pop(place)
                    yield place, reply

    def close(self) -> None:
        """End the actors: those that wait in good order, those at work at once."""
        try:
            waiting = [copy.actor.close.remote() for copy in self._copies if copy.settings is not None and copy.news is None]
            with suppress(self.ray.exceptions.RayError):
                self.ray.wait(waiting, num_returns=len(waiting), timeout=GRACE) if waiting else None
        finally:
            for copy in self._copies:
                with suppress(self.ray.exceptions.RayError):
                    self.ray.kill(copy.actor)
            self._copies.clear()
            self.opened.close()

    def _begun(self) -> tuple[Any, Any]:
        actor = self._actor.remote(self.llm, self.open_one)
        return actor, actor.start.remote()

    def _deal(self, left: dict[int, Request]) -> None:
        """Give idle copies their share of what is left; those that are starting have one too."""
        coming = sum(copy.coming for copy in self._copies)
        for copy in self._copies:
            if copy.coming and copy.settings is not None:
                copy.given = {place: left.pop(place) for place in sorted(left)[::coming]}
                coming -= 1
                if copy.given:
                    copy.news = copy.actor.chat.options(num_returns="streaming").remote(list(copy.given.items()))

    def _with_news(self) -> list[Copy]:
        """Copies that have something to say, none after a while.

        Raises:
            KfbenchError: nobody will ever say anything.
        """
        awaited = [copy for copy in self._copies if copy.news is not None]
        news = [copy.news for copy in awaited]
        found, _ = self.ray.wait(news, num_returns=1, timeout=LOOK)
        if found:
            found, _ = self.ray.wait(news, num_returns=len(news), timeout=0)
        elif not any(copy.at_work for copy in awaited) and not room(self.ray.nodes(), self.resource, self.llm.tensor_parallel_size):
            raise KfbenchError(f"the nodes of the cluster with {self.resource}s for {self.llm.model} are gone", KEPT)
        return [copy for copy in awaited if any(copy.news is one for one in found)]

    def _started(self, copy: Copy) -> None:
        try:
            copy.settings = self.ray.get(copy.news)
            copy.news = None
        except self.ray.exceptions.RayError as error:
            self._again(copy, error)

    def _again(self, copy: Copy, error: Exception) -> None:
        """Start a copy again that died.

        Raises:
            KfbenchError: the engine's own, which another copy would raise as well; or this was the last copy.
        """
        cause = getattr(error, "cause", None)
        if isinstance(cause, KfbenchError):
            raise cause from None
        self._words = f"{type(cause or error).__name__}: {next(iter(str(cause or error).strip().splitlines()), '')}"
        self.ray.kill(copy.actor)  # an engine may be dead in a living process
        copy.settings, copy.news, copy.given = None, None, {}
        copy.lost = copy.starts == STARTS
        if not copy.lost:
            print(f"a copy of {self.llm.model} died and is started again ({self._words})", file=sys.stderr)
            copy.actor, copy.news = self._begun()
            copy.starts += 1
        elif all(other.lost for other in self._copies):
            raise KfbenchError(
                f"every copy of {self.llm.model} died {STARTS} times; the last one said: {self._words}",
                f"Out of memory? max_model_len and gpu_memory_utilization take less. {KEPT}",
            )
