"""Attention in one pass against torch's blocks, which `test_local_attention` holds against dense attention; and life without numba."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from knowfree import local_attention
from knowfree.compiled.window import TILE
from knowfree.local_attention import LocalAttention
from tests.neural import randomised

DIM = 20
UNEVEN = [1, 2, 3, 150, 7, 40, 1, TILE + 30, 16]  # words of rows, which lie across the edges of tiles


def rows_of(lengths: Sequence[int], without: int = 0) -> Tensor:
    return torch.cat([torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths)), torch.full((without,), -1)])


def fused(attention: LocalAttention, cells: Tensor, row: Tensor, compiled: bool, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """What cells of rows get, and all gradients, in one way or the other."""
    monkeypatch.setattr(local_attention, "has_compiled", lambda x: compiled)
    cells = cells.clone().requires_grad_()
    torch.manual_seed(2)
    found = attention.flat(cells, row) if not compiled else attention.in_one_pass(cells, row)
    found = found * (row >= 0)[:, None]
    direction = torch.randn(found.shape, dtype=torch.float64).to(found.dtype)
    return [found, *torch.autograd.grad(found, [cells, *attention.parameters()], direction)]


@pytest.mark.parametrize("heads", [1, 2, 5, 10])
@pytest.mark.parametrize(("radius", "one_sided"), [(1, False), (3, False), (3, True), (5, False)])
def test_values_and_gradients_are_those_of_torch(heads: int, radius: int, one_sided: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    attention = randomised(LocalAttention(DIM, heads=heads, radius=radius, one_sided=one_sided), scale=0.5)
    for row in (rows_of(UNEVEN, without=9), rows_of([1]), rows_of([2], without=1), rows_of([TILE])):
        cells = torch.randn(len(row), DIM, dtype=torch.float64)
        for own, wanted in zip(*(fused(attention, cells, row, way, monkeypatch) for way in (True, False)), strict=True):
            torch.testing.assert_close(own, wanted, rtol=1e-10, atol=1e-11)


def test_bf16_is_as_near_the_exact_numbers_as_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    attention = LocalAttention(DIM, heads=2)
    row, cells = rows_of(UNEVEN), torch.randn(sum(UNEVEN), DIM).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        ours, torchs = (fused(attention, cells, row, way, monkeypatch) for way in (True, False))
    exact = fused(attention.double(), cells.double(), row, False, monkeypatch)
    for mine, other, oracle in zip(ours, torchs, exact, strict=True):
        assert mine.dtype == other.dtype
        far, theirs = (float((x.double() - oracle).norm() / oracle.norm()) for x in (mine, other))
        assert 0 < far < 1.2 * theirs + 1e-6


def test_weights_in_bf16_are_computed_with_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    attention = LocalAttention(DIM, heads=2).bfloat16()
    torch.nn.init.normal_(attention.in_proj.bias)
    row, cells = rows_of(UNEVEN), torch.randn(sum(UNEVEN), DIM).bfloat16()
    found = fused(attention, cells, row, True, monkeypatch)
    exact = fused(attention.double(), cells.double(), row, False, monkeypatch)
    for own, oracle in zip(found, exact, strict=True):
        assert own.dtype == torch.bfloat16
        assert float((own.double() - oracle).norm() / oracle.norm()) < 0.02


@pytest.mark.parametrize(("dtype", "wanted"), [(torch.float32, False), (torch.float64, False), (torch.bfloat16, True)])
def test_it_serves_bf16_alone(dtype: torch.dtype, wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(LocalAttention, "in_one_pass", lambda self, cells, row: asked.append(cells.dtype))
    monkeypatch.setattr(local_attention, "has_compiled", lambda x: True)
    attention = LocalAttention(DIM, heads=2).to(dtype)
    attention.flat(torch.randn(5, DIM, dtype=dtype), rows_of([5]))
    assert asked == [dtype] * wanted


def test_what_is_not_a_number_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    attention = LocalAttention(DIM, heads=2)
    cells = torch.randn(8, DIM).bfloat16()
    cells[2] = torch.nan
    with torch.autocast("cpu", torch.bfloat16):
        found = fused(attention, cells, rows_of([8]), True, monkeypatch)[0]
    assert found.isnan().any(1).tolist() == [True] * 6 + [False] * 2  # 2 and those within the window


def test_without_numba_methods_are_found_and_bf16_trains() -> None:
    code = """
import sys
sys.modules["numba"] = None  # as where it is not installed
from benchmark.method import discover
assert "knowfree" in discover()
import torch
from benchmark.nn.copies import kept_copies
from benchmark.nn.adamw import AdamW, Group
from knowfree.local_attention import LocalAttention
attention = LocalAttention(20, heads=2)
with kept_copies(attention) as copies, torch.autocast("cpu", torch.bfloat16):
    assert len(copies) == 2
    optimiser = AdamW([Group(tuple(attention.parameters()), 0.1, 0.0)], copies)
    before = attention.in_proj.weight.detach().clone()
    attention(torch.randn(1, 3, 9, 20).bfloat16()).float().square().sum().backward()
    optimiser.step()
    assert attention.in_proj.weight.isfinite().all() and not attention.in_proj.weight.equal(before)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_methods_are_found_without_reading_machine_code() -> None:
    code = "import sys; from benchmark.method import discover; discover(); print('numba' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
