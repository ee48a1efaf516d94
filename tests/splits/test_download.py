"""Downloads: what is retried, what is not, and that only whole, right files get their name."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import httpx
import pytest

from splits.corpora import weibo
from splits.download import ATTEMPTS, fetch, looks_like_html
from splits.errors import ConfigError, KfbenchError
from splits.source import github

DATA = bytes(range(256)) * 40


class Upstream:
    """A server that gives the prepared answers in turn, the last one for ever; remembers what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Fetches one pinned file, named tiny.txt, from given answers."""
    file = github("owner/name", "0" * 40, "data/tiny.txt", hashlib.sha256(DATA).hexdigest(), len(DATA))
    monkeypatch.setattr(weibo, "SOURCE", dataclasses.replace(weibo.SOURCE, files={"train": file}))

    def get(upstream: Upstream, mirror: Path | None = None) -> Path:
        found = fetch("weibo", tmp_path / "cache", mirror, transport=httpx.MockTransport(upstream), pause=upstream.pauses.append)
        assert list(found) == ["train"]
        return found["train"]

    return get


def ok(data: bytes = DATA) -> httpx.Response:
    return httpx.Response(200, content=data)


def left(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def broken_off() -> httpx.Response:
    class Half(httpx.SyncByteStream):
        def __iter__(self):
            yield DATA[:1000]
            raise httpx.ReadError("connection reset")

    return httpx.Response(200, stream=Half())


def test_a_file_lands_in_the_cache_and_is_not_asked_for_again(get, tmp_path):
    upstream = Upstream(ok())
    assert get(upstream) == tmp_path / "cache" / "weibo" / "tiny.txt"
    assert get(upstream).read_bytes() == DATA
    assert upstream.asked == [f"https://raw.githubusercontent.com/owner/name/{'0' * 40}/data/tiny.txt"]
    assert left(tmp_path) == ["tiny.txt"]


@pytest.mark.parametrize(
    "trouble",
    [
        lambda: httpx.ConnectError("no route"),
        lambda: httpx.ReadTimeout("slow"),
        lambda: httpx.Response(503),
        lambda: httpx.Response(429),
        broken_off,
        lambda: ok(DATA[:5000]),
        lambda: ok(b""),
    ],
)
def test_what_may_pass_is_tried_again_after_longer_and_longer_pauses(get, tmp_path, trouble):
    upstream = Upstream(trouble(), trouble(), ok())
    assert get(upstream).read_bytes() == DATA
    assert upstream.pauses == [1.0, 2.0]
    assert left(tmp_path) == ["tiny.txt"]


@pytest.mark.parametrize(
    ("trouble", "what"),
    [
        (lambda: httpx.ConnectError("no route"), "no route"),
        (lambda: httpx.ReadTimeout(""), "ReadTimeout"),
        (lambda: httpx.Response(502), "HTTP 502"),
        (lambda: ok(DATA[:5000]), "the connection ended after 5,000 of 10,240 bytes"),
    ],
)
def test_attempts_are_bounded(get, tmp_path, trouble, what):
    upstream = Upstream(*[trouble() for _ in range(ATTEMPTS + 1)])
    with pytest.raises(KfbenchError) as caught:
        get(upstream)
    assert caught.value.what == f"weibo: tiny.txt: cannot be downloaded: {what} (attempt {ATTEMPTS} of {ATTEMPTS})"
    assert "KFBENCH_MIRROR" in caught.value.mend
    assert len(upstream.asked) == ATTEMPTS
    assert len(upstream.pauses) == ATTEMPTS - 1
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (httpx.Response(404), "cannot be downloaded: HTTP 404"),
        (httpx.Response(403), "cannot be downloaded: HTTP 403"),
        (ok(DATA[::-1]), f"sha256 is {hashlib.sha256(DATA[::-1]).hexdigest()}, expected {hashlib.sha256(DATA).hexdigest()}"),
        (ok(DATA * 3), "size is 10,241 bytes, expected 10,240"),
        (ok(b"<!DOCTYPE html><p>sign in</p>"), "starts like an HTML page"),
        (ok(b"\xef\xbb\xbf\n<HTML>" + b"x" * 20000), "starts like an HTML page"),
    ],
)
def test_what_will_not_pass_is_not_tried_again(get, tmp_path, answer, what):
    upstream = Upstream(answer)
    with pytest.raises(KfbenchError) as caught:
        get(upstream)
    assert caught.value.what.startswith(f"weibo: tiny.txt: {what}")
    assert len(upstream.asked) == 1
    assert left(tmp_path) == []


def test_a_redirect_to_plain_http_is_refused(get, tmp_path):
    upstream = Upstream(httpx.Response(302, headers={"Location": "http://mirror.example/tiny.txt"}), ok())
    with pytest.raises(KfbenchError, match=r"http://mirror\.example/tiny\.txt: not an https address"):
        get(upstream)
    assert len(upstream.asked) == 1
    assert left(tmp_path) == []


def test_a_redirect_to_https_is_followed(get):
    assert get(Upstream(httpx.Response(302, headers={"Location": "https://cdn.example/tiny.txt"}), ok())).read_bytes() == DATA


def test_a_damaged_file_in_the_cache_is_fetched_again(get):
    get(Upstream(ok())).write_bytes(DATA[:-1])
    upstream = Upstream(ok())
    assert get(upstream).read_bytes() == DATA
    assert len(upstream.asked) == 1


def test_a_failed_download_leaves_what_stood_in_the_cache(get):
    path = get(Upstream(ok()))
    path.write_bytes(b"old")
    with pytest.raises(KfbenchError):
        get(Upstream(httpx.Response(404)))
    assert path.read_bytes() == b"old"


def test_a_mirror_is_read_in_place_and_the_network_is_never_asked(get, tmp_path):
    path = tmp_path / "mirror" / "weibo" / "tiny.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    upstream = Upstream(ok())
    assert get(upstream, tmp_path / "mirror") == path
    path.unlink()
    with pytest.raises(KfbenchError, match=r"weibo: tiny\.txt: not in the mirror"):
        get(upstream, tmp_path / "mirror")
    with pytest.raises(ConfigError, match="the mirror is no directory"):
        get(upstream, tmp_path / "nowhere")
    assert upstream.asked == []
    assert left(tmp_path) == []


def test_a_corpus_that_is_generated_needs_nothing(tmp_path):
    assert fetch("demo_en", tmp_path / "cache", tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("head", "page"), [(b"\n <!DocType HTML>", True), (b"<html lang=ko>", True), (b'<?xml version="1.0"?>', False), (b"", False)]
)
def test_pages_are_told_from_data(head, page):
    assert looks_like_html(head) is page
