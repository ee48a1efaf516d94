"""What a cell is trained with, its code apart: two cells are comparable where it is the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from benchmark.hashing import canonical
from benchmark.plan import Planned

Settings = dict[str, Any]
CODE = ("code", "cell", "artefacts", "upstream")  # not settings: code, the cell's name, what code made, a hash that holds code
GROWING = ("method.params.", "training.")  # names in them come and go with the code; values are somebody's choice
Kind = Literal["changed", "added", "removed"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that is not what it was."""

    key: str
    before: Any
    after: Any
    kind: Kind

    @property
    def comparable(self) -> bool:
        """Whether the code alone can have brought it: a parameter that did not exist then, or no longer does."""
        return self.kind != "changed" and self.key.replace("upstream.", "").startswith(GROWING)

    def __str__(self) -> str:
        if self.kind == "added":
            return f"{self.key} is new: {_short(self.after)}"
        if self.kind == "removed":
            return f"{self.key} is gone; it was {_short(self.before)}"
        return f"{self.key} is {_short(self.after)}, was {_short(self.before)}"


def settings_of(planned: Planned) -> Settings:
    """Method with its parameters, encoder, training, protocol, and the content of every split and of the sample.

    The cell that it starts from is in it in the same way, under `upstream`.
    """
    config: Settings = json.loads(canonical(planned.config))  # as it will be read back: a tuple is a list
    found = {key: value for key, value in config.items() if key not in CODE}
    if planned.upstream is not None:
        found["upstream"] = {"variant": planned.upstream.id.variant, **settings_of(planned.upstream)}
    return found


def differences(before: Settings, after: Settings) -> list[Difference]:
    """What differs, by name."""
    old, new = dict(_flat(before)), dict(_flat(after))
    found = []
    for key in sorted(old.keys() | new.keys()):
        if key not in new:
            found.append(Difference(key, old[key], None, "removed"))
        elif key not in old:
            found.append(Difference(key, None, new[key], "added"))
        elif old[key] != new[key] or type(old[key]) is not type(new[key]):
            found.append(Difference(key, old[key], new[key], "changed"))
    return found


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, value


def _short(value: Any) -> str:
    text = str(value)
    return f"{text[:12]}..." if len(text) == 64 and " " not in text else text if len(text) <= 60 else f"{text[:57]}..."
