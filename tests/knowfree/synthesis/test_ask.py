"""Asking: once a request, only what is missing, whatever ends the process."""

from __future__ import annotations

import hashlib
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from rich.console import Console

from knowfree.synthesis.ask import MissingRepliesError, Summary, answers, ask
from knowfree.synthesis.backends import open_backend
from knowfree.synthesis.chat import Backend, Reply, Request, Sampling
from knowfree.synthesis.llm import LLM
from knowfree.synthesis.replies import LogBusyError, ReplyLog, read, sessions
from splits.errors import ConfigError, KfbenchError
from tests.knowfree.synthesis import asking
from tests.knowfree.synthesis.asking import MODEL, Parrot, requests


def never(llm: LLM) -> Backend:
    raise AssertionError("no engine may be opened")


def replied(path: Path) -> list[str]:
    """Lines of replies, order and duplicates aside."""
    return sorted({line for line in path.read_text(encoding="utf-8").splitlines() if '"key"' in line})


def test_a_key_is_the_sha256_of_what_is_asked_and_nothing_else() -> None:
    llm = LLM(backend="vllm", model="Qwen/Qwen3-8B", revision="abc", directory="/x", sampling=Sampling(0.7, 0.9, 64, 3), concurrency=2)
    request = Request("Say 'ä'.", "电影", {"type": "array", "items": {"type": "string"}}, about={"id": "train-7"})
    canonical = (
        '{"messages":[{"content":"Say \'ä\'.","role":"system"},{"content":"电影","role":"user"}],"model":"Qwen/Qwen3-8B","revision":"abc",'
        '"sampling":{"max_tokens":64,"seed":3,"temperature":0.7,"top_p":0.9},"schema":{"items":{"type":"string"},"type":"array"}}'
    )
    assert llm.asked().key(request) == hashlib.sha256(canonical.encode()).hexdigest()
    elsewhere = llm.model_copy(update={"backend": "openai", "directory": None, "dtype": "float32"})
    assert elsewhere.asked().key(Request(request.system, request.user, request.schema)) == llm.asked().key(request)


