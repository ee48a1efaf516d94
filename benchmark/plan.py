"""Which cells a profile asks for, and which pairs cannot be."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmark.cell import Cell
from benchmark.config import Params, Training
from benchmark.hashing import cell_hash
from benchmark.method import EncoderSpec, Method, build
from benchmark.result import CellId
from benchmark.workspace import Data, Workspace
from splits.errors import ConfigError
from splits.files import sha256


@dataclass(frozen=True)
class Planned:
    """A cell of the plan with its resolved configuration; `hash` is None while something that it reads is not there.

    Attributes:
        artefacts: name -> path of what the method declares.
        lacking: what is not there, and how to make it.
    """

    id: CellId
    hash: str | None
    config: dict[str, Any]
    training: Training
    upstream: Planned | None = None
    artefacts: Mapping[str, Path] = field(default_factory=dict)
    lacking: tuple[str, str] | None = None


@dataclass(frozen=True)
class NotApplicable:
    """A pair that cannot be: BERT-CRF on a nested corpus."""

    corpus: str
    variant: str
    reason: str


@dataclass(frozen=True)
class Filter:
    """What of a plan is meant; an empty collection means all."""

    corpora: Collection[str] = ()
    variants: Collection[str] = ()
    sizes: Collection[int | str] = ()
    draws: Collection[int] = ()
    seeds: Collection[int] = ()

    def pair(self, corpus: str, variant: str) -> bool:
        return _in(corpus, self.corpora) and _in(variant, self.variants)

    def cell(self, id: CellId) -> bool:
        return self.pair(id.corpus, id.variant) and _in(id.size, self.sizes) and _in(id.draw, self.draws) and _in(id.seed, self.seeds)


def _in(value: object, allowed: Collection[object]) -> bool:
    return not allowed or value in allowed


@dataclass(frozen=True)
class Plan:
    """The cells of a profile, in the order they run."""

    cells: tuple[Planned, ...]
    not_applicable: tuple[NotApplicable, ...] = ()
    pairs: tuple[tuple[str, str], ...] = field(default=())

    @cached_property
    def hashes(self) -> frozenset[str]:
        return frozenset(cell.hash for cell in self.cells if cell.hash is not None)

    @property
    def sha256(self) -> str:
        """The plan as one hash: of parameters, code and data, since each cell's hash is."""
        return plan_hash({str(cell.id): cell.hash for cell in self.cells if cell.hash is not None})

    @cached_property
    def required(self) -> frozenset[str]:
        """Hashes of the cells that another one starts from: their checkpoints are kept."""
        return frozenset(cell.upstream.hash for cell in self.cells if cell.upstream and cell.upstream.hash)


def plan_hash(cells: Mapping[str, str]) -> str:
    """One hash for a set of cells, from the hash of each by its name: two machines may share results if it is the same."""
    return hashlib.sha256("\n".join(f"{name} {hash}" for name, hash in sorted(cells.items())).encode()).hexdigest()


def make_plan(params: Params, workspace: Workspace, only: Filter | None = None) -> Plan:
    """The cells that params ask for, those of `only`.

    Raises:
        ConfigError: a filter names what the profile does not have; a method or a parameter that does not exist.
    """
    only = only or Filter()
    _check(params, only)
    pairs = [(c, v) for c in params.corpora for v in params.rows if only.pair(c, v)]
    cells: list[Planned] = []
    absent: list[NotApplicable] = []
    for corpus, variant in pairs:
        builder = _Pair(params, workspace, corpus, variant)
        if builder.reason is not None:
            absent.append(NotApplicable(corpus, variant, builder.reason))
            continue
        for size in params.sizes:
            for draw in range(params.draws):
                for seed in params.seeds:
                    id = CellId(corpus=corpus, variant=variant, size=size, draw=draw, seed=seed)
                    if only.cell(id):
                        cells.append(builder.planned(id))
    return Plan(tuple(cells), tuple(absent), tuple(pairs))


def _check(params: Params, only: Filter) -> None:
    known: list[tuple[str, Iterable[object], Iterable[object]]] = [
        ("corpus", only.corpora, params.corpora),
        ("variant", only.variants, params.rows),
        ("size", only.sizes, params.sizes),
        ("draw", only.draws, range(params.draws)),
        ("seed", only.seeds, params.seeds),
    ]
    for kind, asked, there in known:
        for value in asked:
            if value not in there:
                raise ConfigError(
                    f"the profile has no {kind} {value!r}", f"It has: {', '.join(map(str, there))}; edit params.yaml to add one."
                )


