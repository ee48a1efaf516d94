"""Folders that a cell needs, so that a node without the driver's files has them: put into the object store once, unpacked once a node."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.cluster.cache import cache
from benchmark.hashing import Encoders
from benchmark.method import EncoderSpec
from benchmark.nn.planned import PLANNED, planned

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Sent:
    """A folder of the driver's.

    Attributes:
        path: where the driver has it.
        key: what names its content.
        node: the driver's node, where nothing is unpacked.
        run: what names the run.
        ref: its files in the object store; None: every node is the driver's.
        encoder: `key` is the content of an encoder, so that a node's own folder of the name will do if it has that.
    """

    path: str
    key: str
    node: str
    run: str
    ref: Any = None
    encoder: bool = False


@dataclass
class Sender:
    """The driver's side.

    Attributes:
        put: puts an object into the store and returns its reference.
        node: the driver's; empty: no node is to use files that it finds.
        run: what names this run.
        abroad: whether there may be any node but the driver's.
    """

    put: Callable[[Any], Any]
    node: str
    run: str
    abroad: bool
    sent: dict[tuple[str, str], Sent] = field(default_factory=dict)

    def send(self, path: Path, key: str, files: Callable[[], Files], *, encoder: bool = False) -> Sent:
        """A folder, whose files are read and put once however many cells need them."""
        name = (str(path.resolve()), key)
        if name not in self.sent:
            ref = self.put(dict(files())) if self.abroad else None
            self.sent[name] = Sent(*name, self.node, self.run, ref, encoder and self.node != "")
        return self.sent[name]

    def forget(self, key: str) -> None:
        """Nobody will ask for a folder again: the object store may have its room back."""
        for name in [name for name in self.sent if name[1] == key]:
            del self.sent[name]


def encoder_files(directory: Path, spec: EncoderSpec) -> Files:
    """What of a folder makes an encoder, weights in one form alone, and the name that the plan has for it."""
    files = Encoders.files(directory)
    safe = any(file.suffix == ".safetensors" for file in files)
    return {file.name: file.read_bytes() for file in files if not (safe and file.suffix == ".bin")} | {PLANNED: planned(spec)}


def place(sent: Sent, node: str, get: Callable[[Any], Files]) -> Path:
    """Where this node has a folder: the driver's own, an equal one of the same name, or unpacked."""
    path, target = Path(sent.path), cache(sent.run) / sent.key
    if sent.ref is None or node == sent.node:
        return path
    if target.is_dir():
        return target
    if sent.encoder and _holds(path, sent.key):
        return path
    return unpack(get(sent.ref), target)


def _holds(path: Path, key: str) -> bool:
    try:
        return path.is_dir() and Encoders().content(path) == key
    except Exception:  # whatever it is, it is not what was planned
        return False


def unpack(files: Files, target: Path) -> Path:
    """Write files into a folder that is there whole or not at all, also when two tasks of a node do it at once."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    making = Path(tempfile.mkdtemp(prefix=".", dir=target.parent))
    try:
        write(files, making)
        try:
            making.rename(target)
        except OSError:
            if not target.is_dir():  # else another task was first: it wrote the same
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return target


def read(directory: Path) -> Files:
    """Every file below a folder."""
    return {str(file.relative_to(directory)): file.read_bytes() for file in sorted(directory.rglob("*")) if file.is_file()}


def write(files: Files, directory: Path) -> None:
    """The reverse of `read`."""
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
