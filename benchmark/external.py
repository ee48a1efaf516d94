"""Rows that no cell of ours gave: predictions of another system, scored here, with what is declared of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from benchmark.result import CellId, Frozen, Metrics, Score, load_metrics
from splits.errors import KfbenchError

FOLDER, FACTS = "external", "external.json"  # of a profile; of a row
Selection = Literal["dev", "last", "test"]  # whose F1 chose the checkpoint; `test` is declared, never done by us


class Declared(Frozen):
    """`external.json`: what whoever put the row on the board says of it, and what was scored.

    Attributes:
        cell: its place among ours; `variant` is the name of the system.
        protocol: how the system's checkpoint was chosen.
        file, sha256, format: the predictions as they were given.
        repaired: entities that their tags do not spell well; with `strict` they were left out, otherwise they count.
        data: content hashes of test, train and the sample of the declared draw.
    """

    schema_version: int = 1
    cell: CellId
    protocol: Selection
    note: str = ""
    url: str = ""
    file: str
    sha256: str
    format: str
    repaired: int = 0
    strict: bool = False
    data: dict[str, str]


@dataclass(frozen=True, slots=True)
class External:
    """A row on the board."""

    declared: Declared
    metrics: Metrics

    @property
    def score(self) -> Score:
        return self.metrics.scores[self.declared.protocol]


def read_externals(root: Path) -> Iterator[External]:
    """All rows in a folder `external/`, by corpus, name, size, draw and seed.

    Raises:
        KfbenchError: a row is damaged, lies in another's place, or declares another protocol than the system's others.
    """
    folders = [path.parent for path in root.glob(f"*/*/*/*/{FACTS}") if not any(p.startswith(".") for p in path.relative_to(root).parts)]
    rows = [_read(folder, root) for folder in folders]
    protocols: dict[tuple[str, str], Declared] = {}
    for row in sorted(rows, key=lambda row: _order(row.declared.cell)):
        one, cell = row.declared, row.declared.cell
        first = protocols.setdefault((cell.corpus, cell.variant), one)
        if first.protocol != one.protocol:
            raise KfbenchError(
                f"{root / str(cell)}: declares protocol {one.protocol}, {first.cell} declares {first.protocol}",
                "One name, one protocol: means over both would say nothing. Give one of them another name.",
            )
        yield row


def _order(cell: CellId) -> tuple[str, str, bool, int, int, int]:
    kshot = isinstance(cell.size, str)
    return cell.corpus, cell.variant, kshot, int(str(cell.size).lstrip("k")), cell.draw, cell.seed


def _read(folder: Path, root: Path) -> External:
    mend = "Remove the folder, and put the row on the board again with `kfbench score --as`."
    try:
        declared = Declared.model_validate_json((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise KfbenchError(f"{folder / FACTS}: not the facts of an external row: {str(error).splitlines()[0]}", mend) from None
    place = folder.relative_to(root).as_posix()
    if str(declared.cell) != place:
        raise KfbenchError(f"{folder / FACTS}: declares {declared.cell}, but lies in {place}", mend)
    metrics = load_metrics(folder)
    if metrics.cell != declared.cell or set(metrics.scores) != {declared.protocol}:
        raise KfbenchError(f"{folder}: its metrics are not those of the row that {FACTS} declares", mend)
    return External(declared, metrics)
