"""What is asked of a language model, and what it answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Request:
    """A chat prompt, and the JSON schema that its reply must fit (None: free text).

    `system` is the instruction, the same for all requests of a task and language, so that an engine computes it once;
    `user` is what differs. `about` says which sentence and task it is for, and is no part of the key.
    """

    system: str
    user: str
    schema: Mapping[str, Any] | None = None
    about: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def messages(self) -> list[dict[str, str]]:
        """As chat templates take them."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is drawn; part of a request's key."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int = 0  # of the engine, not of a request


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked, and how: with a request's own content, its key."""

    model: str
    revision: str | None
    sampling: Sampling

    def key(self, request: Request) -> str:
        """sha256 of (messages, schema, model, revision, sampling); the engine that runs the model is no part of it."""
        s = self.sampling
        row = {
            "messages": request.messages,
            "schema": request.schema,
            "model": self.model,
            "revision": self.revision,
            "sampling": {"temperature": s.temperature, "top_p": s.top_p, "max_tokens": s.max_tokens, "seed": s.seed},
        }
        return hashlib.sha256(json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's answer: its text without the thinking part, why it ended, and its cost.

    `finish` is `stop`, or `length` where `max_tokens` cut it.
    """

    text: str
    finish: str = "stop"
    tokens_in: int = 0
    tokens_out: int = 0


class Backend(Protocol):
    """An engine that answers chat prompts."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Engine, version and the settings that its answers depend on: recorded with the replies."""
        ...

    def chat(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Answers as they come, each with the place of its request; all requests are handed over at once.

        Raises:
            KfbenchError: the engine cannot start or cannot be reached.
        """
        ...

    def close(self) -> None:
        """Stop what was started."""
        ...
