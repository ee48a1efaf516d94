"""Requests sharded over actors of a local Ray: the answers of one engine, whoever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.cluster.session import session
from benchmark.local import Local
from knowfree.synthesis.ask import ask
from knowfree.synthesis.backends import open_backend, ray_replicas, vllm_engine
from knowfree.synthesis.backends.ray_replicas import wanted
from knowfree.synthesis.chat import Reply, Request
from knowfree.synthesis.llm import LLM
from knowfree.synthesis.replies import read, sessions
from splits.errors import ConfigError, KfbenchError
from tests.environment import environment
from tests.knowfree.synthesis.asking import requests
from tests.knowfree.synthesis.asking_on_ray import MODEL, Parrot, on_ray, wait_for
from tests.system import left_over

pytestmark = pytest.mark.skipif(not find_spec("ray"), reason="the extra `ray` is not installed")  # an import here would be before its time


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """Ray with two CPUs, on this machine, for all tests here."""
    with session(Local(engine="ray", workers=2), gpus=0) as found:
        yield found.ray


def lines(log: Path) -> list[str]:
    """The replies of a log as they stand there, without regard to order."""
    return sorted(line for line in log.read_text(encoding="utf-8").splitlines() if "key" in json.loads(line))


def pids(directory: Path) -> list[int]:
    return sorted(int(path.name) for path in directory.iterdir())


def model(**changes: Any) -> LLM:
    return MODEL.model_copy(update=changes)


def test_the_log_is_that_of_one_engine_up_to_order(ray: Any, tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    ask(requests(25), one, MODEL, open_backend=Parrot)
    ask(requests(10), two, MODEL, open_backend=on_ray)
    summary = ask(requests(25), two, MODEL, open_backend=on_ray).summary
    assert (summary.cached, summary.asked) == (10, 15)
    assert lines(one) == lines(two)
    (found,) = sessions(two)
    assert found["engine"] == {"engine": "parrot", "tensor_parallel_size": 1, "data_parallel_size": 2}


def test_the_requests_of_a_killed_copy_are_answered_once_each(ray: Any, tmp_path: Path) -> None:
    copies, log = tmp_path / "copies", tmp_path / "log.jsonl"
    copies.mkdir()
    killed: list[int] = []

    class Killing:
        """Kills one copy when some replies are in the log."""

        def __init__(self, llm: LLM) -> None:
            self.inner = on_ray(llm)
            self.settings, self.close = self.inner.settings, self.inner.close

        def chat(self, asked: Any) -> Iterator[tuple[int, Reply]]:
            for k, answer in enumerate(self.inner.chat(asked)):
                yield answer
                if k == 5:
                    wait_for(lambda: len(pids(copies)) == 2)
                    killed.append(pids(copies)[0])
                    os.kill(killed[0], signal.SIGKILL)

    ask(requests(40), log, model(directory=str(copies), timeout=0.05), open_backend=Killing)
    ask(requests(40), tmp_path / "one.jsonl", MODEL, open_backend=Parrot)
    assert killed
    assert lines(log) == lines(tmp_path / "one.jsonl")  # each once: a doubled line would differ
    assert not left_over(pids(copies))


def test_copies_answer_again_and_again_are_started_again_and_end(ray: Any, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    backend = on_ray(model(directory=str(copies)))
    try:
        wait_for(lambda: len(pids(copies)) == 2)
        for n in (9, 0, 1):
            assert dict(backend.chat(requests(n))) == {k: Reply(r.user[::-1], "stop", 3, 5) for k, r in enumerate(requests(n))}
        users = [f"die once {tmp_path / 'a'}", f"break once {tmp_path / 'b'}", "x"]
        assert {place: reply.text[::-1] for place, reply in backend.chat([Request("", user) for user in users])} == dict(enumerate(users))
    finally:
        backend.close()
    assert 3 <= len(pids(copies)) <= 4  # what one left, the other may have answered before it was up again
    assert not left_over(pids(copies))


def test_a_request_that_kills_every_copy_ends_in_one_error_and_replies_are_kept(
    ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_replicas, "STARTS", 2)
    copies, log = tmp_path / "copies", tmp_path / "log.jsonl"
    copies.mkdir()
    with pytest.raises(KfbenchError, match="every copy of parrot died 2 times"):
        ask([Request("", f"die after 6 {log}"), *requests(6)], log, model(directory=str(copies)), open_backend=on_ray)
    assert len(read(log)) == 6
    assert len(pids(copies)) == 4
    assert not left_over(pids(copies))
    summary = ask(requests(6), log, MODEL, open_backend=on_ray).summary
    assert (summary.cached, summary.asked) == (6, 0)


def test_an_error_of_the_engine_itself_is_raised_at_once(ray: Any, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    with pytest.raises(KfbenchError, match="it failed"):
        ask([Request("", "fail")], tmp_path / "log.jsonl", model(directory=str(copies)), open_backend=on_ray)
    assert len(pids(copies)) <= 2


def test_ctrl_c_ends_the_copies_and_keeps_replies(ray: Any, tmp_path: Path) -> None:
    copies, log = tmp_path / "copies", tmp_path / "log.jsonl"
    copies.mkdir()

    def interrupt() -> None:
        wait_for(lambda: len(read(log)) > 3 and len(pids(copies)) == 2)
        os.kill(os.getpid(), signal.SIGINT)

    former = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell is deaf to Ctrl-C
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            ask(requests(10_000), log, model(directory=str(copies), timeout=0.1), open_backend=on_ray)
    finally:
        signal.signal(signal.SIGINT, former)
    assert len(read(log)) > 3
    assert not left_over(pids(copies))


def test_one_copy_without_a_gpu_is_opened_in_this_process(ray: Any) -> None:
    assert isinstance(on_ray(model(data_parallel_size=1)), Parrot)


def test_vllm_goes_to_ray_where_this_machine_says_so_and_a_node_without_the_model_is_named(
    ray: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(vllm_engine, "VLLMEngine", Parrot)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KFBENCH_LLM", raising=False)
    monkeypatch.setenv("KFBENCH_LLM_DIRECTORY", str(tmp_path / "nowhere"))
    monkeypatch.setenv("KFBENCH_ENGINE", "ray")
    with pytest.raises(ConfigError, match=r"nowhere: no such directory on the node ") as caught:
        open_backend(MODEL)
    assert "every node" in caught.value.mend
    monkeypatch.setenv("KFBENCH_ENGINE", "serial")
    monkeypatch.delenv("KFBENCH_LLM_DIRECTORY")
    assert isinstance(open_backend(model(data_parallel_size=1)), Parrot)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=5), st.integers(1, 4), st.integers(1, 6)
)
def test_copies_are_those_that_the_living_nodes_can_hold(there: list[tuple[bool, int, int]], asked: int, each: int) -> None:
    nodes = [{"Alive": alive, "Resources": {"CPU": float(cpus), "GPU": float(gpus)}} for alive, cpus, gpus in there]
    gpus = any(alive and gpus for alive, _, gpus in there)
    free = [gpu if gpus else cpu for alive, cpu, gpu in there if alive]
    most = 0
    while (node := next((k for k, n in enumerate(free) if n >= each), None)) is not None:  # put copies on nodes until none fits
        free[node] -= each
        most += 1
    llm = LLM(model="m", data_parallel_size=asked, tensor_parallel_size=each)
    expected = most if gpus and asked == 1 else asked
    if expected > most or not expected:
        with pytest.raises(ConfigError, match=f"room for {most} copies"):
            wanted(llm, nodes)
    else:
        assert wanted(llm, nodes) == (expected, "GPU" if gpus else "CPU")


def test_copies_end_with_the_process_that_is_killed(tmp_path: Path) -> None:
    copies, log = tmp_path / "copies", tmp_path / "log.jsonl"
    copies.mkdir()
    command = [sys.executable, "-m", "tests.knowfree.synthesis.asking_on_ray", str(log), "10000", "0.1", str(copies)]
    with (tmp_path / "said").open("w") as said, subprocess.Popen(command, env=environment(), stdout=said, stderr=said) as asking:
        try:
            wait_for(lambda: asking.poll() is not None or (len(read(log)) > 3 and len(pids(copies)) == 2))
        finally:
            asking.kill()
    assert asking.returncode == -signal.SIGKILL, (tmp_path / "said").read_text()
    assert not left_over(pids(copies))
