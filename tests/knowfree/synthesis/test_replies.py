"""The log of replies: torn at any byte, corrupt, locked, and read back as it was written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowfree.synthesis.chat import Reply
from knowfree.synthesis.replies import LogBusyError, ReplyLog, read, sessions
from splits.errors import CorpusError, KfbenchError

text = st.text(st.characters(exclude_categories=["Cs"]))
replies = st.builds(Reply, text, st.sampled_from(["stop", "length"]), st.integers(0, 9999), st.integers(0, 9999))


def written(path: Path, rows: dict[str, Reply], session: dict[str, object] | None = None) -> Path:
    with ReplyLog(path) as log:
        log.session(session or {"model": "m"})
        for key, reply in rows.items():
            log.add(key, {"id": "train-0"}, reply)
    return path


@given(rows=st.dictionaries(st.text("0123456789abcdef", min_size=4, max_size=4), replies))
def test_what_is_written_is_read_back_in_order(rows: dict[str, Reply], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = written(tmp_path_factory.mktemp("log") / "replies.jsonl", rows)
    assert list(read(path).items()) == list(rows.items())
    for line in path.read_bytes().split(b"\n")[:-1]:  # a line is one JSON object for any other reader
        assert isinstance(json.loads(line), dict)


def test_the_lines_are_of_the_published_form(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", {"k": Reply("电影\n“x”", "length", 7, 9)}, {"model": "m", "engine": {"sizes": (1, 2)}})
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert rows == [
        {"session": {"model": "m", "engine": {"sizes": [1, 2]}}},
        {"key": "k", "about": {"id": "train-0"}, "text": "电影\n“x”", "finish": "length", "tokens_in": 7, "tokens_out": 9},
    ]
    assert "电影" in path.read_text(encoding="utf-8")  # readable, not escaped


def test_a_last_line_torn_at_any_byte_is_dropped_and_then_written_anew(tmp_path: Path) -> None:
    rows = {"a": Reply("erste"), "b": Reply('日本語 é "x"\n', "length", 12, 34)}
    whole = written(tmp_path / "whole.jsonl", rows).read_bytes()
    start = whole[:-1].rindex(b"\n") + 1
    for cut in range(start, len(whole)):
        path = tmp_path / "torn.jsonl"
        path.write_bytes(whole[:cut])
        kept = read(path)
        assert kept["a"] == rows["a"]
        assert kept.get("b") == (rows["b"] if cut == len(whole) - 1 else None)  # all there but the line end
        with ReplyLog(path) as log:
            assert log.replies == kept
            log.session({"model": "m"})  # the same: not said again
            if "b" not in log.replies:
                log.add("b", {"id": "train-0"}, rows["b"])
        assert path.read_bytes() == whole


def test_a_last_line_of_zeros_as_a_crash_leaves_it_is_dropped(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", {"a": Reply("x")})
    path.write_bytes(path.read_bytes() + b"\0" * 512)
    assert list(read(path)) == ["a"]
    with ReplyLog(path) as log:
        log.add("b", {}, Reply("y"))
    assert list(read(path)) == ["a", "b"]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[1]",
        b'"x"',
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"key": "k", "about": {}, "text": null, "finish": "stop", "tokens_in": 1, "tokens_out": 1}',
        b'{"key": "k", "about": {}, "text": "t", "finish": "stop", "tokens_in": true, "tokens_out": 1}',
        b'{"key": "k", "text": "t", "finish": "stop", "tokens_in": 1, "tokens_out": 1}',
        b'{"session": 1}',
    ],
)
def test_a_corrupt_line_is_an_error_that_names_file_and_line(line: bytes, tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", {"a": Reply("x"), "b": Reply("y")})
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines[:2], line, *lines[2:]]))
    for open_it in (read, ReplyLog):
        with pytest.raises(CorpusError) as caught:
            open_it(path)
        assert (caught.value.file, caught.value.line) == (str(path), 3)
    written(path.with_name("other.jsonl"), {})  # and a log that could not be opened holds no lock
    path.write_bytes(b"\n".join(lines))
    with ReplyLog(path) as log:
        assert list(log.replies) == ["a", "b"]


def test_a_session_is_said_when_it_changes_and_only_then(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    first, second = {"model": "m", "engine": {"dtype": "bfloat16"}}, {"model": "m", "engine": {"dtype": "float32"}}
    for key, session in enumerate([first, first, second, second, first]):
        written(path, {str(key): Reply("x")}, session)
    assert sessions(path) == [first, second, first]


def test_of_two_replies_to_one_request_the_first_counts(tmp_path: Path) -> None:
    one, two = (written(tmp_path / name, {"k": Reply(name)}) for name in ("one", "two"))
    both = tmp_path / "both"
    both.write_bytes(one.read_bytes() + two.read_bytes())
    assert read(both) == {"k": Reply("one")}


def test_a_second_process_is_refused_and_may_still_read(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", {"a": Reply("x")})
    code = (
        f"import sys; from knowfree.synthesis.replies import *; log = ReplyLog({str(path)!r}); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(LogBusyError, match=r"r\.jsonl: another process"):
            ReplyLog(path)
        assert list(read(path)) == ["a"]
        other.kill()
    written(path, {"b": Reply("y")})  # the lock died with its process
    assert list(read(path)) == ["a", "b"]
    assert [p.name for p in sorted(tmp_path.iterdir())] == [".r.jsonl.lock", "r.jsonl"]


def test_a_file_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KfbenchError, match="cannot be written"):
        ReplyLog(tmp_path / "file" / "r.jsonl")


def test_text_that_is_no_unicode_is_kept_as_replacement_characters(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", {"a": Reply("x\ud800y")})  # half a surrogate pair, which a server's JSON may hold
    assert read(path) == {"a": Reply("x\ufffdy")}
    with ReplyLog(path) as log:
        assert log.add("b", {}, Reply("\udfff")) == log.replies["b"] == Reply("\ufffd")
