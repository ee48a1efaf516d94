"""Every way of attending gives what LocalAttention gives."""

from __future__ import annotations

import pytest
import torch

from knowfree.local_attention import LocalAttention
from perf.attention import CELLS, DIM, ROW, WAYS, unseen


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("block", [8, 16, 32])
def test_it_is_the_attention_of_the_suite(name, block):
    torch.manual_seed(0)
    attention = LocalAttention().double()
    cells = torch.randn(CELLS, DIM, dtype=torch.float64)
    way, reach = WAYS[name]
    with torch.no_grad():
        found = attention.out_proj(way(attention.in_proj(cells), unseen(block, torch.float64), block, reach))
        expected = attention.flat(cells, torch.arange(CELLS) // ROW)
    assert float((found - expected).abs().max()) < 1e-12
