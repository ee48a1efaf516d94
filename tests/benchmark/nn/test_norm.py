"""A norm and a sum in one pass against torch's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from benchmark.nn import norm
from benchmark.nn.norm import in_one_pass, norm_sum


def made(kind: torch.dtype, rows: int, size: int) -> tuple[nn.LayerNorm, Tensor, Tensor]:
    torch.manual_seed(3)
    layer = nn.LayerNorm(size, eps=1e-5).to(torch.float64 if kind == torch.float64 else torch.float32)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    return layer, *((torch.randn(rows, size, dtype=torch.float64) * 3 + 1).to(kind).requires_grad_() for _ in range(2))


def with_gradients(found: Tensor, layer: nn.LayerNorm, x: Tensor, y: Tensor) -> list[Tensor]:
    torch.manual_seed(4)
    direction = torch.randn(found.shape, dtype=torch.float64).to(found.dtype)
    return [found, *torch.autograd.grad(found, [x, y, *layer.parameters()], direction)]


@pytest.mark.parametrize(("rows", "size"), [(1, 1), (1, 200), (700, 12), (33, 200), (5, 257)])
def test_values_and_gradients_are_those_of_torch(rows: int, size: int) -> None:
    layer, x, y = made(torch.float64, rows, size)
    ours, theirs = with_gradients(in_one_pass(layer, x, y), layer, x, y), with_gradients(layer(x) + y, layer, x, y)
    for own, wanted in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, wanted, rtol=1e-10, atol=1e-10)


def test_columns_may_stand_one_after_the_other() -> None:
    layer, x, y = made(torch.float64, 9, 8)
    turned = [t.detach().t().contiguous().t().requires_grad_() for t in (x, y)]
    for own, wanted in zip(
        with_gradients(in_one_pass(layer, *turned), layer, *turned), with_gradients(layer(x) + y, layer, x, y), strict=True
    ):
        torch.testing.assert_close(own, wanted, rtol=1e-10, atol=1e-10)


def test_bf16_is_as_near_the_exact_numbers_as_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x, y = made(torch.bfloat16, 500, 200)
    found = {}
    for compiled in (True, False):
        monkeypatch.setattr(norm, "has_compiled", lambda _, compiled=compiled: compiled)
        with torch.autocast("cpu", torch.bfloat16):
            found[compiled] = with_gradients(norm_sum(layer, x, y), layer, x, y)
    layer.double()
    x, y = x.detach().double().requires_grad_(), y.detach().double().requires_grad_()
    for own, other, oracle in zip(found[True], found[False], with_gradients(layer(x) + y, layer, x, y), strict=True):
        assert own.dtype == other.dtype
        far, theirs = ((value.double() - oracle).norm() / oracle.norm() for value in (own, other))
        assert far < 1.05 * theirs + 1e-7


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_other_types_are_torchs_to_the_byte(kind: torch.dtype) -> None:
    layer, x, y = made(kind, 20, 200)
    assert torch.equal(norm_sum(layer, x, y), layer(x) + y)
