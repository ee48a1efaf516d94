"""Checks of what a method leaves behind and what it looks at."""

from __future__ import annotations

import os
import sys
from importlib.machinery import all_suffixes
from pathlib import Path

from benchmark.conformance.child import load
from benchmark.conformance.subject import Subject, first_difference, text_of
from benchmark.conformance.verdict import Failed
from benchmark.conformance.watching import of_a_library
from benchmark.fingerprint import ROOT
from benchmark.method import Tagger
from splits.corpus import SPLITS

SYSTEM = (("etc",), ("usr",), ("lib",), ("lib64",), ("sys",))


def saved_and_loaded(subject: Subject) -> str:
    """Saved, moved, and loaded in another process, a tagger predicts the same."""
    fitted = subject.base.fitted
    subject.steady()
    taggers: dict[str, Tagger] = {"best": fitted.best, "last": fitted.last}
    saved = {name: subject.save(tagger, name) for name, tagger in taggers.items()}
    moved = {name: path.rename(path.with_name(f"{name}-moved")) for name, path in saved.items()}
    loaded = load(subject, moved)
    for name, tagger in taggers.items():
        here = text_of(tagger.predict(list(subject.probes)))
        if loaded[name] != here:
            raise Failed(
                f"`{name}`: {first_difference(here, loaded[name], subject.probes)}",
                "Save all that predictions depend on, weights at full precision, in the directory that `save` is given.",
            )
    files = [file for path in moved.values() for file in path.rglob("*") if file.is_file()]
    return f"two taggers of {sum(file.stat().st_size for file in files) / len(taggers) / 1e3:,.0f} kB"


def inputs(subject: Subject) -> str:
    """What it is given stays as it was: sample, dev, labels, files of artefacts; and the list that `predict` gets."""
    mend = "Copy before you sort, shuffle or append: list(given.sample)."
    if touched := subject.again.touched:
        raise Failed(f"`fit` changes {', '.join(touched)}", mend)
    asked = list(subject.probes)
    subject.base.fitted.last.predict(asked)
    if asked != subject.probes:
        raise Failed("`predict` changes the list that it is given", mend)
    return "as they were"


def files_read(subject: Subject) -> str:
    """It opens no file of a corpus: train, dev and test reach it through `fit` alone, test never."""
    from splits.download import CACHE

    folders = [
        subject.sandbox,
        CACHE.resolve(),
        *([Path(os.environ["KFBENCH_MIRROR"]).resolve()] if os.environ.get("KFBENCH_MIRROR") else []),
    ]
    names = {f"{split}.jsonl" for split in SPLITS}
    for path in map(Path, (*subject.again.seen.read, *subject.used.read)):
        if path.name in names or any(path.is_relative_to(folder) for folder in folders):
            raise Failed(
                f"opens {_short(path, subject)}",
                "Use given.sample and given.dev; what else a method needs is an artefact that it declares.",
            )
    return "none of a corpus"


def files_of_its_own(subject: Subject) -> str:
    """It opens no file that no hash covers: a word list that changes would leave old results standing."""
    ours = [Path(sys.prefix), Path(sys.base_prefix), ROOT, *(subject.folder / name for name in ("artefacts", "upstream", "saved"))]
    seen = (subject.loading, subject.again.seen, subject.used)
    made = frozenset[str]().union(*(one.made for one in seen))
    for path in map(Path, (path for one in seen for path in one.read if path not in made)):
        known = path.suffix in all_suffixes() or path.parts[1:2] in SYSTEM or any(path.is_relative_to(folder) for folder in ours)
        if path.is_file() and not known and not of_a_library(path) and not path.is_relative_to(subject.sandbox):
            raise Failed(
                f"opens {path}",
                "Write what it holds into the method's file or a field, or make it an artefact; the encoder is given.encoder.",
            )
    return "none"


def files_written(subject: Subject) -> str:
    """It writes nothing but in the directory that `save` is given."""
    allowed = subject.folder / "saved" / "used"
    for what, seen in (("fit", subject.again.seen), ("predict, save or load", subject.used)):
        for path in map(Path, seen.written):
            if not path.is_relative_to(allowed):
                raise Failed(
                    f"`{what}` leaves {_short(path, subject)}",
                    "Keep it in memory until `save`, or in a tempfile.TemporaryDirectory: cells run side by side.",
                )
    return "nothing elsewhere"


def process_state(subject: Subject) -> str:
    """Working directory, environment, sys.path; torch's dtype, device, threads and gradients: all as they were."""
    for what, seen in (("fit", subject.again.seen), ("predict, save or load", subject.used)):
        for name, (before, after) in seen.changed.items():
            raise Failed(
                f"`{what}` changes the {name}: {before} -> {after}" if name != "environment" else f"`{what}` changes the environment",
                "Set it back in a `finally`: the next cell runs in the same process.",
            )
    return "as it was"


def _short(path: Path, subject: Subject) -> str:
    return str(path.relative_to(subject.sandbox)) if path.is_relative_to(subject.sandbox) else str(path)


CHECKS = (saved_and_loaded, inputs, files_read, files_of_its_own, files_written, process_state)