@given(n=st.integers(0, 12), known=st.sets(st.integers(0, 11)), twice=st.lists(st.integers(0, 11), max_size=5))
def test_each_missing_request_is_asked_once_and_all_are_answered(
    n: int, known: set[int], twice: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = tmp_path_factory.mktemp("log") / "replies.jsonl"
    wanted = requests(n)
    given_ = wanted + [wanted[k] for k in twice if k < n]
    before = [wanted[k] for k in sorted(known) if k < n]
    ask(before, log, MODEL, open_backend=lambda _: Parrot())
    parrot = Parrot()
    found = ask(given_, log, MODEL, open_backend=lambda _: parrot)
    assert sorted(parrot.heard) == sorted(r.user for r in wanted if r not in before)
    assert parrot.closed == bool(parrot.heard)
    assert [found[r].text for r in given_] == [r.user[::-1] for r in given_]
    s = found.summary
    assert (s.requests, s.cached, s.asked, s.repeated) == (len(given_), len(before), n - len(before), len(given_) - n)
    assert (s.tokens_in, s.tokens_out, s.new_tokens_in, s.new_tokens_out) == (3 * n, 5 * n, 3 * s.asked, 5 * s.asked)
    assert answers(given_, log, MODEL).replies == found.replies == read(log)


def test_nothing_missing_loads_nothing_and_leaves_the_file_alone(tmp_path: Path) -> None:
    log = tmp_path / "replies.jsonl"
    ask(requests(3), log, MODEL, open_backend=lambda _: Parrot())
    before = log.read_bytes()
    (tmp_path / ".replies.jsonl.lock").unlink()
    for llm in (MODEL, MODEL.model_copy(update={"backend": "none"})):
        assert len(ask(requests(3), log, llm, prompts={"another": "hash"}, open_backend=never)) == 3
    assert log.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["replies.jsonl"]


def test_without_a_back_end_a_missing_reply_says_how_many_and_what_to_do(tmp_path: Path) -> None:
    log = tmp_path / "replies.jsonl"
    with pytest.raises(MissingRepliesError, match=r"no such file\): 5 of 5 replies are missing"):
        answers(requests(5), log, MODEL)
    ask(requests(3), log, MODEL, open_backend=lambda _: Parrot())
    silent = MODEL.model_copy(update={"backend": "none"})
    for call in (lambda: ask(requests(5), log, silent, open_backend=never), lambda: answers(requests(5), log, MODEL)):
        with pytest.raises(MissingRepliesError, match="2 of 5 replies are missing") as caught:
            call()
        assert "dvc pull" in caught.value.mend
        assert "KFBENCH_LLM" in caught.value.mend


def test_the_session_says_who_answered_and_how(tmp_path: Path) -> None:
    log = tmp_path / "replies.jsonl"
    ask(requests(1), log, MODEL, prompts={"entities.en": "ab12"}, open_backend=lambda _: Parrot())
    assert sessions(log) == [
        {
            "model": "parrot",
            "revision": None,
            "sampling": {"temperature": 0.0, "top_p": 1.0, "max_tokens": 512, "seed": 0},
            "engine": {"engine": "parrot"},
            "prompts": {"entities.en": "ab12"},
        }
    ]
    assert json.loads(log.read_text(encoding="utf-8").splitlines()[1])["about"] == {"id": "train-0"}


class Dies(Parrot):
    """Ends in the middle, after some replies."""

    def __init__(self, after: int, error: BaseException | None) -> None:
        super().__init__()
        self.after = after
        self.error = error

    def chat(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        for k, answer in enumerate(super().chat(requests)):
            if k == self.after:
                if self.error:
                    raise self.error
                return
            yield answer


@pytest.mark.parametrize("error", [KeyboardInterrupt(), KfbenchError("the server has gone"), RuntimeError("bug"), None])
def test_whatever_ends_the_engine_keeps_its_replies_and_closes_it(error: BaseException | None, tmp_path: Path) -> None:
    log = tmp_path / "replies.jsonl"
    dying = Dies(2, error)
    with pytest.raises(type(error) if error else KfbenchError, match=None if error else "left 3 of 5 requests unanswered"):
        ask(requests(5), log, MODEL, open_backend=lambda _: dying)
    assert dying.closed
    assert len(read(log)) == 2
    parrot = Parrot()
    ask(requests(5), log, MODEL, open_backend=lambda _: parrot)
    assert len(parrot.heard) == 3


def test_killed_in_the_middle_a_restart_asks_only_for_the_rest(tmp_path: Path) -> None:
    n, whole, log = 40, tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    ask(requests(n), whole, MODEL, open_backend=lambda _: Parrot())
    for enough in (5, 20):  # killed twice
        with subprocess.Popen([sys.executable, asking.__file__, log, str(n), "0.05"], start_new_session=True) as process:
            while process.poll() is None and len(read(log)) < enough:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert enough <= len(read(log)) < n
    got = len(read(log))
    parrot = Parrot()
    ask(requests(n), log, MODEL, open_backend=lambda _: parrot)
    assert len(parrot.heard) == n - got
    assert replied(log) == replied(whole)


def test_two_at_once_are_refused_before_a_model_is_loaded(tmp_path: Path) -> None:
    log = tmp_path / "replies.jsonl"
    with ReplyLog(log), pytest.raises(LogBusyError):
        ask(requests(1), log, MODEL, open_backend=never)


def test_a_bar_is_drawn_where_there_is_a_terminal(tmp_path: Path) -> None:
    screen = io.StringIO()
    ask(requests(3), tmp_path / "r.jsonl", MODEL, progress=Console(file=screen, force_terminal=True), open_backend=lambda _: Parrot())
    assert "tokens/s" in screen.getvalue()
    plain = io.StringIO()
    ask(requests(4), tmp_path / "r.jsonl", MODEL, progress=Console(file=plain, force_terminal=False), open_backend=lambda _: Parrot())
    assert plain.getvalue() == ""


def test_a_summary_reads_as_a_sentence() -> None:
    text = str(Summary(5, repeated=1, cached=2, asked=2, tokens_in=40, tokens_out=30, new_tokens_in=20, new_tokens_out=20, seconds=4.0))
    assert text == "5 requests: 2 cached, 2 asked, 1 repeated; 40 tokens in, 30 out; this run 20 in 4 s (5.0 tokens/s)"


def test_the_environment_names_engine_and_directory() -> None:
    llm = LLM(backend="none", model="m", directory="$KFBENCH_LLMS/m")
    there = llm.here({"KFBENCH_LLM": "vllm", "KFBENCH_LLMS": "/models"})
    assert (there.backend, there.place, there.asked()) == ("vllm", "/models/m", llm.asked())
    assert llm.here({"KFBENCH_LLM": "transformers", "KFBENCH_LLM_DIRECTORY": "/other"}).place == "/other"
    with pytest.raises(ConfigError, match="not set"):
        llm.here({"KFBENCH_LLM": "vllm"})
    for elsewhere in ("none", "openai"):  # which load nothing
        assert llm.here({"KFBENCH_LLM": elsewhere}).backend == elsewhere
    with pytest.raises(ConfigError, match="no such back end"):
        llm.here({"KFBENCH_LLM": "gpt", "KFBENCH_LLMS": "/models"})


def test_misspelt_or_impossible_settings_are_errors() -> None:
    for wrong in (
        {"modle": "m"},
        {"model": ""},
        {"model": "m", "backend": "tgi"},
        {"model": "m", "sampling": {"temprature": 1}},
        {"model": "m", "sampling": {"temperature": -1}},
        {"model": "m", "sampling": {"top_p": 0}},
        {"model": "m", "sampling": {"max_tokens": 0}},
        {"model": "m", "batch_size": 0},
    ):
        with pytest.raises(ValidationError):
            LLM.model_validate(wrong)
    assert LLM.model_validate({"model": "m", "sampling": {"max_tokens": 9}}).sampling == Sampling(max_tokens=9)


def test_no_back_end_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KFBENCH_LLM", raising=False)
    with pytest.raises(ConfigError, match="no engine is named"):
        open_backend(LLM(model="m"))
