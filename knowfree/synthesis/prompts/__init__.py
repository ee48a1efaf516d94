"""Instructions of the synthesis tasks, a text file a task and language, each with its hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from splits.errors import ConfigError

Task = Literal["entities", "pos", "explain", "describe"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """The system message of a task in a language; its sha256 goes into the artefact."""

    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@cache
def prompt(task: Task, language: str) -> Prompt:
    """The instruction of a task, from `<task>.<language>.txt`.

    Raises:
        ConfigError: there is none in this language.
    """
    name = f"{task}.{language}"
    file = files(__name__) / f"{name}.txt"
    if not file.is_file():
        known = sorted(f.name.split(".")[1] for f in files(__name__).iterdir() if f.name.startswith(f"{task}."))
        raise ConfigError(
            f"there is no {task} prompt in {language!r}", f"There is one in: {', '.join(known) or 'no language'}; add {name}.txt."
        )
    return Prompt(name, file.read_text(encoding="utf-8").strip())
