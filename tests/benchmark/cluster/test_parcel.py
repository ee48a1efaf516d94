"""Folders on nodes: the driver's own where they are, unpacked whole or not at all where they are not."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from benchmark.cluster import parcel
from benchmark.cluster.cache import cache
from benchmark.cluster.parcel import Sender, encoder_files, place, read, unpack, write
from benchmark.hashing import Encoders
from benchmark.method import EncoderSpec
from benchmark.nn.planned import as_planned

FILES = {"a.txt": b"1", "deep/b.bin": bytes(range(256))}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcel.tempfile, "tempdir", str(tmp_path / "node"))
    (tmp_path / "node").mkdir()


def sender(abroad: bool = True, node: str = "driver") -> tuple[Sender, list[Any]]:
    put: list[Any] = []

    def keep(thing: Any) -> int:
        put.append(thing)
        return len(put) - 1

    return Sender(keep, node, "run", abroad), put


def test_a_folder_is_read_and_put_once_and_not_at_all_where_every_node_has_it(tmp_path: Path) -> None:
    write(FILES, tmp_path / "mine")
    near, put = sender(abroad=False)
    assert near.send(tmp_path / "mine", "key", lambda: pytest.fail("nobody needs it")).ref is None
    far, put = sender()
    first = far.send(tmp_path / "mine", "key", lambda: read(tmp_path / "mine"))
    assert far.send(tmp_path / "mine", "key", lambda: pytest.fail("it was put")) is first
    assert put == [FILES]
    far.forget("key")
    assert far.send(tmp_path / "mine", "key", lambda: FILES).ref == 1


def test_the_drivers_node_unpacks_nothing_and_another_does_once(tmp_path: Path) -> None:
    write(FILES, tmp_path / "mine")
    far, put = sender()
    sent = far.send(tmp_path / "mine", "key", lambda: FILES)
    assert place(sent, "driver", lambda ref: pytest.fail("it is here")) == tmp_path / "mine"
    found = place(sent, "other", put.__getitem__)
    assert found == cache("run") / "key"
    assert read(found) == FILES
    assert cache("run").stat().st_mode & 0o77 == 0, "nobody else reads it"
    assert cache(str(tmp_path)) == tmp_path / "cells", "of Ray on this machine, whose folder goes with it"
    assert place(sent, "other", lambda ref: pytest.fail("it was unpacked")) == found


def test_an_encoder_of_the_same_name_and_content_serves_and_another_does_not(tmp_path: Path) -> None:
    write({"config.json": b"{}", "model.safetensors": b"x", "pytorch_model.bin": b"x", "README.md": b"x"}, tmp_path / "e5")
    spec, key = EncoderSpec(str(tmp_path / "e5")), Encoders().content(tmp_path / "e5")
    far, put = sender()
    sent = far.send(tmp_path / "e5", key, lambda: encoder_files(tmp_path / "e5", spec), encoder=True)
    assert place(sent, "other", lambda ref: pytest.fail("it has it")) == tmp_path / "e5"
    (tmp_path / "e5" / "model.safetensors").write_bytes(b"another")
    found = place(sent, "other", put.__getitem__)
    assert {file.name for file in found.iterdir()} == {"config.json", "model.safetensors", ".planned.json"}
    assert as_planned(EncoderSpec(str(found))) == spec, "checkpoints name what the plan names"
    strict, put = sender(node="")
    sent = strict.send(tmp_path / "e5", Encoders().content(tmp_path / "e5"), lambda: FILES, encoder=True)
    assert place(sent, "other", put.__getitem__) != tmp_path / "e5"


def test_two_tasks_that_unpack_at_once_leave_one_whole_folder(tmp_path: Path) -> None:
    files = {f"{i}.bin": bytes(1000) for i in range(50)}
    target, errors = tmp_path / "cache" / "key", []

    def task() -> None:
        try:
            assert read(unpack(files, target)) == files
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=task) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert [path.name for path in target.parent.iterdir()] == ["key"]


def test_what_cannot_be_unpacked_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        unpack({"a": b"1", "a/b": b"2"}, tmp_path / "cache" / "key")
    assert list((tmp_path / "cache").iterdir()) == []
