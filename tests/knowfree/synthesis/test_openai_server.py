"""The openai back end against a real HTTP server on this machine, which fails in every way a server can."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from knowfree.synthesis.backends.openai_server import ATTEMPTS, OpenAIServer
from knowfree.synthesis.chat import Reply, Request, Sampling
from knowfree.synthesis.llm import LLM
from splits.errors import ConfigError, KfbenchError

Answer = tuple[int, Any, dict[str, str]]  # status, body, headers
MODEL = LLM(backend="openai", model="parrot", sampling=Sampling(0.5, 0.9, 64), concurrency=3, timeout=5.0)


def said(text: str | None, finish: str = "stop", **message: Any) -> Answer:
    body = {
        "choices": [{"message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2},
    }
    return 200, body, {}


class Server:
    """Answers by `script(body, n)`, n counting the requests of the same last message; keeps what it saw."""

    def __init__(self) -> None:
        self.script: Callable[[dict[str, Any], int], Answer] = lambda body, n: said(body["messages"][-1]["content"].upper())
        self.models: Answer = (200, {"data": [{"id": "parrot", "owned_by": "tests", "max_model_len": 99}]}, {})
        self.bodies: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.at_once = self.most_at_once = 0
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.keys.add(self.headers.get("Authorization"))
                self._answer(outer.models if self.path == "/v1/models" else (404, "no such page", {}))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    outer.bodies.append(body)
                    outer.keys.add(self.headers.get("Authorization"))
                    outer.at_once += 1
                    outer.most_at_once = max(outer.most_at_once, outer.at_once)
                    n = sum(b["messages"][-1] == body["messages"][-1] for b in outer.bodies)
                try:
                    self._answer(outer.script(body, n) if self.path == "/v1/chat/completions" else (404, "no such page", {}))
                finally:
                    with lock:
                        outer.at_once -= 1

            def _answer(self, answer: Answer) -> None:
                status, body, headers = answer
                data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                try:
                    self.send_response(status)
                    for name, value in {**headers, "Content-Length": str(len(data))}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    pass  # nobody waits for it any more

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.http.shutdown()
    found.http.server_close()


class Pauses:
    """Notes how long it was to wait, and does not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def requests(*users: str, schema: dict[str, Any] | None = None) -> list[Request]:
    return [Request("Be short.", user, schema, about={"id": user}) for user in users]


def test_a_request_says_what_was_configured_and_no_seed(server: Server) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    backend = OpenAIServer(MODEL, server.url, "secret")
    replies = dict(backend.chat([*requests("a", schema=schema), *requests("b")]))
    assert replies == {0: Reply("A", "stop", 7, 2), 1: Reply("B", "stop", 7, 2)}
    a, b = sorted(server.bodies, key=lambda body: body["messages"][-1]["content"])
    plain = {"model": "parrot", "temperature": 0.5, "top_p": 0.9, "max_tokens": 64}
    system = {"role": "system", "content": "Be short."}
    assert b == plain | {"messages": [system, {"role": "user", "content": "b"}]}
    form = {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema, "strict": True}}
    assert a == plain | {"messages": [system, {"role": "user", "content": "a"}], "response_format": form}
    assert server.keys == {"Bearer secret"}
    assert backend.settings == {"engine": "openai", "server": "tests", "max_model_len": 99, "thinking": None}  # no address


def test_at_most_so_many_are_under_way_at_a_time_and_all_are_answered(server: Server) -> None:
    together = threading.Barrier(3)  # breaks unless three requests are there at once

    def script(body: dict[str, Any], n: int) -> Answer:
        together.wait(timeout=30)
        return said(body["messages"][-1]["content"])

    server.script = script
    replies = dict(OpenAIServer(MODEL, server.url).chat(requests(*map(str, range(12)))))
    assert {place: reply.text for place, reply in replies.items()} == {k: str(k) for k in range(12)}
    assert server.most_at_once == 3


@pytest.mark.parametrize(
    "failure", [(429, "slow down", {}), (500, "oops", {}), (503, {"error": {"message": "loading"}}, {}), (200, "<html>", {})]
)
def test_a_busy_or_broken_server_is_asked_again_with_growing_pauses(failure: Answer, server: Server) -> None:
    server.script = lambda body, n: said("ok") if n == 4 else failure
    pauses = Pauses()
    assert dict(OpenAIServer(MODEL, server.url, pause=pauses).chat(requests("a"))) == {0: Reply("ok", "stop", 7, 2)}
    assert len(server.bodies) == 4
    for pause, due in zip(pauses.seconds, (1, 2, 4), strict=True):
        assert 0.75 * due <= pause <= 1.25 * due


def test_a_server_that_names_its_pause_gets_it(server: Server) -> None:
    server.script = lambda body, n: (
        said("ok") if n == 3 else (429, "", {"Retry-After": "17" if n == 1 else "Fri, 31 Dec 2027 23:59:59 GMT"})
    )
    pauses = Pauses()
    assert len(list(OpenAIServer(MODEL, server.url, pause=pauses).chat(requests("a")))) == 1
    assert pauses.seconds[0] == 17
    assert pauses.seconds[1] < 3


def test_a_request_that_gets_no_answer_in_time_is_asked_again(server: Server) -> None:
    free = threading.Event()

    def script(body: dict[str, Any], n: int) -> Answer:
        if n == 1:
            free.wait(60)
        return said("ok")

    server.script = script
    llm = MODEL.model_copy(update={"timeout": 1.0})
    try:
        assert dict(OpenAIServer(llm, server.url, pause=Pauses()).chat(requests("a")))[0].text == "ok"
    finally:
        free.set()
    assert len(server.bodies) >= 2


