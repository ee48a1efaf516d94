"""Text files: honest line numbers, and writes that are whole or nothing."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from splits import files
from splits.errors import CorpusError, KfbenchError
from splits.files import new_folder, put_folder, text_lines, write_bytes, write_text

lines = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n"), max_size=20)


@given(rows=st.lists(lines, min_size=1), end=st.sampled_from(["\n", "\r\n"]))
def test_lines_come_back_numbered(rows, end, tmp_path_factory):
    path = tmp_path_factory.mktemp("lines") / "x.txt"
    data = "".join(row + end for row in rows).encode()
    assume(data.strip() and not data.startswith(b"\xef\xbb\xbf"))
    path.write_bytes(data)
    assert list(text_lines(path, newline=end)) == list(text_lines(path)) == list(enumerate(rows, 1))


def test_unicode_line_separators_end_no_line(tmp_path):
    (tmp_path / "x").write_text("a\u2028b\x85c\x0cd\n", "utf-8")
    assert list(text_lines(tmp_path / "x")) == [(1, "a\u2028b\x85c\x0cd")]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "x: the file is empty"),
        (b" \n\n", "x: the file is empty"),
        (b"\xef\xbb\xbfa\n", "x:1: starts with a byte order mark"),
        (b"a\n\xff\n", "x:2: not UTF-8: byte 0xff at column 1"),
        ("a\n".encode("utf-16"), "x:1: not UTF-8"),
        (b"a\nb\r\nc\n", "x:2: line ends in CRLF, expected LF"),
        (b"a\r\nb\n", "x:2: line ends in LF, expected CRLF"),
        (b"a\n" + b"b" * (files.LONGEST_LINE + 1), "x:2: a line of 1,000,001 bytes"),
    ],
)
def test_a_bad_file_names_its_line(tmp_path, data, what):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(CorpusError) as caught:
        list(text_lines(tmp_path / "x"))
    assert f"/{what}" in caught.value.what
    assert caught.value.mend


def test_what_is_no_file(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(CorpusError, match=r"no such file|cannot be read"):
            list(text_lines(path))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "folder" / "x.txt"
    write_text(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(KfbenchError, match=r"x\.txt: cannot be written: No space left"):
        write_bytes(path, b"new")
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_sha256_is_that_of_the_bytes(tmp_path):
    write_bytes(tmp_path / "x", b"abc\r\n")
    assert files.sha256(tmp_path / "x") == hashlib.sha256(b"abc\r\n").hexdigest()


@pytest.mark.parametrize("error", [CorpusError("f", 3, "bad", "mend it"), CorpusError("f", None, "bad"), KfbenchError("bad", "mend it")])
def test_errors_cross_process_borders(error):
    found = pickle.loads(pickle.dumps(error))
    assert (type(found), str(found), found.what, found.mend) == (type(error), str(error), error.what, error.mend)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("old")
    return out


def test_a_new_folder_takes_the_place_of_the_old_one_as_a_whole(old):
    with new_folder(old) as folder:
        (folder / "new").write_text("new")
        assert contents(old) == {"old": "old"}
    assert contents(old) == {"new": "new"}
    assert [path.name for path in old.parent.iterdir()] == ["out"]


def test_an_error_while_writing_leaves_the_old_folder(old):
    def write() -> None:
        with new_folder(old) as folder:
            (folder / "new").write_text("new")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        write()
    assert contents(old) == {"old": "old"}
    assert [path.name for path in old.parent.iterdir()] == ["out"]


def test_a_rename_that_fails_puts_the_old_folder_back(old):
    with pytest.raises(OSError, match="No such file"):
        put_folder(old.parent / "nothing", old)
    assert contents(old) == {"old": "old"}
