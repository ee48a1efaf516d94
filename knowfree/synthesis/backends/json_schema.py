"""Whether a reply fits its JSON schema: the keywords that our requests use, no more."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from splits.errors import ConfigError

TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
CHECKED = frozenset({
    "type", "enum", "const", "anyOf", "properties", "required", "additionalProperties", "items", "minItems", "maxItems",
    "minLength", "maxLength", "pattern", "minimum", "maximum",
})  # fmt: skip
SAID = frozenset({"$schema", "title", "description", "default", "examples"})  # for people: they constrain nothing
FENCE = re.compile(r"\A```(?:json)?\s*\n(.*?)\n?```\Z", re.DOTALL)


def fault(text: str, schema: Mapping[str, Any]) -> str | None:
    """Why a reply is not JSON of the schema, or None; a Markdown fence around it is no fault.

    Raises:
        ConfigError: the schema holds a keyword that is not checked here.
    """
    text = text.strip()
    if fenced := FENCE.match(text):
        text = fenced[1]
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return f"not JSON: {error.msg} at character {error.pos}"
    except (ValueError, RecursionError):  # a number of thousands of digits; thousands of brackets
        return "not JSON"
    return mismatch(value, schema)


def mismatch(value: Any, schema: Mapping[str, Any], where: str = "the reply") -> str | None:
    """The first place where a value does not fit, or None.

    Raises:
        ConfigError: as `fault`.
    """
    if unknown := set(schema) - CHECKED - SAID:
        raise ConfigError(f"JSON schema: the keyword {sorted(unknown)[0]!r} is not checked here", f"Use: {', '.join(sorted(CHECKED))}.")
    kinds = schema.get("type")
    if kinds is not None and not any(_is(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return f"{where} is no {kinds}"
    if "enum" in schema and not any(_same(value, allowed) for allowed in schema["enum"]):
        return f"{where} is none of {json.dumps(schema['enum'], ensure_ascii=False)}"
    if "const" in schema and not _same(value, schema["const"]):
        return f"{where} is not {json.dumps(schema['const'], ensure_ascii=False)}"
    if "anyOf" in schema and all(mismatch(value, branch, where) for branch in schema["anyOf"]):
        return f"{where} fits none of the forms allowed"
    if isinstance(value, dict):
        return _object(value, schema, where)
    if isinstance(value, list):
        return _array(value, schema, where)
    if isinstance(value, str):
        return _string(value, schema, where)
    if _is(value, "number"):
        if value < schema.get("minimum", value):
            return f"{where} is below {schema['minimum']}"
        if value > schema.get("maximum", value):
            return f"{where} is above {schema['maximum']}"
    return None


def _object(value: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> str | None:
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    for name in schema.get("required", ()):
        if name not in value:
            return f"{where} lacks {name!r}"
    for name, part in value.items():
        inner = known.get(name, others)
        if inner is False:
            return f"{where} has {name!r}, which is not asked for"
        if inner is not True and (found := mismatch(part, inner, f"{name!r} of {where}")):
            return found
    return None


def _array(value: list[Any], schema: Mapping[str, Any], where: str) -> str | None:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return f"{where} has {len(value)} items"
    for place, part in enumerate(value):
        if found := mismatch(part, schema.get("items", {}), f"item {place} of {where}"):
            return found
    return None


def _string(value: str, schema: Mapping[str, Any], where: str) -> str | None:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return f"{where} has {len(value)} characters"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return f"{where} does not match {schema['pattern']}"
    return None


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):  # which is an int in Python, not in JSON
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, TYPES[kind])


def _same(value: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return bool(json.dumps(value, sort_keys=True) == json.dumps(other, sort_keys=True)) or (
        _is(value, "number") and _is(other, "number") and value == other
    )