def test_a_server_that_stays_down_is_an_error_and_keeps_what_it_answered(server: Server) -> None:
    server.script = lambda body, n: said("ok") if body["messages"][-1]["content"] != "c" else (502, "bad gateway", {})
    pauses = Pauses()
    llm = MODEL.model_copy(update={"concurrency": 1})
    got: list[int] = []
    with pytest.raises(KfbenchError, match=f"no answer in {ATTEMPTS} attempts: status 502: bad gateway"):
        got.extend(place for place, _ in OpenAIServer(llm, server.url, pause=pauses).chat(requests("a", "b", "c", "d")))
    assert got == [0, 1]
    assert len(pauses.seconds) == ATTEMPTS - 1


def test_a_refused_request_does_not_stop_the_others(server: Server) -> None:
    too_long = (400, {"error": {"message": "maximum context length is 99 tokens"}}, {})
    server.script = lambda body, n: too_long if body["messages"][-1]["content"] in "bd" else said("ok")
    got: list[int] = []
    with pytest.raises(KfbenchError, match=r"refused 2 of 5 requests; the first, about .*maximum context length is 99"):
        got.extend(place for place, _ in OpenAIServer(MODEL, server.url).chat(requests(*"abcde")))
    assert sorted(got) == [0, 2, 4]
    assert len(server.bodies) == 5  # refused is refused: not asked again


def test_a_template_without_a_system_role_gets_the_instruction_in_front(server: Server) -> None:
    def script(body: dict[str, Any], n: int) -> Answer:
        if body["messages"][0]["role"] == "system":
            return 400, {"error": {"message": "System role not supported"}}, {}
        return said(body["messages"][0]["content"])

    server.script = script
    llm = MODEL.model_copy(update={"concurrency": 1})
    replies = dict(OpenAIServer(llm, server.url).chat(requests("a", "b")))
    assert [replies[k].text for k in (0, 1)] == ["Be short.\n\na", "Be short.\n\nb"]
    assert len(server.bodies) == 3  # learnt once


@pytest.mark.parametrize(
    ("answer", "text", "finish"),
    [
        (said("<think>well</think> yes"), "yes", "stop"),
        (said("<think>well, on and", "length"), "", "length"),
        (said(None, "length", reasoning_content="well, on and"), "", "length"),
        (said(None, refusal="I cannot"), "", "stop"),
        ((200, {"choices": [{"message": {"content": "x"}}]}, {}), "x", "stop"),
    ],
)
def test_thoughts_and_silences_are_read(answer: Answer, text: str, finish: str, server: Server) -> None:
    server.script = lambda body, n: answer
    reply = dict(OpenAIServer(MODEL, server.url).chat(requests("a")))[0]
    assert (reply.text, reply.finish) == (text, finish)


def test_a_wrong_key_or_model_or_address_is_said_before_anything_is_asked(server: Server) -> None:
    with pytest.raises(ConfigError, match=r"no model 'macaw'") as caught:
        OpenAIServer(MODEL.model_copy(update={"model": "macaw"}), server.url)
    assert "'parrot'" in caught.value.mend
    server.models = (401, {"error": {"message": "bad key"}}, {})
    with pytest.raises(ConfigError, match=r"refuses the key \(401\): bad key") as caught:
        OpenAIServer(MODEL, server.url, "wrong")
    assert "KFBENCH_LLM_KEY" in caught.value.mend
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, not listening
        with pytest.raises(KfbenchError, match="cannot be reached") as refused:
            OpenAIServer(MODEL, f"http://127.0.0.1:{free.getsockname()[1]}/v1")
    assert "KFBENCH_LLM_URL" in refused.value.mend
    assert not server.bodies


def test_a_server_without_a_list_of_models_is_asked_and_its_404_explained(server: Server) -> None:
    server.models = (404, "no such page", {})
    assert dict(OpenAIServer(MODEL, server.url).chat(requests("a")))[0].text == "A"
    server.script = lambda body, n: (404, {"error": {"message": "The model `parrot` does not exist"}}, {})
    with pytest.raises(ConfigError, match="does not exist"):
        list(OpenAIServer(MODEL, server.url).chat(requests("a")))
    server.script = lambda body, n: (403, "forbidden", {})
    with pytest.raises(ConfigError, match="refuses the key"):
        list(OpenAIServer(MODEL, server.url).chat(requests("a")))


def test_the_address_comes_from_the_environment(server: Server) -> None:
    for environ in ({}, {"KFBENCH_LLM_URL": "localhost:8000"}):
        with pytest.raises(ConfigError, match="KFBENCH_LLM_URL"):
            OpenAIServer.of(MODEL, environ)
    backend = OpenAIServer.of(MODEL, {"KFBENCH_LLM_URL": server.url + "/", "KFBENCH_LLM_KEY": "k"})
    assert dict(backend.chat(requests("a")))[0].text == "A"
    assert server.keys == {"Bearer k"}


def test_a_reader_that_stops_early_leaves_nothing_under_way(server: Server) -> None:
    """As Ctrl-C does: the generator is closed, and no worker goes on asking."""
    backend = OpenAIServer(MODEL, server.url)
    replies = backend.chat(requests(*map(str, range(50))))
    next(replies)
    replies.close()  # type: ignore[attr-defined]
    asked = len(server.bodies)
    time.sleep(0.3)
    assert len(server.bodies) <= asked + MODEL.concurrency < 50  # what was on the wire may still arrive
