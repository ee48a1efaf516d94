"""What methods say of themselves, remembered under their code: to plan and to report, no method is imported twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from benchmark.fingerprint import Fingerprint, of_method
from benchmark.hashing import canonical
from benchmark.method import build
from splits.errors import WriteError
from splits.files import write_text
from splits.source import CorpusInfo


@dataclass(frozen=True)
class Declared:
    """A method with its parameters.

    Attributes:
        code: the fingerprint under which the rest was said.
        params: every field, defaults and recipes resolved.
        reasons: why a corpus cannot be, or None; under the facts of each corpus that was asked for.
    """

    code: str
    name: str
    params: dict[str, Any]
    artefacts: list[str]
    requires: str | None
    reasons: dict[str, str | None]


class Methods:
    """Built only to ask what is not known: a room imports torch, seconds that a plan of cells long done can do without.

    Args:
        memory: a JSON file for what was said before; of a method with the same parameters, only the latest code's stays.
    """

    def __init__(self, memory: Path | None = None) -> None:
        self.memory = memory
        self._codes: dict[str, Fingerprint] = {}
        self._known: dict[str, Declared] | None = None

    def code(self, method: str) -> str:
        """The hash of a method's code."""
        return self.fingerprint(method).sha256

    def fingerprint(self, method: str) -> Fingerprint:
        """The fingerprint of a method's code, taken once."""
        if method not in self._codes:
            self._codes[method] = of_method(method)
        return self._codes[method]

    def declared(self, method: str, params: Mapping[str, Any]) -> Declared:
        """What a method says of itself.

        Raises:
            ConfigError: the method is unknown, or a parameter is.
        """
        known, code = self._load(), self.code(method)
        found = known.get(_key(method, params))
        if found is None or found.code != code:
            built = build(method, params)
            said = json.loads(canonical(asdict(cast("Any", built))))  # as it will be read back: a tuple is a list
            found = Declared(code, built.name, said, list(built.artefacts), built.requires, {})
            self._remember(_key(method, params), found)
        return found

    def reason(self, method: str, params: Mapping[str, Any], corpus: CorpusInfo) -> str | None:
        """Why the method cannot be trained on a corpus; None: it can."""
        found, facts = self.declared(method, params), canonical(asdict(corpus))
        if facts not in found.reasons:
            found.reasons[facts] = build(method, params).supports(corpus)
            self._remember(_key(method, params), found)
        return found.reasons[facts]

    def _load(self) -> dict[str, Declared]:
        if self._known is None:
            try:
                rows = json.loads(self.memory.read_text(encoding="utf-8")) if self.memory else {}
                self._known = {key: Declared(**row) for key, row in rows.items()}
            except (OSError, ValueError, TypeError, AttributeError, RecursionError):  # absent or damaged: ask again
                self._known = {}
        return self._known

    def _remember(self, key: str, found: Declared) -> None:
        known = self._load()
        known[key] = found
        if self.memory is not None:
            rows = {name: asdict(one) for name, one in known.items()}
            with suppress(WriteError):  # of a profile that may only be read, methods are asked again each time
                write_text(self.memory, json.dumps(rows, ensure_ascii=False, indent=1, sort_keys=True) + "\n")


def _key(method: str, params: Mapping[str, Any]) -> str:
    return canonical([method, dict(params)])