class _Pair:
    """What all cells of a corpus and a variant share."""

    def __init__(self, params: Params, workspace: Workspace, corpus: str, variant: str) -> None:
        self.params, self.workspace, self.corpus, self.variant = params, workspace, corpus, variant
        chosen = params.methods[variant]
        self.method = workspace.methods.declared(chosen.method, chosen.params)
        self.training = params.training_of(variant)
        self.annotator = chosen.annotator or params.annotator
        self.requires = chosen.requires or self.method.requires
        self.reason = workspace.methods.reason(chosen.method, chosen.params, workspace.info(corpus))
        self.above = self._above() if self.reason is None else None
        if self.above is not None and self.above.reason is not None:
            self.reason = f"{self.requires}, which it starts from: {self.above.reason}"

    def _above(self) -> _Pair | None:
        required = self.requires
        if required is None:
            return None
        if required not in self.params.methods:
            raise ConfigError(
                f"variant {self.variant!r} requires {required!r}, which `methods` does not define", "Define it, or leave it out."
            )
        return _Pair(self.params, self.workspace, self.corpus, required)

    def planned(self, id: CellId) -> Planned:
        upstream = self.above.planned(id.model_copy(update={"variant": self.above.variant})) if self.above else None
        artefacts: dict[str, Path] = {}
        if self.method.artefacts:
            folder = self.workspace.artefacts(id.corpus, self.annotator, id.size, id.draw)
            artefacts = {name: folder / f"train.{name}.jsonl" for name in self.method.artefacts}
        lacking = self._lacking(artefacts) or (upstream.lacking if upstream else None)
        if lacking is not None:
            return Planned(id, None, {}, self.training, upstream, lacking=lacking)
        made = {name: _contents(name, path) for name, path in artefacts.items()}
        config = (
            self._shared
            | ({"artefacts": made} if made else {})
            | {
                "cell": id.model_dump(),
                "data": {**self._data, "sample": self.workspace.sample_hash(id.corpus, id.size, id.draw)},
                "upstream": upstream.hash if upstream else None,
            }
        )
        return Planned(id, cell_hash(config), config, self.training, upstream, artefacts)

    def _lacking(self, artefacts: Mapping[str, Path]) -> tuple[str, str] | None:
        name = self.corpus
        if not self._prepared:
            mend = f"Run `dvc repro`, or `kfbench corpora prepare {name} --out data` and `kfbench draw {name}`."
            return "the corpus is not prepared and drawn", mend
        for artefact, path in artefacts.items():
            if not path.is_file():
                mend = f"Run `dvc repro`, or `kfbench explain`, `annotate` and `fuse {name}`; `dvc pull` takes what was published."
                return f"its {artefact} artefact {path} is not there", mend
        return None

    @cached_property
    def _prepared(self) -> bool:
        return self.workspace.prepared(self.corpus)

    @cached_property
    def _data(self) -> dict[str, Any]:
        return dict(self.workspace.data(self.corpus).hashes)

    @cached_property
    def _shared(self) -> dict[str, Any]:
        return {
            "method": {"name": self.method.name, "params": self.method.params},
            "encoder": self.workspace.encoders.identity(self.params.encoders[self.corpus].spec()),
            "training": self.training.model_dump(),
            "dev_size": self.params.protocol.dev_size,
            "code": self.method.code,
        }


def _contents(name: str, path: Path) -> dict[str, str]:
    """sha256 of an artefact and of its label files: what is made for another artefact of the sample does not count."""
    files = (path, path.with_name("labels.json"), path.with_name(f"labels.{name}.json"))
    return {file.name: sha256(file) for file in files if file.is_file()}


def load_cell(planned: Planned, params: Params, workspace: Workspace, upstream: Path | None = None) -> Cell:
    """A planned cell with its data.

    Raises:
        CorpusError: the corpus is not prepared or not drawn.
    """
    chosen = params.methods[planned.id.variant]
    method, encoder = build(chosen.method, chosen.params), params.encoders[planned.id.corpus].spec()
    return make_cell(planned, method, workspace.data(planned.id.corpus), encoder, params.protocol.dev_size, upstream)


def make_cell(planned: Planned, method: Method, data: Data, encoder: EncoderSpec, dev_size: int | None, upstream: Path | None) -> Cell:
    """A planned cell from what it is made of, wherever that lies."""
    id, training = planned.id, planned.training
    if planned.hash is None:
        raise ConfigError(f"{id}: its data were made after the plan", "Run the command again.")
    return Cell(
        id=id,
        hash=planned.hash,
        method=method,
        sample=data.sample(id.size, id.draw),
        dev=data.dev(dev_size),
        test=data.corpus.splits["test"],
        train=data.corpus.splits["train"],
        labels=data.corpus.labels,
        corpus=data.info,
        encoder=encoder,
        budget=training.budget(),
        precision=training.precision,
        threads=training.threads,
        device=training.device,
        protocol="dev" if dev_size is None else f"dev_size {dev_size}",
        artefacts=planned.artefacts,
        upstream=upstream,
    )
