"""A server that speaks the OpenAI protocol: vLLM's, or any other."""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import httpx

from knowfree.synthesis.backends.template import merged
from knowfree.synthesis.backends.thinking import cut_thinking
from knowfree.synthesis.chat import Reply, Request
from knowfree.synthesis.llm import LLM
from splits.errors import ConfigError, KfbenchError

URL = "KFBENCH_LLM_URL"  # of the server, with its /v1
KEY = "KFBENCH_LLM_KEY"  # sent as a bearer token

ATTEMPTS = 6
PAUSE = 1.0  # seconds before the second attempt, doubled before each one after it
LONGEST_PAUSE = 60.0
CONNECT = 10.0  # seconds
BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})  # answers that another attempt may change
NO_SYSTEM = re.compile(r"system.{0,40}\brole|\brole.{0,40}system|conversation roles must alternate", re.IGNORECASE | re.DOTALL)


class _TransientError(Exception):
    """A failure that may be over in a second; `wait` is what the server asks for."""

    def __init__(self, what: str, wait: float = 0.0) -> None:
        super().__init__(what)
        self.wait = wait


class _RefusedError(Exception):
    """The server will not answer this request; others it may."""


class OpenAIServer:
    """At most `concurrency` requests under way; a busy or failing server is asked again, with growing pauses.

    No seed is sent with a request: it kills vLLM on a CPU (`Generator does not use offset`); a server draws from its own.

    Args:
        url, key: of the server, as `KFBENCH_LLM_URL` and `KFBENCH_LLM_KEY` name them.
        pause: the wait between attempts; tests replace it.

    Raises:
        ConfigError: the key is refused, or the server does not have the model.
        KfbenchError: the server cannot be reached.
    """

    def __init__(
        self,
        llm: LLM,
        url: str,
        key: str | None = None,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.llm = llm
        self.url = url.rstrip("/")
        self._pause = pause
        self._merge = False  # the server's template takes no system role
        self._client: dict[str, Any] = {
            "headers": {"Authorization": f"Bearer {key}"} if key else {},
            "timeout": httpx.Timeout(llm.timeout, connect=CONNECT, pool=None),
            "limits": httpx.Limits(max_connections=llm.concurrency),
        }
        self._server = self._models()

    @classmethod
    def of(cls, llm: LLM, environ: Mapping[str, str] | None = None) -> OpenAIServer:
        """The server that the environment names.

        Raises:
            ConfigError: it names none; otherwise as the class.
        """
        environ = os.environ if environ is None else environ
        url = environ.get(URL, "")
        if not url.startswith(("http://", "https://")):
            raise ConfigError(
                f"{URL} {'is ' + repr(url) if url else 'is not set'}: no address of a server to ask {llm.model}",
                f"Export {URL}=http://127.0.0.1:8000/v1 (and {KEY} where the server wants a key).",
            )
        return cls(llm, url, environ.get(KEY))

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the server says of itself; its address is of this machine, and not said."""
        return {"engine": "openai", **self._server, "thinking": self.llm.thinking}

    def chat(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Answers as they come. A request that the server refuses does not stop the others; the error comes after them."""
        refused: list[tuple[Request, str]] = []
        with asyncio.Runner() as runner:  # on the way out it stops what is still under way, after Ctrl-C too
            done: asyncio.Queue[tuple[int, Reply | Exception]] = asyncio.Queue()
            runner.run(self._start(requests, done))
            for _ in requests:
                place, reply = runner.run(done.get())
                if isinstance(reply, _RefusedError):
                    refused.append((requests[place], str(reply)))
                elif isinstance(reply, Exception):
                    raise reply
                else:
                    yield place, reply
        if refused:
            request, why = refused[0]
            raise KfbenchError(
                f"the server refused {len(refused)} of {len(requests)} requests; the first, about {dict(request.about)}: {why}",
                "All others are answered and kept. Mend what the server says (a long prompt? a schema it does not know?) and run again.",
            )

    def close(self) -> None:
        """Nothing was started: the server is not ours."""

    async def _start(self, requests: Sequence[Request], done: asyncio.Queue[tuple[int, Reply | Exception]]) -> None:
        """Workers that take the next request when they have done one."""
        client = httpx.AsyncClient(**self._client)
        waiting = iter(enumerate(requests))

        async def work() -> None:
            for place, request in waiting:
                try:
                    await done.put((place, await self._ask(client, request)))
                except Exception as error:  # whoever waits for a reply must hear of it
                    await done.put((place, error))

        async def all_workers() -> None:
            async with client, asyncio.TaskGroup() as group:
                for _ in range(min(self.llm.concurrency, len(requests))):
                    group.create_task(work())

        self._task = asyncio.create_task(all_workers())  # kept: the loop holds tasks weakly

    async def _ask(self, client: httpx.AsyncClient, request: Request) -> Reply:
        """One reply, asked for until it comes.

        Raises:
            _RefusedError: the server says that the request itself is wrong.
            KfbenchError: the server does not answer.
        """
        for attempt in range(ATTEMPTS):
            try:
                return await self._once(client, request)
            except _TransientError as error:
                last = error
                wait = min(PAUSE * 2**attempt, LONGEST_PAUSE) * random.uniform(0.75, 1.25)  # so that they do not come back as one
                if attempt + 1 < ATTEMPTS:
                    await self._pause(max(wait, min(error.wait, LONGEST_PAUSE)))
        raise KfbenchError(
            f"{self.url}: no answer in {ATTEMPTS} attempts: {last}",
            "See the server's log; lower `concurrency` if it is overrun, raise `timeout` if it is slow. What was answered is kept.",
        )

    async def _once(self, client: httpx.AsyncClient, request: Request) -> Reply:
        answer = await self._post(client, request, merge=self._merge)
        if answer.status_code == 400 and not self._merge and NO_SYSTEM.search(answer.text):
            answer = await self._post(client, request, merge=True)
            self._merge = answer.status_code == 200
        self._check(answer)
        try:
            body = answer.json()
            choice = body["choices"][0]
            text = choice["message"].get("content") or ""  # null where all went into thinking, or the model refused
            usage = body.get("usage") or {}
            return Reply(
                cut_thinking(text),
                "length" if choice.get("finish_reason") == "length" else "stop",
                int(usage.get("prompt_tokens") or 0),
                int(usage.get("completion_tokens") or 0),
            )
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise _TransientError(f"not an answer of the OpenAI protocol: {answer.text[:200]!r}") from None

    async def _post(self, client: httpx.AsyncClient, request: Request, *, merge: bool) -> httpx.Response:
        s = self.llm.sampling
        messages = request.messages if request.system and not merge else merged(request.messages)
        body: dict[str, Any] = {
            "model": self.llm.model,
            "messages": messages,
            "temperature": s.temperature,
            "top_p": s.top_p,
            "max_tokens": s.max_tokens,
        }
        if request.schema is not None:
            schema = {"name": "reply", "schema": dict(request.schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if self.llm.thinking is not None:
            body["chat_template_kwargs"] = {"enable_thinking": self.llm.thinking}
        try:
            return await client.post(f"{self.url}/chat/completions", json=body)
        except httpx.TimeoutException:
            raise _TransientError(f"no answer within {self.llm.timeout:.0f} s") from None
        except httpx.TransportError as error:
            raise _TransientError(str(error) or type(error).__name__) from None

    def _check(self, answer: httpx.Response) -> None:
        """
        Raises:
            ConfigError: no request can succeed: key, path or model are wrong.
            _TransientError, _RefusedError: another attempt may succeed; this request never will.
        """
        code, said = answer.status_code, _said(answer)
        if code == 200:
            return
        if code in (401, 403):
            raise ConfigError(f"{self.url}: the server refuses the key ({code}): {said}", f"Export the server's key as {KEY}.")
        if code == 404:
            raise ConfigError(
                f"{self.url}: the server has no model {self.llm.model!r}, or no chat (404): {said}",
                f"Name the model as the server does (vLLM: --served-model-name), and check that {URL} ends in /v1.",
            )
        if code in BUSY:
            raise _TransientError(f"status {code}: {said}", _retry_after(answer))
        raise _RefusedError(f"status {code}: {said}")

    def _models(self) -> dict[str, Any]:
        """What the server says of the model; a server without a list of models says nothing.

        Raises:
            ConfigError: the key is refused, or the list does not hold the model.
            KfbenchError: nobody answers at the address.
        """
        try:
            with httpx.Client(**self._client) as client:
                answer = client.get(f"{self.url}/models", timeout=CONNECT)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            what = str(error) or type(error).__name__
            raise KfbenchError(f"{self.url}: the server cannot be reached: {what}", f"Start it, or mend {URL}.") from None
        if answer.status_code in (401, 403):
            self._check(answer)
        try:
            rows = {row["id"]: row for row in answer.json()["data"]}
        except (ValueError, KeyError, TypeError):
            return {}
        if rows and self.llm.model not in rows:
            raise ConfigError(
                f"{self.url}: the server has no model {self.llm.model!r}",
                f"It has: {', '.join(map(repr, rows))}. Name the model so (vLLM: --served-model-name).",
            )
        row = rows.get(self.llm.model, {})
        known = {"server": row.get("owned_by"), "max_model_len": row.get("max_model_len"), "version": self._version(row)}
        return {name: value for name, value in known.items() if value is not None}

    def _version(self, row: Mapping[str, Any]) -> str | None:
        """Of a vLLM server; the protocol has no such thing."""
        if row.get("owned_by") != "vllm":
            return None
        try:
            version = httpx.get(self.url.removesuffix("/v1") + "/version", timeout=CONNECT).json()["version"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return None
        return version if isinstance(version, str) else None


def _said(answer: httpx.Response) -> str:
    """The server's own words, in one line."""
    try:
        body = answer.json()
        error = body.get("error", body)
        text = error["message"] if isinstance(error, dict) and "message" in error else str(error)
    except (ValueError, AttributeError):
        text = answer.text
    return " ".join(str(text).split())[:300]


def _retry_after(answer: httpx.Response) -> float:
    """Seconds that the server asks to wait; a date there is not read."""
    try:
        return max(float(answer.headers.get("retry-after", "0")), 0.0)
    except ValueError:
        return 0.0
