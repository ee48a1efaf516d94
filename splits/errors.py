"""Errors that a user can mend: what is wrong, where, and what to do."""

from __future__ import annotations

from pathlib import Path

from splits.terminal import shown


class KfbenchError(Exception):
    """An error with a mend; the command line prints it without a traceback and exits non-zero.

    Args:
        what: one sentence that says what is wrong.
        mend: what to do about it, a sentence or two.
    """

    def __init__(self, what: str, mend: str = "") -> None:
        super().__init__(what, mend)
        self.what = what
        self.mend = mend

    def __str__(self) -> str:
        return shown(f"{self.what}\n  {self.mend}" if self.mend else self.what)


class CorpusError(KfbenchError):
    """A corpus file that cannot be read; names file, line and what was expected there."""

    def __init__(self, file: str | Path, line: int | None, what: str, mend: str = "") -> None:
        self.file = str(file)
        self.line = line
        where = self.file if line is None else f"{self.file}:{line}"
        super().__init__(f"{where}: {what}", mend)

    def __reduce__(self) -> tuple[type, tuple[str, int | None, str, str]]:
        prefix = self.file if self.line is None else f"{self.file}:{self.line}"
        return type(self), (self.file, self.line, self.what.removeprefix(f"{prefix}: "), self.mend)


class WriteError(KfbenchError):
    """A file that cannot be written: no space, no permission. What comes after it could not be written either."""


class ConfigError(KfbenchError):
    """A params file, a name or an option that asks for something that does not exist."""
