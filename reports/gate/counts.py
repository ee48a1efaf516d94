"""Counts of a test split's sentences as text: a character a sentence, so that a changed sentence is seen in a diff."""

from __future__ import annotations

import re
from collections.abc import Iterable

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
TOKEN = re.compile(r"[0-9a-z]|\[[0-9]+\]")


def pack(numbers: Iterable[int]) -> str:
    """`0 3 12 40` is `03c[40]`: a digit up to 9, a letter up to 35, brackets beyond."""
    return "".join(DIGITS[n] if 0 <= n < len(DIGITS) else f"[{n}]" for n in numbers)


def unpack(text: str) -> list[int]:
    """What `pack` wrote.

    Raises:
        ValueError: it did not write this.
    """
    tokens = TOKEN.findall(text)
    if "".join(tokens) != text:
        raise ValueError(f"{text[:40]!r} is no row of counts")
    return [int(token[1:-1]) if token[0] == "[" else DIGITS.index(token) for token in tokens]
