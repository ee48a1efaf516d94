"""What is tried in a process of its own: loading what was saved, and a fit where strings hash otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.conformance.verdict import Failed

if TYPE_CHECKING:
    from benchmark.conformance.subject import Subject

PATIENCE = 600  # seconds; a fit on a few sentences takes some


def load(subject: Subject, saved: Mapping[str, Path]) -> dict[str, str]:
    """What taggers predict on the probes, each loaded from its directory."""
    return _ask(subject, {"saved": {name: str(path) for name, path in saved.items()}}, "0")


def refit(subject: Subject) -> dict[str, str]:
    """What `best` and `last` of another fit predict on the probes, strings hashing otherwise than here."""
    return _ask(subject, {"saved": None}, "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1")


def _ask(subject: Subject, asked: dict[str, object], hash_seed: str) -> dict[str, str]:
    folder = subject.folder / "child" / f"{len(list((subject.folder / 'child').glob('*')))}"
    (folder / "cwd").mkdir(parents=True)
    request = folder / "request.json"
    request.write_text(json.dumps({"method": subject.reference, "nested": subject.info.nested, **asked}), encoding="utf-8")
    line = [sys.executable, "-m", "benchmark.conformance.child", str(request)]
    paths = [str(Path(path or ".").resolve()) for path in sys.path]  # as here: the working directory is another
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(line, cwd=folder / "cwd", env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    reply = request.with_name("reply.json")
    if done.returncode or not reply.is_file():
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise Failed(
            f"in another process: {last[0]:.200}",
            "It must need nothing but its file, and what it saved in the directory that it was given.",
        )
    found: dict[str, str] = json.loads(reply.read_text(encoding="utf-8"))
    return found


def main(request: Path) -> None:
    """Do what was asked, write the reply beside it."""
    from benchmark.conformance import material
    from benchmark.conformance.subject import Subject, text_of

    asked = json.loads(request.read_text(encoding="utf-8"))
    subject = Subject(asked["method"], request.parent)
    subject.sandbox.mkdir()
    probes = material.probes(material.corpus(nested=asked["nested"]))
    if asked["saved"] is None:
        fitted = subject.base.fitted
        taggers = {"best": fitted.best, "last": fitted.last}
    else:
        taggers = {name: subject.cls.load(Path(directory)) for name, directory in asked["saved"].items()}
    reply = {name: text_of(tagger.predict(list(probes))) for name, tagger in taggers.items()}
    request.with_name("reply.json").write_text(json.dumps(reply), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
