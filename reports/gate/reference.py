"""The stored reference of a gate: what cells gave, with what settings, on which machine; one JSON file, for a repository."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, model_validator

from benchmark.config import Protocol
from benchmark.hashing import canonical
from benchmark.result import CellId
from benchmark.scoring import totals
from benchmark.workspace import cell_name
from reports.gate.counts import pack, unpack
from reports.gate.settings import Settings
from splits.errors import KfbenchError
from splits.files import write_text

SCHEMA = 1  # raise when a field changes its meaning; a newer one is refused
DIGITS = 2  # of an F1 in the file, which is there for whoever reads a diff

Numbers = Annotated[tuple[int, ...], BeforeValidator(lambda v: tuple(unpack(v)) if isinstance(v, str) else v), PlainSerializer(pack)]
Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Block = tuple[str, str, int | str]  # corpus, variant, size


class Part(BaseModel):
    """A part of the file; a key that this code does not know is an error: it might matter."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Corpus(Part):
    """What cells of a corpus share: its data by content, the encoder, and gold entities of each test sentence."""

    data: dict[str, Any]
    encoder: dict[str, Any]
    gold: Numbers


class Variant(Part):
    """What cells of a variant share; `upstream`: the variant whose cell it starts from."""

    settings: dict[str, Any]
    upstream: str | None = None


class Stored(Part):
    """A cell.

    Attributes:
        f1: in percent, for the reader; counts decide.
        tp, pred: correct and predicted entities of each test sentence.
        hash: the cell's, code included; settings: without the code; sample: content of what it was trained on.
        result, predictions: sha256 of all that was counted, and of predictions.jsonl.
        machine: a key of `machines`; None where the cell's run.json is not there.
    """

    f1: float
    tp: Numbers
    pred: Numbers
    hash: Sha
    settings: Sha
    sample: Sha
    artefacts: dict[str, dict[str, Sha]] = {}
    result: Sha
    predictions: Sha
    machine: str | None
    commit: str | None
    dirty: bool | None


class Reference(Part):
    """All of the file.

    Attributes:
        digest: sha256 of everything else: a file that a merge or a hand has changed is not taken for what was measured.
        plan: sha256 of which cells there are, with which settings.
        written: commit, version and packages of whoever wrote it.
    """

    schema_version: int = SCHEMA
    digest: str = ""
    plan: Sha
    protocol: Protocol
    written: dict[str, Any]
    machines: dict[str, dict[str, Any]]
    corpora: dict[str, Corpus]
    variants: dict[str, Variant]
    cells: dict[str, Stored] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> Reference:
        for name in self.variants:
            self._ends(name)
        for name, cell in self.cells.items():
            id = self.id(name)
            if id.corpus not in self.corpora or id.variant not in self.variants:
                raise ValueError(f"cell {name}: its corpus or variant is not in the file")
            if cell.machine is not None and cell.machine not in self.machines:
                raise ValueError(f"cell {name}: its machine is not in the file")
            gold = self.corpora[id.corpus].gold
            if not len(cell.tp) == len(cell.pred) == len(gold) or any(
                t > min(p, g) for t, p, g in zip(cell.tp, cell.pred, gold, strict=True)
            ):
                raise ValueError(f"cell {name}: its counts cannot be")
            if cell.f1 != f1_of(cell.tp, cell.pred, gold):
                raise ValueError(f"cell {name}: its F1 is not that of its counts")
            if cell.settings != digest_of(self.settings(id)):
                raise ValueError(f"cell {name}: its settings are not those of the file")
        for block, runs in self.blocks.items():
            if len(runs) != len({r.draw for r in runs}) * len({r.seed for r in runs}):
                raise ValueError(f"{'/'.join(map(str, block))}: not every draw has every seed")
        if self.plan != plan_of({self.id(name): cell.settings for name, cell in self.cells.items()}):
            raise ValueError("its plan is not that of its cells")
        return self

    def _ends(self, variant: str) -> None:
        seen: list[str] = []
        above: str | None = variant
        while above is not None:
            if above in seen or above not in self.variants:
                raise ValueError(f"variant {variant}: what it starts from is not in the file")
            seen.append(above)
            above = self.variants[above].upstream

    @staticmethod
    def id(name: str) -> CellId:
        corpus, variant, size, draw, seed = cell_name(name)
        return CellId(corpus=corpus, variant=variant, size=size, draw=draw, seed=seed)

    @cached_property
    def blocks(self) -> Mapping[Block, list[CellId]]:
        """The runs of each block, by draw and seed."""
        found: defaultdict[Block, list[CellId]] = defaultdict(list)
        for id in map(self.id, self.cells):
            found[id.corpus, id.variant, id.size].append(id)
        return {block: sorted(runs, key=lambda id: (id.draw, id.seed)) for block, runs in found.items()}

    def settings(self, id: CellId) -> Settings:
        """What a cell was trained with, put together again."""
        corpus, sample = self.corpora[id.corpus], self.cells[str(id)].sample
        return self._settings(id.variant, {"data": corpus.data | {"sample": sample}, "encoder": corpus.encoder})

    def _settings(self, variant: str, shared: Settings) -> Settings:
        stored = self.variants[variant]
        found = stored.settings | shared  # a cell and all that it starts from share corpus and sample
        return found | {"upstream": {"variant": stored.upstream, **self._settings(stored.upstream, shared)}} if stored.upstream else found

    def runs(self, block: Block) -> NDArray[np.int64]:
        """[draws, seeds, sentences, 3]: tp, pred, gold of all runs of a block."""
        ids = self.blocks[block]
        return np.stack([self.counts(id) for id in ids]).reshape(len({id.draw for id in ids}), -1, len(self.corpora[block[0]].gold), 3)

    def counts(self, id: CellId) -> NDArray[np.int64]:
        """[sentences, 3]: tp, pred, gold."""
        cell = self.cells[str(id)]
        return np.array([cell.tp, cell.pred, self.corpora[id.corpus].gold], dtype=np.int64).T.reshape(-1, 3)


