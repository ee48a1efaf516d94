"""Orders for nodes, made of what the driver has: data, folders, methods."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.cluster.parcel import Sender, Sent, encoder_files
from benchmark.cluster.parcel import read as read_folder
from benchmark.cluster.task import Chosen, Order
from benchmark.fingerprint import locate
from benchmark.hashing import WEIGHTS_AND_WORDS, cell_hash
from benchmark.method import EncoderSpec
from benchmark.plan import Planned
from benchmark.worker import Worker, hash_of
from splits.files import sha256


class Orders:
    """Makes orders; what several cells share goes into the object store once."""

    def __init__(self, worker: Worker, sender: Sender) -> None:
        self.worker, self.sender = worker, sender
        self._data: dict[str, Any] = {}
        self._places: dict[str, Path | None] = {}
        self._contents: dict[str, str] = {}

    def order(self, cell: Planned, *, checkpoint: bool, small: bool) -> Order:
        """The order for a cell whose upstream, if it has one, is in the store.

        Raises:
            KfbenchError: what it reads is not there, or the encoder cannot be had.
        """
        params = self.worker.params
        spec = params.encoders[cell.id.corpus].spec()
        place = self.encoder(cell)
        return Order(
            cell=replace(cell, config={}, upstream=None),
            method=self._method(cell),
            data=self._corpus(cell.id.corpus),
            run=self.sender.run,
            dev_size=params.protocol.dev_size,
            encoder=spec,
            folder=None if place is None else self._folder(cell, place, spec),
            artefacts=self._artefacts(cell),
            upstream=self._upstream(cell),
            checkpoint=checkpoint,
            small=small,
        )

    def _folder(self, cell: Planned, place: Path, spec: EncoderSpec) -> Sent:
        return self.sender.send(place, self._key(cell, place), lambda: encoder_files(place, spec), encoder=True)

    def encoder(self, cell: Planned) -> Path | None:
        """The folder of a cell's encoder; None: it is built from nothing, or each node fetches it from the hub."""
        spec = self.worker.params.encoders[cell.id.corpus].spec()
        name = f"{spec.name} {spec.revision}"
        if name not in self._places:
            directory = Path(spec.name).expanduser()
            if spec.name == "scratch":
                self._places[name] = None
            elif directory.is_dir():
                self._places[name] = directory
            else:
                self._places[name] = _snapshot(spec.name, spec.revision) if self.sender.abroad else None
        return self._places[name]

    def _key(self, cell: Planned, place: Path) -> str:
        """The content of an encoder: as the plan has it, or of the hub's files as they lie here."""
        planned = cell.config["encoder"].get("content")
        if planned is not None:
            return str(planned)
        if str(place) not in self._contents:
            self._contents[str(place)] = self.worker.workspace.encoders.content(place)
        return self._contents[str(place)]

    def _corpus(self, corpus: str) -> Any:
        if corpus not in self._data:
            self._data[corpus] = self.sender.put(self.worker.workspace.data(corpus))
        return self._data[corpus]

    def _method(self, cell: Planned) -> Chosen:
        chosen = self.worker.params.methods[cell.id.variant]
        if ".py:" not in chosen.method:
            return Chosen(chosen.method, chosen.params, locate(chosen.method)[0])
        given, _, name = chosen.method.rpartition(":")
        file = Path(given).resolve()
        sent = self.sender.send(file.parent, sha256(file), lambda: {file.name: file.read_bytes()})
        return Chosen(name, chosen.params, file.name, sent)

    def _artefacts(self, cell: Planned) -> Sent | None:
        if not cell.artefacts:
            return None
        folder = next(iter(cell.artefacts.values())).parent
        made = cell.config["artefacts"]
        names = sorted({name for files in made.values() for name in files})
        return self.sender.send(folder, cell_hash(made), lambda: {name: (folder / name).read_bytes() for name in names})

    def _upstream(self, cell: Planned) -> Sent | None:
        if cell.upstream is None:
            return None
        folder = self.worker.checkpoint(cell.upstream)
        return self.sender.send(folder, hash_of(cell.upstream), lambda: read_folder(folder))


def _snapshot(name: str, revision: str | None) -> Path | None:
    """A hub's encoder as this machine has it, fetched if it may be; None: nodes must see for themselves."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=[f"*{suffix}" for suffix in WEIGHTS_AND_WORDS]))
    except Exception:  # of the hub, the network, the disk: a node may have it nevertheless
        return None
