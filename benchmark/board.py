"""Put predictions of another system on the board: scored as a cell of the profile would be, then written as a whole."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmark.cell import spans_of, to_jsonl
from benchmark.config import Params
from benchmark.external import FACTS, Declared, External, Selection, read_externals
from benchmark.hashing import cell_hash
from benchmark.predictions import read_predictions
from benchmark.result import METRICS, PREDICTIONS, CellId, Metrics, dump
from benchmark.scoring import score
from benchmark.workspace import Data
from splits import names
from splits.errors import ConfigError, CorpusError, KfbenchError
from splits.files import new_folder, sha256, write_text
from splits.labels import Inventory
from splits.schema import content_hash, surfaces

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Claim:
    """What somebody says of a system's predictions.

    Attributes:
        cell: where they belong; `variant` is the name of the system.
        protocol: what chose its checkpoint.
        strict: leave out entities that the tags do not spell well.
    """

    cell: CellId
    protocol: Selection = "dev"
    note: str = ""
    url: str = ""
    format: str | None = None
    strict: bool = False


@dataclass(frozen=True)
class Entry:
    """A scored row, not yet written. `warnings` are for whoever puts it there."""

    external: External
    predictions: str
    warnings: tuple[str, ...] = ()


def check(claim: Claim, params: Params) -> None:
    """Hold a claim against the profile.

    Raises:
        ConfigError: a name that cannot be a row's, or a cell that the profile's grid does not have.
    """
    cell = claim.cell
    if not NAME.fullmatch(cell.variant):
        raise ConfigError(f"the name {cell.variant!r}", "A name is letters, digits, dots, dashes and underscores.")
    if cell.variant in {*params.methods, *params.rows}:
        raise ConfigError(f"the profile has a variant {cell.variant!r}", "An external row needs a name of its own.")
    if cell.seed < 0:
        raise ConfigError(f"seed {cell.seed}", "A seed is 0 or more.")
    for kind, value, there in (
        ("corpus", cell.corpus, params.corpora),
        ("size", cell.size, params.sizes),
        ("draw", cell.draw, range(params.draws)),
    ):
        if value not in there:
            raise ConfigError(f"the profile has no {kind} {value!r}", f"It has: {', '.join(map(str, there))}.")
    if fault := names.fault(cell.variant):
        raise ConfigError(f"the name {cell.variant!r} {fault}", names.MEND)
    if claim.url and not re.fullmatch(r"https?://[^\s/@]+(/\S*)?", claim.url):
        raise ConfigError(f"--url {claim.url!r}", "It starts with https:// or http://, and names no user and no password: pages show it.")


def assess(claim: Claim, file: Path, data: Data, board: Path) -> Entry:
    """Read and score a file of predictions on the test split of a prepared corpus; nothing is written.

    Args:
        data: the corpus that the claim names, as the profile prepared it.
        board: the profile's `external/`.

    Raises:
        CorpusError: the predictions cannot be read, or do not fit the test split.
        ConfigError: the draw was not drawn, no predicted type is one of the corpus, or other rows of the system declare
            another protocol.
    """
    cell, splits = claim.cell, data.corpus.splits
    sample, test = data.sample(cell.size, cell.draw), splits["test"]
    given = read_predictions(file, test, format=claim.format, strict=claim.strict)
    unknown = _unknown([p.label for row in given.rows for p in row], data.corpus.labels, file)
    others = list(read_externals(board))
    _one_protocol(claim, others)
    found = score(
        test,
        [spans_of(row) for row in given.rows],
        labels=data.corpus.labels.targets,
        known=set(surfaces(sample)),
        trained={sentence.text for sentence in splits["train"]},
    )
    hashes = {"test": content_hash(test), "train": content_hash(splits["train"]), "sample": content_hash(sample)}
    declared = Declared(
        cell=cell,
        protocol=claim.protocol,
        note=" ".join(claim.note.split()),
        url=claim.url,
        file=file.name,
        sha256=sha256(file),
        format=given.format,
        repaired=given.repaired,
        strict=given.dropped,
        data=hashes,
    )
    predictions = to_jsonl(test, given.rows)
    present = {entity.label for sentence in sample for entity in sentence.entities}
    identity = {"declared": declared.model_dump(mode="json"), "predictions": hashlib.sha256(predictions.encode()).hexdigest()}
    metrics = Metrics(
        cell=cell,
        hash=cell_hash(identity),
        protocol=claim.protocol,
        shown="last" if claim.protocol == "last" else "dev",
        scores={claim.protocol: found},
        selected={"step": None, "epoch": None, "dev_f1": None},
        absent=[label for label in data.corpus.labels.targets if label not in present],
    )
    return Entry(External(declared, metrics), predictions, (*unknown, *_again(declared, others), *_repairs(declared)))


def _unknown(labels: list[str], known: Inventory, file: Path) -> tuple[str, ...]:
    """A type that the corpus does not have is a false positive; if no type is known, somebody forgot to rename them."""
    counts = Counter(label for label in labels if label not in known.targets)
    if labels and sum(counts.values()) == len(labels):
        raise CorpusError(
            file,
            None,
            f"none of its types is one of the corpus: {', '.join(sorted(counts))}",
            f"Rename them to: {', '.join(known.targets)}.",
        )
    named = ", ".join(f"{label} {n}" for label, n in sorted(counts.items()))
    return (f"types that the corpus does not have count as wrong: {named}",) if counts else ()


def _one_protocol(claim: Claim, others: list[External]) -> None:
    for other in (one.declared for one in others):
        same = (other.cell.corpus, other.cell.variant) == (claim.cell.corpus, claim.cell.variant) and other.cell != claim.cell
        if same and other.protocol != claim.protocol:
            raise ConfigError(
                f"{other.cell} declares protocol {other.protocol}, this row {claim.protocol}",
                "One name, one protocol: means over both would say nothing. Choose another name.",
            )


def _again(declared: Declared, others: list[External]) -> tuple[str, ...]:
    twins = [str(one.declared.cell) for one in others if one.declared.sha256 == declared.sha256 and one.declared.cell != declared.cell]
    return (f"the same file is on the board as {', '.join(twins)}: runs that are no runs have no spread",) if twins else ()


def _repairs(declared: Declared) -> tuple[str, ...]:
    how = "left out, as strict seqeval does" if declared.strict else "taken as conlleval takes them"
    return (f"{declared.repaired} entities are not spelt as {declared.format} wants: {how}",) if declared.repaired else ()


def put(entry: Entry, board: Path, *, again: bool = False) -> Path:
    """Write a row to `<board>/<corpus>/<name>/<size>/<draw>-<seed>/`, whole or not at all.

    Args:
        again: replace a row that stands there; without it only the very same row may.

    Raises:
        KfbenchError: another row stands there, or the folder cannot be written.
    """
    cell = entry.external.declared.cell
    folder = board / str(cell)
    contents = {METRICS: dump(entry.external.metrics), PREDICTIONS: entry.predictions, FACTS: dump(entry.external.declared)}
    if folder.exists() and not again:
        if all((folder / name).is_file() and (folder / name).read_bytes() == text.encode() for name, text in contents.items()):
            return folder
        raise KfbenchError(
            f"{folder}: another row stands there", "Give --replace to put this one in its place, or another name, draw or seed."
        )
    try:
        with new_folder(folder) as making:
            for name, text in contents.items():
                write_text(making / name, text)
    except OSError as error:
        raise KfbenchError(f"{folder}: cannot be written: {error.strerror}", "Check space and permissions.") from error
    return folder
