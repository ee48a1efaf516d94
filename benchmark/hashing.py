"""What a cell's result depends on, as one hash: configuration, data and code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark.method import SCRATCH_LAYERS, EncoderSpec
from splits.errors import ConfigError, WriteError
from splits.files import sha256, stamp, write_text

WEIGHTS_AND_WORDS = {".json", ".txt", ".model", ".safetensors", ".bin"}  # what `from_pretrained` reads; a README does not count
SCRATCH = ("hidden", "heads", "seed")


def cell_hash(config: Mapping[str, Any]) -> str:
    """sha256 of a cell's resolved configuration, whatever the order of its keys."""
    return hashlib.sha256(canonical(config).encode()).hexdigest()


def canonical(value: Any) -> str:
    """JSON with sorted keys.

    Raises:
        TypeError: a value that JSON cannot say: its `repr` might differ from run to run.
    """
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


class Encoders:
    """Identities of encoders; contents of directories are remembered by path, size and times of each file.

    Args:
        memory: a JSON file for what was hashed before; weights of a gigabyte are not read for every plan.
    """

    def __init__(self, memory: Path | None = None) -> None:
        self.memory = memory
        self._known: dict[str, str] | None = None

    def identity(self, spec: EncoderSpec) -> dict[str, Any]:
        """What of a spec decides the vectors: the revision of a hub id, or the content of a directory whatever its name.

        Raises:
            ConfigError: a hub id without a revision, or a directory without an encoder.
        """
        values = asdict(spec)
        shape = {name: values.pop(name) for name in SCRATCH}
        if spec.name == "scratch":
            return values | shape | {"layers": spec.layers or SCRATCH_LAYERS}
        if spec.layers is None:
            del values["layers"]  # all of them: what an encoder is without the parameter
        directory = Path(spec.name).expanduser()
        if directory.is_dir():
            return values | {"name": None, "revision": None, "content": self.content(directory)}
        if spec.revision is None:
            mend = "Give a hub id with `revision` (a commit), or a directory that exists."
            raise ConfigError(f"encoder {spec.name!r}: no such directory, and a hub id without a revision is not reproducible", mend)
        return values

    def content(self, directory: Path) -> str:
        """sha256 over names and contents of the files that make an encoder."""
        files = self.files(directory)
        if not any(file.name == "config.json" for file in files):
            raise ConfigError(
                f"encoder {str(directory)!r}: there is no config.json in it", "Name a directory that `save_pretrained` wrote."
            )
        return hashlib.sha256("\n".join(f"{file.name} {self._file(file)}" for file in files).encode()).hexdigest()

    @staticmethod
    def files(directory: Path) -> list[Path]:
        """What of a folder `from_pretrained` reads."""
        return sorted(f for f in directory.iterdir() if f.is_file() and f.suffix in WEIGHTS_AND_WORDS and not f.name.startswith("."))

    def _file(self, file: Path) -> str:
        key = f"{file.resolve()}|{stamp(file.stat())}"
        known = self._load()
        if key not in known:
            known[key] = sha256(file)
            if self.memory is not None:
                with suppress(WriteError):  # of a profile that may only be read, weights are read again each time
                    write_text(self.memory, json.dumps(known, indent=1, sort_keys=True) + "\n")
        return known[key]

    def _load(self) -> dict[str, str]:
        if self._known is None:
            try:
                self._known = dict(json.loads(self.memory.read_text(encoding="utf-8"))) if self.memory else {}
            except (OSError, ValueError, RecursionError):  # absent or damaged: hash again
                self._known = {}
        return self._known
