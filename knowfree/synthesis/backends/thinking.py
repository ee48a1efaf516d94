"""The thinking part of a reasoning model's reply, cut off."""

from __future__ import annotations

import re

TAG = re.compile(r"(</?think(?:ing)?>)", re.IGNORECASE)


def cut_thinking(text: str, *, opened: bool = False) -> str:
    """What a model says when it is done thinking, without blanks around it.

    A `<think>` that is never closed takes all that follows; before a `</think>` that was never opened, all was thinking:
    the template had opened it.

    Args:
        opened: the prompt ends within a `<think>` of the template.
    """
    said: list[str] = []
    thinking = opened
    for piece in TAG.split(text):
        if not TAG.fullmatch(piece):
            if not thinking:
                said.append(piece)
            continue
        if piece.startswith("</") and not thinking:
            said.clear()
        thinking = not piece.startswith("</")
    rest = "".join(said).strip()
    return cut_thinking(rest) if TAG.search(rest) else rest  # what stood around a tag may spell one
