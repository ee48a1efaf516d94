"""A streamed sum against the same sum on one graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmark.nn.streaming import streamed


def setting():
    torch.manual_seed(0)
    layer = nn.Linear(4, 3).double()
    unused = nn.Linear(2, 2).double()
    x = torch.randn(10, 4, dtype=torch.float64, requires_grad=True)
    lanes = [[range(0, 3), range(3, 4)], [range(4, 10)]]

    def loss_of(piece: range, tensors) -> Tensor:
        return layer(tensors[0][list(piece)]).tanh().square().sum()

    return layer, unused, x, lanes, loss_of


def test_value_and_gradients_are_those_of_one_graph():
    layer, unused, x, lanes, loss_of = setting()
    parameters = [*layer.parameters(), *unused.parameters()]
    whole = sum(loss_of(p, [x.exp()]) for lane in lanes for p in lane)
    expected = torch.autograd.grad(3 * whole, [x, *layer.parameters()])
    found = streamed(lanes, loss_of, [x.exp()], parameters)
    assert torch.allclose(found, whole, rtol=1e-14)
    (3 * found).backward()
    for got, wanted in zip([x.grad, *(p.grad for p in layer.parameters())], expected, strict=True):
        assert torch.allclose(got, wanted, rtol=1e-12, atol=0)
    assert not any(p.grad.any() for p in unused.parameters())


def test_a_lane_has_one_graph_at_a_time():
    layer, _, x, lanes, _ = setting()
    standing: list[Tensor] = []
    most = 0

    def loss_of(piece: range, tensors) -> Tensor:
        nonlocal most
        y = layer(tensors[0][list(piece)])
        y.register_hook(lambda g: standing.pop())
        standing.append(y.detach())
        most = max(most, len(standing))
        return y.sum()

    streamed([[p for lane in lanes for p in lane]], loss_of, [x], list(layer.parameters())).backward()
    assert (most, standing) == (1, [])


def test_frozen_parameters_get_no_gradient():
    layer, _, x, lanes, loss_of = setting()
    layer.weight.requires_grad_(False)
    streamed(lanes, loss_of, [x], list(layer.parameters())).backward()
    assert layer.weight.grad is None
    assert layer.bias.grad is not None
