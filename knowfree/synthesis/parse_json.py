"""The items of a JSON array in a model's reply, whatever the reply is."""

from __future__ import annotations

import json
import re
from typing import Any, Literal, NoReturn

Fault = Literal["too_long", "not_json", "truncated"]

LONGEST_REPLY = 100_000  # characters; a reply to one sentence has a few hundred

FENCE = re.compile(r"\A\s*```\w*\s*\n(.*?)(?:```\s*)?\Z", re.DOTALL)
BETWEEN = re.compile(r"[\s,]*")


class Twice(dict[str, Any]):
    """An object that names a key twice: which value is meant cannot be known."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    return row if len(row) == len(pairs) else Twice(row)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number)


def json_items(reply: str) -> tuple[list[Any], Fault | None]:
    """The items of the array that a reply is, holds in its only key, or begins somewhere; and what is wrong with the reply.

    Of an array that breaks off, the whole items are kept. NaN and Infinity, nesting beyond the parser and whole numbers
    too long for Python end an array as a break does. Never raises.
    """
    if len(reply) > LONGEST_REPLY:
        return [], "too_long"
    if fenced := FENCE.match(reply):
        reply = fenced[1]
    try:
        value, end = DECODER.raw_decode(reply, _skip(reply, 0))
    except (ValueError, RecursionError):
        return _salvaged(reply)
    if isinstance(value, dict) and not isinstance(value, Twice) and len(value) == 1:
        (value,) = value.values()
    if isinstance(value, list) and not reply[end:].strip():
        return value, None
    return _salvaged(reply)


def _skip(text: str, place: int) -> int:
    found = BETWEEN.match(text, place)
    return found.end() if found else place


def _salvaged(reply: str) -> tuple[list[Any], Fault]:
    """Items of the first array of objects that the text holds, up to where it breaks."""
    place = reply.find("[")
    while place >= 0 and not reply.startswith("{", _skip(reply, place + 1)):
        place = reply.find("[", place + 1)
    if place < 0:
        return [], "not_json"
    items: list[Any] = []
    place = _skip(reply, place + 1)
    while place < len(reply):
        try:
            item, place = DECODER.raw_decode(reply, place)
        except (ValueError, RecursionError):
            break
        items.append(item)
        place = _skip(reply, place)
        if reply.startswith("]", place):
            break
    return items, "truncated" if items else "not_json"
