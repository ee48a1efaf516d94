"""Shapes of bf16 products: few, and what the environment says of compiled ones wins."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.nn.primitives import CAPACITY, QUANTUM, keep_compiled, rounded
from tests.environment import environment


@given(st.integers(1, 10_000))
def test_rows_are_rounded_up_in_bf16_alone(rows):
    found = rounded(rows, torch.bfloat16)
    assert found % QUANTUM == 0
    assert 0 <= found - rows < QUANTUM
    assert rounded(rows, torch.float32) == rounded(rows, torch.float64) == rows


@pytest.mark.parametrize(("given_", "expected"), [(None, str(CAPACITY)), ("7", "7")])
def test_the_environment_wins(given_, expected, monkeypatch):
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.delenv(name, raising=False)
    if given_:
        monkeypatch.setenv(name, given_)
    keep_compiled()
    assert os.environ[name] == expected


def compiled(more: str) -> int:
    """How many products a process compiles that multiplies 1,500 shapes, twice each."""
    code = (
        f"import torch; from benchmark.nn.primitives import keep_compiled; {more}\n"
        "for _ in range(2):\n"
        "    for rows in range(1, 1501):\n"
        "        torch.ones(rows, 8, dtype=torch.bfloat16) @ torch.ones(8, 8, dtype=torch.bfloat16)"
    )
    env = environment(ONEDNN_VERBOSE="profile_create")
    env.pop("ONEDNN_PRIMITIVE_CACHE_CAPACITY", None)
    said = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    return said.count("create:cache_miss")


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="oneDNN has no bf16 products for this processor")
def test_more_is_kept_than_onednn_would() -> None:
    forgetful, kept = compiled(""), compiled("keep_compiled()")
    assert 0 < kept <= 1500 < forgetful
