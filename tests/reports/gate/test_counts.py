"""Counts survive being written as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.gate.counts import pack, unpack


@given(st.lists(st.integers(0, 60)))
def test_what_is_packed_is_unpacked(numbers: list[int]) -> None:
    assert unpack(pack(numbers)) == numbers


@given(st.lists(st.integers(0, 35)))
def test_a_sentence_is_a_character(numbers: list[int]) -> None:
    assert len(pack(numbers)) == len(numbers)


@pytest.mark.parametrize("text", ["-1", "[12", "12]", "A", "[]", "1 2", "[-3]", "é"])
def test_what_was_never_packed_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="no row of counts"):
        unpack(text)
