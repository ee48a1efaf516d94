"""Ten damaged corpus files: each gives one clear error that names file, line and fault, and leaves nothing half-written."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from splits.corpora import weibo
from splits.errors import KfbenchError
from splits.prepare import prepare

GOOD = "我0\tO\n在0\tO\n乐0\tB-GPE.NAM\n山1\tI-GPE.NAM\n\n李0\tB-PER.NAM\n好0\tO\n\n"
HUGE = "长0\tO\n" + "啊" * 400_000 + "0\tO\n\n"
PAGE = "<!DOCTYPE html>\n<html><body>Not found</body></html>\n"

# name -> bytes, line, what the message says. The two of `fetch` stand below.
DAMAGED = {
    "truncated between lines": (GOOD.encode()[: GOOD.encode().index("好".encode())], 6, "the file ends inside a sentence"),
    "truncated in a line": (GOOD.encode()[: GOOD.encode().index(b"I-GPE") + 4], 4, "the file ends inside a sentence"),
    "wrong encoding": (GOOD.encode("gb18030"), 1, "not UTF-8: byte 0xce at column 1"),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD.encode(), 1, "starts with a byte order mark"),
    "mixed line ends": (GOOD.replace("山1\tI-GPE.NAM\n", "山1\tI-GPE.NAM\r\n").encode(), 4, "line ends in CRLF, expected LF"),
    "missing column": (GOOD.replace("在0\tO", "在0").encode(), 2, "expected CHARACTER+INDEX<TAB>TAG, found '在0'"),
    "unknown tag": (
        GOOD.replace("B-PER.NAM", "B-PERSON").encode(),
        6,
        "unknown tag 'B-PERSON', expected O, or B- or I- and one of: GPE.NAM",
    ),
    "no index": (GOOD.replace("好0", "好好").encode(), 7, "expected a character and its index in its word, found '好好'"),
    "empty": (b"", None, "the file is empty"),
    "huge line": (HUGE.encode(), 2, "a line of 1,200,003 bytes"),
    "HTML page that is pinned": (PAGE.encode() + b"\n", 1, "expected CHARACTER+INDEX<TAB>TAG, found '<!DOCTYPE html>'"),
}


@pytest.fixture
def pin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A mirror of tiny Weibo files, pinned as they are, so that what is wrong in them is found by the parser."""

    def pin(dev: bytes, pinned: bytes | None = None) -> Path:
        files = {}
        for key, file in weibo.SOURCE.files.items():
            data = dev if key == "dev" else GOOD.encode()
            path = tmp_path / "mirror" / "weibo" / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            right = pinned if key == "dev" and pinned is not None else data
            files[key] = dataclasses.replace(file, sha256=hashlib.sha256(right).hexdigest(), size=len(right))
        monkeypatch.setattr(weibo, "SOURCE", dataclasses.replace(weibo.SOURCE, files=files))
        return tmp_path / "mirror"

    return pin


def failure(mirror: Path, out: Path) -> KfbenchError:
    with pytest.raises(KfbenchError) as caught:
        prepare("weibo", out, mirror=mirror)
    assert [path.name for path in out.parent.glob("*") if path.suffix != ".lock"] == []
    assert caught.value.mend
    assert len(str(caught.value)) < 500
    return caught.value


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_names_its_line(name, pin, tmp_path):
    data, line, what = DAMAGED[name]
    error = failure(pin(data), tmp_path / "data" / "weibo")
    where = "weiboNER_2nd_conll.dev" + (f":{line}" if line else "")
    assert error.what.split(": ")[0].endswith(where)
    assert what in error.what


def test_a_wrong_checksum_stops_before_the_parser(pin, tmp_path):
    damaged = GOOD.replace("乐", "东").encode()
    error = failure(pin(damaged, pinned=GOOD.encode()), tmp_path / "data" / "weibo")
    expected = [hashlib.sha256(data).hexdigest() for data in (damaged, GOOD.encode())]
    assert error.what == f"weibo: weiboNER_2nd_conll.dev: sha256 is {expected[0]}, expected {expected[1]}"
    assert "The file in the mirror" in error.mend
    assert "differs from the pinned one" in error.mend


def test_a_page_in_place_of_a_file_is_called_one(pin, tmp_path):
    error = failure(pin(PAGE.encode(), pinned=GOOD.encode()), tmp_path / "data" / "weibo")
    assert error.what.startswith("weibo: weiboNER_2nd_conll.dev: starts like an HTML page")


def test_the_undamaged_files_are_read(pin, tmp_path):
    corpus = prepare("weibo", tmp_path / "data" / "weibo", mirror=pin(GOOD.encode()))
    assert [(s.id, s.spans) for s in corpus.splits["dev"]] == [("dev-0", {(2, 4, "GPE.NAM")}), ("dev-1", {(0, 1, "PER.NAM")})]
