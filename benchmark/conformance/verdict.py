"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["pass", "fail", "skip"]


@dataclass(frozen=True)
class Result:
    """A check's outcome.

    Attributes:
        check: its name.
        asks: what it asks of a method, in a sentence.
        evidence: what was seen.
        mend: what to do about a failure.
        traceback: of an exception that the method raised.
    """

    check: str
    asks: str
    status: Status
    evidence: str
    mend: str = ""
    traceback: str = ""


class Failed(Exception):  # noqa: N818 - a finding, not an error of the suite
    """A check does not hold: what was seen, and what to do about it."""

    def __init__(self, evidence: str, mend: str) -> None:
        super().__init__(evidence)
        self.evidence = evidence
        self.mend = mend


class Skipped(Exception):  # noqa: N818
    """A check that cannot be made, because another failed or the method does not ask for it."""
