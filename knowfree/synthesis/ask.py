"""Ask a model for what the log of its replies lacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from knowfree.synthesis.backends import open_backend as open_engine
from knowfree.synthesis.chat import Asked, Backend, Reply, Request
from knowfree.synthesis.llm import BACKEND, LLM
from knowfree.synthesis.replies import ReplyLog, read
from splits.errors import KfbenchError


class MissingRepliesError(KfbenchError):
    """A log lacks replies, and no model may be asked."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What was asked, and what it took.

    `requests` = `repeated` (the same request, given again) + `cached` (in the log before) + `asked`. Tokens are those of
    all replies; `new_tokens_*` and `seconds` are of this run alone, the start of the engine not counted.
    """

    requests: int
    repeated: int = 0
    cached: int = 0
    asked: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    new_tokens_in: int = 0
    new_tokens_out: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        repeated = f", {self.repeated} repeated" if self.repeated else ""
        text = f"{self.requests} requests: {self.cached} cached, {self.asked} asked{repeated}; "
        text += f"{self.tokens_in} tokens in, {self.tokens_out} out"
        if self.asked:
            text += (
                f"; this run {self.new_tokens_out} in {self.seconds:.0f} s ({self.new_tokens_out / max(self.seconds, 1e-9):.1f} tokens/s)"
            )
        return text


@dataclass(frozen=True)
class Answers:
    """Replies under the keys of their requests: `answers[request]` is its reply."""

    asked: Asked
    replies: Mapping[str, Reply]
    summary: Summary

    def key(self, request: Request) -> str:
        """The key of a request in the log."""
        return self.asked.key(request)

    def __getitem__(self, request: Request) -> Reply:
        return self.replies[self.key(request)]

    def __contains__(self, request: Request) -> bool:
        return self.key(request) in self.replies

    def __len__(self) -> int:
        return len(self.replies)


def ask(
    requests: Iterable[Request],
    log: Path,
    llm: LLM,
    *,
    prompts: Mapping[str, str] | None = None,
    progress: Console | None = None,
    open_backend: Callable[[LLM], Backend] = open_engine,
) -> Answers:
    """A reply to every request: those of the log, and for what it lacks the model's, which the log then has.

    Identical requests are asked once. Where nothing is missing no model is loaded and the file is not touched. A process
    that ends in the middle, however it ends, leaves all replies that it got.

    Args:
        log: the file of replies; made where it does not exist.
        prompts: sha256 of the instructions under their names, recorded with the replies.
        progress: where a bar goes; None shows none.
        open_backend: starts the engine; called once at most.

    Raises:
        MissingRepliesError: the back end is `none` and a reply is missing.
        LogBusyError: another process is asking for the same file.
        CorpusError: the log cannot be read; names file and line.
        KfbenchError: the engine cannot start or does not answer; what it has answered is kept.
    """
    asked = llm.asked()
    given = list(requests)
    wanted = _wanted(given, asked)
    replies = read(log)
    if not _missing(wanted, replies):
        return _replayed(given, wanted, replies, asked)
    if llm.here().backend == "none":
        raise _unanswered(wanted, replies, log)
    with ReplyLog(log) as file:  # read again under the lock: what another process got meanwhile is not asked
        missing = _missing(wanted, file.replies)
        cached = len(wanted) - len(missing)
        seconds = 0.0
        if missing:
            with closing(open_backend(llm)) as backend:
                file.session(_session(asked, backend, prompts or {}))
                started = time.perf_counter()
                with closing(_answered(backend, missing, progress)) as answered:
                    for key, reply in answered:
                        file.add(key, missing[key].about, reply)
                seconds = time.perf_counter() - started
        answers = _replayed(given, wanted, file.replies, asked)
    new = [answers.replies[key] for key in missing]
    s = answers.summary
    return Answers(
        asked,
        answers.replies,
        Summary(
            requests=s.requests,
            repeated=s.repeated,
            cached=cached,
            asked=len(missing),
            tokens_in=s.tokens_in,
            tokens_out=s.tokens_out,
            new_tokens_in=sum(reply.tokens_in for reply in new),
            new_tokens_out=sum(reply.tokens_out for reply in new),
            seconds=seconds,
        ),
    )


def answers(requests: Iterable[Request], log: Path, llm: LLM) -> Answers:
    """The replies of a log; asks nobody, whatever the back end.

    Raises:
        MissingRepliesError: one is missing; says how many.
        CorpusError: the log cannot be read; names file and line.
    """
    asked = llm.asked()
    given = list(requests)
    wanted = _wanted(given, asked)
    replies = read(log)
    if _missing(wanted, replies):
        raise _unanswered(wanted, replies, log)
    return _replayed(given, wanted, replies, asked)


def _wanted(given: Sequence[Request], asked: Asked) -> dict[str, Request]:
    wanted: dict[str, Request] = {}
    for request in given:
        wanted.setdefault(asked.key(request), request)
    return wanted


def _missing(wanted: Mapping[str, Request], replies: Mapping[str, Reply]) -> dict[str, Request]:
    return {key: request for key, request in wanted.items() if key not in replies}


def _replayed(given: Sequence[Request], wanted: Mapping[str, Request], replies: Mapping[str, Reply], asked: Asked) -> Answers:
    found = {key: replies[key] for key in wanted}
    summary = Summary(
        requests=len(given),
        repeated=len(given) - len(wanted),
        cached=len(wanted),
        tokens_in=sum(reply.tokens_in for reply in found.values()),
        tokens_out=sum(reply.tokens_out for reply in found.values()),
    )
    return Answers(asked, found, summary)


def _unanswered(wanted: Mapping[str, Request], replies: Mapping[str, Reply], log: Path) -> MissingRepliesError:
    missing = len(_missing(wanted, replies))
    why = "" if log.exists() else " (no such file)"
    return MissingRepliesError(
        f"{log}{why}: {missing} of {len(wanted)} replies are missing, and no language model is named to ask for them",
        f"Pull the artefact (`dvc pull`), or set {BACKEND} to vllm, openai or transformers to ask; a reply counts only for the very "
        "prompt, schema, model, revision and sampling that it was asked with.",
    )


def _session(asked: Asked, backend: Backend, prompts: Mapping[str, str]) -> dict[str, Any]:
    s = asked.sampling
    return {
        "model": asked.model,
        "revision": asked.revision,
        "sampling": {"temperature": s.temperature, "top_p": s.top_p, "max_tokens": s.max_tokens, "seed": s.seed},
        "engine": dict(backend.settings),
        "prompts": dict(prompts),
    }


def _answered(backend: Backend, missing: Mapping[str, Request], console: Console | None) -> Generator[tuple[str, Reply], None, None]:
    """Keys and replies as they come, under a bar.

    Raises:
        KfbenchError: the back end stopped before it had answered all.
    """
    keys = list(missing)
    left = set(keys)
    tokens, started = 0, time.perf_counter()
    bar = Progress(
        TextColumn("asking"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console or Console(stderr=True),
        transient=True,
        disable=console is None or not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=len(keys), rate="")
        for place, reply in backend.chat([missing[key] for key in keys]):
            yield keys[place], reply
            left.discard(keys[place])
            tokens += reply.tokens_out
            rate = tokens / max(time.perf_counter() - started, 1e-9)
            bar.update(task, advance=1, rate=f"{rate:.0f} tokens/s")
    if left:
        raise KfbenchError(f"the language model left {len(left)} of {len(keys)} requests unanswered", "Run it again: only these are asked.")
