"""Secrets that are planted wherever people have them, and looked for in all that was written and printed."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from knowfree.synthesis.ask import ask
from knowfree.synthesis.chat import Request
from knowfree.synthesis.llm import LLM
from splits.errors import KfbenchError
from tests.benchmark.conftest import Profile
from tests.faults.ordinary import Ended, kfbench

PASSWORD, TOKEN, KEY = "pa55-of-somebody", "hf_TTTTTTTTTTTTTTTTTTTT", "key-0123456789-abc"
SECRETS = (PASSWORD, TOKEN, KEY)
ADDRESS = f"https://somebody:{PASSWORD}@mirror.example/data"
PLANTED = {
    "HF_TOKEN": TOKEN,
    "OPENAI_API_KEY": KEY,
    "KFBENCH_LLM_KEY": KEY,
    "AWS_SECRET_ACCESS_KEY": KEY,
    "HTTPS_PROXY": f"http://somebody:{PASSWORD}@127.0.0.1:9",
}


def clean(root: Path, *ended: Ended) -> None:
    """No secret in any file below a folder, nor in what was printed."""
    for text in (text for one in ended for text in (one.stdout, one.stderr)):
        assert not any(secret in text for secret in SECRETS), text
    for path in root.rglob("*"):
        if path.is_file() and path.name != "leaking.py":
            data = path.read_bytes()
            assert not any(secret.encode() in data for secret in SECRETS), path


LEAKING = '''
"""A method that says all it knows when it fails."""

import os
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Leaking:
    name: ClassVar[str] = "leaking"
    artefacts: ClassVar[tuple] = ()
    requires: ClassVar = None
    test_config: ClassVar[dict] = {}

    def supports(self, corpus):
        return None

    def fit(self, given):
        raise RuntimeError(f"cannot reach https://somebody:pa55-of-somebody@mirror.example with {os.environ['HF_TOKEN']}: \\x1b[2J[red]x")
'''


@pytest.fixture
def planted(profile: Profile) -> Profile:
    """A profile in a repository whose remote has a password, with a method that quotes secrets when it fails."""
    (profile.root / "leaking.py").write_text(LEAKING)
    methods = profile.values["methods"] | {"leaking": {"method": "leaking.py:Leaking"}}
    profile.write(variants=["lookup", "leaking"], methods=methods, sizes=[10], draws=1, seeds=[0])
    return profile


def test_runs_plans_and_reports_keep_no_secret(planted: Profile) -> None:
    run = kfbench(planted.root, "run", "--record", "--checkpoints", **PLANTED)
    assert run.returncode == 1
    assert "cannot reach https://***@mirror.example with ***" in run.stderr
    assert "\x1b[2J" not in run.stderr
    assert "[red]x" in run.stderr
    rest = [
        kfbench(planted.root, *command, **PLANTED)
        for command in (
            ["plan", "--cells"],
            ["plan", "--json"],
            ["cells", "list"],
            ["cells", "show", "demo_zh/lookup/10/0-0"],
            ["report", "--partial", "--out", "site"],
        )
    ]
    assert [one.returncode for one in rest] == [0] * 5, rest
    clean(planted.root, run, *rest)
    assert "leaking" in (planted.root / "site" / "index.html").read_text()


MIRRORED = [["doctor"], ["doctor", "--json"], ["corpora", "fetch", "weibo"], ["corpora", "prepare", "weibo"]]


@pytest.mark.parametrize("command", MIRRORED, ids=" ".join)
def test_a_mirror_with_a_password_is_never_printed(command: list[str], profile: Profile) -> None:
    done = kfbench(profile.root, *command, **PLANTED, KFBENCH_MIRROR=ADDRESS)
    assert done.returncode == 1
    assert "***@mirror.example" in done.stdout + done.stderr
    clean(profile.root, done)


def test_a_remote_with_a_password_is_no_provenance(tmp_path: Path) -> None:
    from benchmark.provenance import commit

    def git(*arguments: str) -> None:
        line = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
        subprocess.run(line, cwd=tmp_path, check=True, capture_output=True)

    git("init", "--quiet")
    git("remote", "add", "origin", ADDRESS)
    git("commit", "--quiet", "--allow-empty", "-m", "x")
    assert len(commit(tmp_path)["commit"]) == 40
    assert PASSWORD not in json.dumps(commit(tmp_path))


class Refusing(http.server.BaseHTTPRequestHandler):
    """A server that quotes what it was sent, as proxies do."""

    def do_GET(self) -> None:
        self._quote()

    def do_POST(self) -> None:
        self._quote()

    def _quote(self) -> None:
        body = json.dumps({"error": {"message": f"bad key: {self.headers.get('Authorization')}"}}).encode()
        self.send_response(401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{found.server_port}"
        found.shutdown()
        thread.join()


def test_a_servers_refusal_quotes_no_key(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFBENCH_LLM", "openai")
    monkeypatch.setenv("KFBENCH_LLM_URL", f"http://somebody:{PASSWORD}@{server}/v1")
    monkeypatch.setenv("KFBENCH_LLM_KEY", KEY)
    log = tmp_path / "replies.jsonl"
    with pytest.raises(KfbenchError) as caught:
        ask([Request("s", "u")], log, LLM(model="x"))
    for secret in SECRETS:
        assert secret not in str(caught.value)
    clean(tmp_path)
