"""A value that somebody chose forbids a comparison; a parameter that the code brought or took does not."""

from __future__ import annotations

from typing import Any

import pytest

from reports.gate.settings import differences

BASE: dict[str, Any] = {
    "method": {"name": "m", "params": {"size": 64, "parts": ["ext", "pos"]}},
    "training": {"epochs": 10, "steps": None},
    "encoder": {"name": "e5", "revision": "a" * 40},
    "data": {"test": "0" * 64, "labels": [{"name": "PER"}]},
    "upstream": {"variant": "u", "method": {"params": {"size": 64}}},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """BASE with a value at a path; None takes the key away."""
    *above, key = path.split(".")

    def put(node: dict[str, Any], names: list[str]) -> dict[str, Any]:
        if names:
            return node | {names[0]: put(node[names[0]], names[1:])}
        return {k: v for k, v in node.items() if k != key} if value is None else node | {key: value}

    return put(BASE, above)


def test_the_same_settings_do_not_differ() -> None:
    assert differences(BASE, changed("training.epochs", 10)) == []


@pytest.mark.parametrize(
    ("path", "value", "comparable"),
    [
        ("method.params.size", 128, False),
        ("method.params.size", "64", False),
        ("method.params.parts", ["ext"], False),
        ("training.steps", 100, False),
        ("method.name", "other", False),
        ("data.test", "1" * 64, False),
        ("data.labels", [{"name": "LOC"}], False),
        ("upstream.variant", "v", False),
        ("upstream.method.params.size", 1, False),
        ("encoder.layers", 6, False),  # a key that stands there only where somebody cut the encoder
        ("encoder.revision", None, False),
        ("data.test", None, False),
        ("dev_size", 5, False),
        ("method.params.new", 1, True),
        ("method.params.size", None, True),
        ("training.new", 1, True),
        ("upstream.method.params.new", 1, True),
    ],
)
def test_which_differences_forbid_a_comparison(path: str, value: Any, comparable: bool) -> None:
    [found] = differences(BASE, changed(path, value))
    assert (found.key, found.comparable) == (path, comparable)
    assert path in str(found)
    [back] = differences(changed(path, value), BASE)
    assert back.comparable == comparable


def test_a_cell_that_starts_from_nothing_is_not_one_that_starts_from_another() -> None:
    found = differences(BASE, {key: value for key, value in BASE.items() if key != "upstream"})
    assert any(not difference.comparable for difference in found)
