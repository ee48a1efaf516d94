"""Shapes of bf16 products: few."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.nn.primitives import QUANTUM, rounded
from tests.environment import environment


@given(st.integers(1, 10_000))
def test_rows_are_rounded_up_in_bf16_alone(rows):
    found = rounded(rows, torch.bfloat16)
    assert found % QUANTUM == 0
    assert 0 <= found - rows < QUANTUM
    assert rounded(rows, torch.float32) == rounded(rows, torch.float64) == rows


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="oneDNN has no bf16 products for this processor")
def test_grids_of_many_sizes_are_computed_by_code_for_few() -> None:
    assert compiled() < 0.6 * compiled(quantum=1)


def compiled(quantum: int = QUANTUM) -> int:
    """How many products a process compiles for the grids of 20 batches."""
    code = f"""
import torch
from benchmark.nn import primitives, span_grid
from perf.workload import TABLE, encoder, labels, model, sentences, suite_loss
primitives.QUANTUM = {quantum}
span_grid.WORDS = min({quantum}, span_grid.WORDS)
names = labels()
grid = model("knowfree", encoder(TABLE), names).train()
for n in range(20):
    sample = sentences([5 + n, 30 - n], names)
    suite_loss(grid, grid.encoder.batch(grid.encoder.windows([s.text for s in sample])), sample, "bf16").backward()
"""
    env = environment(ONEDNN_VERBOSE="profile_create")
    said = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    return said.count("create:cache_miss")
