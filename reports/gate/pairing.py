"""A cell now beside the same cell in the reference: comparable or why not, the same bytes or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.result import CellId
from reports.gate.current import Done, Profile, made_for
from reports.gate.reference import Reference
from reports.gate.settings import differences
from splits.errors import KfbenchError


@dataclass(frozen=True)
class Pair:
    """Two results of one cell.

    Attributes:
        counts: [2, sentences, 3], now and in the reference.
        same: nothing that was counted or predicted differs by a byte.
        same_machine: it was computed where the reference's was, so that it could be the same.
        notes: what differs and forbids no comparison.
    """

    id: CellId
    counts: NDArray[np.int64]
    same: bool
    same_machine: bool
    notes: tuple[str, ...] = ()


def pair(id: CellId, profile: Profile, reference: Reference) -> Pair | str:
    """The pair of a cell of the reference, or why it cannot be compared.

    Raises:
        KfbenchError: the reference has the sha256 of the very result, and other counts.
    """
    now = profile.cells.get(id)
    if now is None:
        return _left_out(id, profile)
    if now.done is None:
        return f"{now.trouble}: {now.why}"
    if reference.protocol.name != profile.params.protocol.name:
        return f"protocol is {profile.params.protocol.name!r}, the reference's is {reference.protocol.name!r}"
    found = differences(reference.settings(id), now.settings)
    if other := [str(difference) for difference in found if not difference.comparable]:
        return f"not comparable: {'; '.join(other)}"
    counts = reference.counts(id)
    if not np.array_equal(now.done.counts[:, 2:], counts[:, 2:]):
        return "not comparable: gold entities of the test split are counted otherwise"
    stored, made = reference.cells[str(id)], made_for(now.planned)
    notes = [str(difference) for difference in found]
    if made != stored.artefacts:
        notes.append(f"trained on other artefacts: {', '.join(_other(stored.artefacts, made))}")
    if now.done.dirty:
        notes.append("computed with uncommitted changes")
    if now.done.result == stored.result and not np.array_equal(now.done.counts, counts):
        raise KfbenchError(f"{id}: the reference has the sha256 of this result, but other counts", "Take the committed reference back.")
    same = (now.done.result, now.done.predictions) == (stored.result, stored.predictions)
    return Pair(id, np.stack([now.done.counts, counts]), same, _same_machine(now.done, stored.machine, reference), tuple(notes))


def _left_out(id: CellId, profile: Profile) -> str:
    for pair in profile.not_applicable:
        if (pair.corpus, pair.variant) == (id.corpus, id.variant):
            return f"not applicable: {pair.reason}"
    return "not in the profile's plan"


def _other(before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Names of files that are not the same on both sides."""
    old, new = ({f"{name}/{file}": sha for name, files in side.items() for file, sha in files.items()} for side in (before, after))
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def _same_machine(done: Done, machine: str | None, reference: Reference) -> bool:
    """Not where one of the two is unknown."""
    return done.machine is not None and machine is not None and _plain(done.machine) == _plain(reference.machines[machine])


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: dict(inner) for key, inner in value.items()}
