"""Dropout: what it promises of its masks, and that nothing else of a model changes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from benchmark.nn import dropout
from benchmark.nn.dropout import Dropout, quicken, scaled_masks

P = 0.1


def kept(shape: torch.Size, p: float, dtype: torch.dtype = torch.float64) -> Tensor:
    (mask,) = scaled_masks([(shape, p)], dtype)
    assert mask is not None
    return mask != 0


@pytest.mark.parametrize(("dtype", "compiled"), [(torch.float64, True), (torch.bfloat16, True), (torch.bfloat16, False)])
def test_elements_are_dropped_with_the_probability_and_independently(
    dtype: torch.dtype, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dropout, "has_compiled", lambda x: compiled)
    torch.manual_seed(0)
    mask = kept(torch.Size((1000, 1003)), P, dtype).double()
    dropped, count = 1 - mask, mask.numel()
    deviation = (P * (1 - P) / count) ** 0.5
    assert abs(float(dropped.mean()) - P) < 4 * deviation
    for lane in range(4):  # of a random number: none is worse than the others
        assert abs(float(dropped.flatten()[lane::4].mean()) - P) < 4 * 2 * deviation
    flat = dropped.flatten()
    for apart in (1, 2, 3, 4, 128, 1003):  # a generator's next number, that of its neighbour, that of its own after it
        together = float((flat[apart:] * flat[:-apart]).mean())
        assert abs(together - P * P) < 5 * P / count**0.5
    other = kept(torch.Size((1000, 1003)), P, dtype).double()
    assert abs(float(((1 - other) * dropped).mean()) - P * P) < 5 * P / count**0.5, "each call has its own"


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([0.05, 0.1, 0.4, 0.5]), st.sampled_from([torch.float32, torch.bfloat16, torch.float64]), st.integers(1, 9))
def test_what_is_kept_is_scaled_and_the_gradient_goes_the_same_way(p: float, dtype: torch.dtype, n: int) -> None:
    x = torch.full((n, 7), 3.0, dtype=dtype, requires_grad=True)
    module = Dropout(p)
    torch.manual_seed(n)
    y = module(x)
    y.sum().backward()
    assert x.grad is not None
    scale = torch.ones((), dtype=dtype).div_(1 - p)
    assert set(y.detach().flatten().tolist()) <= {0.0, float(3 * scale)}
    assert torch.equal(x.grad, torch.where(y == 0, torch.zeros((), dtype=dtype), scale))
    torch.manual_seed(n)
    assert torch.equal(module(x), y), "from torch's seed alone"


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_none_and_all(p: float) -> None:
    x = torch.randn(5, 5)
    assert torch.equal(Dropout(p)(x), x if p == 0 else torch.zeros(5, 5))


def test_a_probability_of_nearly_one_drops_nearly_all() -> None:
    assert kept(torch.Size((100_000,)), 1 - 1e-7).double().mean() < 0.001


def test_nothing_is_dropped_in_evaluation() -> None:
    x = torch.randn(5, 5)
    assert Dropout(0.5).eval()(x) is x


def test_every_dropout_of_a_model_is_replaced_and_nothing_else() -> None:
    class Other(nn.Dropout):
        pass

    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.3), nn.ModuleList([nn.Dropout(0.2).eval(), Other(0.1), nn.Dropout2d(0.1)]))
    state = set(model.state_dict())
    quicken(model)
    found = [(type(m).__name__, m.p, m.training) for m in model.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
    assert found == [("Dropout", 0.3, True), ("Dropout", 0.2, False), ("Other", 0.1, True), ("Dropout2d", 0.1, True)]
    assert [type(m) for m in model.modules()].count(Dropout) == 2
    assert set(model.state_dict()) == state
