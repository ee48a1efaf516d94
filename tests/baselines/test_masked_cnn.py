"""The CNN over the grid against its recurrence, written out for one sentence at a time, in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.cnn_ner import MaskedCNN
from tests.neural import close, keep_of, randomised

DIM = 5


def recurrence(cnn: MaskedCNN, scores: Tensor) -> Tensor:
    """y_k = LayerNorm(conv(a_k) + y_(k-1)) of [n, n, dim], without padding; the convolution as nine shifted products."""
    n = len(scores)
    y = scores
    for k, (convolution, norm) in enumerate(zip(cnn.convolutions, cnn.norms, strict=True)):
        a = y if k == 0 else 0.5 * y * (1 + torch.erf(y / math.sqrt(2)))
        framed = F.pad(a, (0, 0, 1, 1, 1, 1))
        mixed = sum(framed[i : i + n, j : j + n] @ convolution.weight[:, :, i, j].T for i in range(3) for j in range(3))
        z = mixed + y
        centred = z - z.mean(-1, keepdim=True)
        y = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt() * norm.weight + norm.bias
    return y


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_every_sentence_of_a_padded_batch_follows_the_recurrence_as_if_alone(depth):
    cnn = randomised(MaskedCNN(DIM, depth=depth), scale=1.0)
    lengths = [9, 1, 2, 6]
    scores = torch.randn(4, 9, 9, DIM, dtype=torch.float64)
    found = cnn(scores, keep_of(lengths))
    for b, n in enumerate(lengths):
        expected = recurrence(cnn, scores[b, :n, :n])
        assert close(found[b, :n, :n], expected)
        assert close(cnn(scores[b : b + 1, :n, :n], keep_of([n]))[0], expected)


def test_gradients_are_those_of_the_recurrence_and_none_flow_from_padding():
    cnn = randomised(MaskedCNN(DIM), scale=1.0)
    scores = torch.randn(1, 7, 7, DIM, dtype=torch.float64, requires_grad=True)
    direction = torch.randn(5, 5, DIM, dtype=torch.float64)
    wanted = [scores, *cnn.parameters()]
    found = torch.autograd.grad((cnn(scores, keep_of([5], 7))[0, :5, :5] * direction).sum(), wanted)
    expected = torch.autograd.grad((recurrence(cnn, scores[0, :5, :5]) * direction).sum(), wanted)
    assert all(close(f, e) for f, e in zip(found, expected, strict=True))


def test_the_shape_is_that_of_the_released_code():
    cnn = MaskedCNN()
    assert [tuple(c.weight.shape) for c in cnn.convolutions] == [(200, 200, 3, 3)] * 3
    assert all(c.bias is None for c in cnn.convolutions)
    assert [n.eps for n in cnn.norms] == [1e-6] * 3
