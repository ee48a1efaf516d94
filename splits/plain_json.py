"""JSON as its standard has it, read with no surprise: each key once, numbers that are numbers, text that is Unicode."""

from __future__ import annotations

import json
import math
import re
from json import JSONDecodeError
from typing import Any

SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # most often half of a pair, which is fine


def loads(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        JSONDecodeError: it is none; names line and column.
        ValueError: a key stands twice in an object; a number is NaN, infinite, or thousands of digits long;
            a string is no Unicode (half a surrogate pair); brackets nest too deeply to be read.
    """
    try:
        value = _decoder.decode(text)
        if SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except JSONDecodeError:
        raise
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair stands for no character") from None
    except RecursionError:
        raise ValueError("it nests too deeply") from None
    except ValueError as error:
        raise ValueError(str(error).split(";")[0]) from None  # what follows is advice to programmers
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no number")
    return number


_decoder = json.JSONDecoder(object_pairs_hook=_once, parse_float=_finite, parse_constant=_finite)
