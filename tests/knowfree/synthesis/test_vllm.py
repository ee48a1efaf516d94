"""A real model through the real vLLM, offline and as a server, killed once in the middle: the tier `llm`.

It needs vLLM and `$KFBENCH_LLMS/smollm2`, a directory with SmolLM2-135M-Instruct.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from knowfree.synthesis import annotate
from knowfree.synthesis.ask import answers
from knowfree.synthesis.backends.json_schema import fault
from knowfree.synthesis.replies import read, sessions
from tests.conftest import require_not
from tests.knowfree.synthesis import asking_smollm2
from tests.knowfree.synthesis.asking_smollm2 import MODEL, SENTENCES, requests
from tests.system import left_over, session_of

LONGEST = 500.0  # seconds until something that hangs counts as failed; no figure of speed
OFF = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
NO_BLANKS = '{"backend": "xgrammar", "disable_any_whitespace": true}'

pytestmark = pytest.mark.timeout(4 * LONGEST)


@pytest.fixture(scope="module")
def directory() -> str:
    """The model, where there is one and an engine to run it."""
    if importlib.util.find_spec("vllm") is None:
        require_not("llm", "vLLM is not installed")
    if not os.environ.get("KFBENCH_LLMS"):
        require_not("llm", "KFBENCH_LLMS is not set: no language models here")
    path = Path(os.environ["KFBENCH_LLMS"], "smollm2").resolve()
    if not (path / "config.json").is_file():
        require_not("llm", f"{path} holds no model")
    return str(path)


@contextmanager
def process(*command: str, errors: Path, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """A process in a group of its own, all of which is killed at the end."""
    with (
        errors.open("a") as log,
        subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, **OFF, **environ},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        ) as found,
    ):
        try:
            yield found
        finally:
            with suppress(ProcessLookupError):
                os.killpg(found.pid, signal.SIGKILL)


def ask_kill_and_ask_again(log: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """The summary of the process that finishes what a killed one began."""
    n = len(requests())
    errors = log.with_suffix(".log")
    with process(asking_smollm2.__file__, str(log), errors=errors, **environ) as asking:
        until = time.monotonic() + LONGEST
        while not read(log):
            assert asking.poll() is None, errors.read_text()[-3000:]
            assert time.monotonic() < until, errors.read_text()[-3000:]
            time.sleep(0.01)
        asking.send_signal(signal.SIGKILL)
        asking.wait()
        kept = read(log)
        assert 0 < len(kept) < n
        assert not left_over(session_of(asking.pid)), "the engine outlived the process that asked"
    with process(asking_smollm2.__file__, str(log), errors=errors, **environ) as asking:
        out, _ = asking.communicate(timeout=LONGEST)
        assert asking.returncode == 0, errors.read_text()[-3000:]
    summary: dict[str, Any] = json.loads(out.splitlines()[-1])
    assert (summary["cached"], summary["asked"]) == (len(kept), n - len(kept))
    after = read(log)
    assert {key: after[key] for key in kept} == kept
    return summary


def check(log: Path) -> None:
    """Every request is answered, in JSON where it was asked for, without the blanks that a grammar allows."""
    found = answers(requests(), log, MODEL)
    for request in requests():
        reply = found[request]
        assert reply.tokens_in > 0
        assert 0 < reply.tokens_out <= MODEL.sampling.max_tokens
        if request.about["task"] == "short":
            assert reply.finish == "stop"
            assert json.loads(reply.text)["answer"] in ("yes", "no")
        if request.schema is not None:
            assert reply.finish == "length" or fault(reply.text, request.schema) is None, reply
            assert "\n" not in reply.text
    read_back = annotate.read(SENTENCES, found, "en")
    assert [a.id for a in read_back] == [s.id for s in SENTENCES]


def test_the_offline_engine_killed_and_resumed(directory: str, tmp_path: Path) -> None:
    log = tmp_path / "offline.jsonl"
    ask_kill_and_ask_again(log, {"KFBENCH_LLM": "vllm", "KFBENCH_LLM_DIRECTORY": directory})
    check(log)
    (session,) = sessions(log)  # both processes ran with the same settings
    assert session["engine"]["engine"] == "vllm"
    assert session["engine"]["prefix_caching"] is True
    assert directory not in log.read_text(encoding="utf-8")


def test_a_real_server_killed_clients_and_resumed(directory: str, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "--model": directory, "--served-model-name": "smollm2", "--host": "127.0.0.1", "--port": str(port), "--max-model-len": "2048",
        "--kv-cache-memory-bytes": str(1 << 30), "--structured-outputs-config": NO_BLANKS,
    }  # fmt: skip
    command = ["-m", "vllm.entrypoints.openai.api_server", "--enforce-eager", *(word for option in options.items() for word in option)]
    errors = tmp_path / "server.log"
    with process(*command, errors=errors) as server:
        until = time.monotonic() + LONGEST
        while not _healthy(port):
            assert server.poll() is None, errors.read_text()[-3000:]
            assert time.monotonic() < until, errors.read_text()[-3000:]
            time.sleep(0.5)
        log = tmp_path / "server.jsonl"
        ask_kill_and_ask_again(log, {"KFBENCH_LLM": "openai", "KFBENCH_LLM_URL": f"http://127.0.0.1:{port}/v1"})
    check(log)
    (session,) = sessions(log)
    assert session["engine"]["server"] == "vllm"
    assert session["engine"]["max_model_len"] == 2048


def _healthy(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
