"""What the plan calls an encoder whose files were unpacked elsewhere: checkpoints say that name, wherever they were trained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from benchmark.method import EncoderSpec

PLANNED = ".planned.json"  # beside the unpacked files: {"name", "revision"}


def as_planned(spec: EncoderSpec) -> EncoderSpec:
    """The spec as the plan has it."""
    path = Path(spec.name) / PLANNED
    return replace(spec, **json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else spec


def planned(spec: EncoderSpec) -> bytes:
    """What to write beside the files of an encoder that goes elsewhere."""
    return json.dumps({"name": spec.name, "revision": spec.revision}).encode()
