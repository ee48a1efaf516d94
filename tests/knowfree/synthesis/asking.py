"""A process that asks a slow fake model, for tests that kill it: `python asking.py LOG REQUESTS PAUSE`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from knowfree.synthesis.ask import ask
from knowfree.synthesis.chat import Reply, Request
from knowfree.synthesis.llm import LLM

MODEL = LLM(backend="transformers", model="parrot")


def requests(n: int) -> list[Request]:
    return [Request("Repeat it.", f"sentence {k} 和 é", about={"id": f"train-{k}"}) for k in range(n)]


class Parrot:
    """Answers with the words backwards, after a pause; counts what it is asked."""

    settings: Mapping[str, Any] = {"engine": "parrot"}

    def __init__(self, pause: float = 0.0) -> None:
        self.pause = pause
        self.heard: list[str] = []
        self.closed = False

    def chat(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        for place in reversed(range(len(requests))):  # an engine's order is its own
            time.sleep(self.pause)
            self.heard.append(requests[place].user)
            yield place, Reply(requests[place].user[::-1], "stop", 3, 5)

    def close(self) -> None:
        self.closed = True


if __name__ == "__main__":
    log, n, pause = sys.argv[1:]
    ask(requests(int(n)), Path(log), MODEL, open_backend=lambda _: Parrot(float(pause)))