def f1_of(tp: Iterable[int], pred: Iterable[int], gold: Iterable[int]) -> float:
    """Micro F1 in percent, as the file shows it."""
    return round(100 * totals(zip(tp, pred, gold, strict=True)).f1, DIGITS)


def digest_of(value: Any) -> str:
    """sha256 of canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def plan_of(cells: Mapping[CellId, str]) -> str:
    """sha256 of cells with the digest of their settings."""
    return digest_of(sorted([str(id), settings] for id, settings in cells.items()))


def write_reference(path: Path, reference: Reference) -> None:
    """The same reference, the same bytes.

    Raises:
        KfbenchError: something stands there that is no reference.
    """
    if path.exists() and not _is_ours(path):
        raise KfbenchError(f"{path}: exists and is no reference", "Give another file with --reference, or remove this one.")
    values = reference.model_dump(mode="json", exclude={"digest"})
    write_text(path, json.dumps(values | {"digest": digest_of(values)}, ensure_ascii=False, indent=1, sort_keys=True) + "\n")


def _is_ours(path: Path) -> bool:
    """Whether it was a reference, even one that a merge has torn."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return all(f'"{key}"' in text for key in ("schema_version", "cells", "predictions"))


def read_reference(path: Path) -> Reference:
    """A reference that is whole, and as it was written.

    Raises:
        KfbenchError: missing, unreadable, empty, changed by something else than `kfbench gate --update`, or of a newer schema.
    """
    again = "`kfbench gate --update` writes it anew, from the cells as they are now."
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KfbenchError(f"{path}: the reference cannot be read: {error.strerror}", again) from None
    except ValueError as error:
        raise KfbenchError(f"{path}: the reference is not JSON: {error}", f"Take the committed one back, or: {again}") from None
    if not isinstance(values, dict) or not isinstance(version := values.get("schema_version"), int):
        raise KfbenchError(f"{path}: no reference of a gate", again)
    if version > SCHEMA:
        raise KfbenchError(f"{path}: written by a newer schema ({version}; this code reads up to {SCHEMA})", "Update the checkout.")
    if not values.get("cells"):
        raise KfbenchError(f"{path}: the reference holds no cell, so nothing could fail", again)
    if values.get("digest") != digest_of({key: value for key, value in values.items() if key != "digest"}):
        mend = f"An edit or a merge has changed it: take one side of the merge whole, or: {again}"
        raise KfbenchError(f"{path}: the reference is not what `kfbench gate --update` wrote", mend)
    try:
        return Reference(**values)
    except (ValidationError, KfbenchError) as error:
        first = error.errors()[0]["msg"].removeprefix("Value error, ") if isinstance(error, ValidationError) else error.what
        raise KfbenchError(f"{path}: the reference contradicts itself: {first}", again) from None
