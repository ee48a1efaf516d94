"""A block of a BERT over sentences that stand in one row: attention, feed-forward layer, and their gradient, written by hand.

Left to autograd, a block is some hundred small operations: a sentence is short, and every cast, mask and sum of gradients is a
pass of its own, beside which the matrix products are not long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from benchmark.nn.copies import multiplied
from benchmark.nn.dropout import scaled_masks

aten = torch.ops.aten
WEIGHTS = 16  # of a block: weight and bias of six linear layers and of two norms


@dataclass(frozen=True, slots=True)
class Shape:
    """What a block does besides its weights: lengths of the sentences, heads, shares that are dropped, epsilons of the norms."""

    lengths: tuple[int, ...]
    heads: int
    of_weights: float
    of_states: tuple[float, float]
    epsilons: tuple[float, float]


def is_plain(config: Any) -> bool:
    """Whether the blocks of a model of BERT's families are those computed here."""
    wanted = {"hidden_act": "gelu", "chunk_size_feed_forward": 0}
    unwanted = ("is_decoder", "add_cross_attention")
    return all(getattr(config, k, None) == v for k, v in wanted.items()) and not any(getattr(config, k, False) for k in unwanted)


def block(layer: Any, x: Tensor, lengths: Sequence[int]) -> Tensor:
    """What a layer of transformers' BERT, ELECTRA or RoBERTa gives, each sentence attending to itself alone.

    Under autocast products are in its type, states and norms in that of `x`, as transformers' own are.

    Shapes:
        x: [sub-words of all sentences, hidden]; returns: the same
    """
    inner, after, last = layer.attention.self, layer.attention.output, layer.output
    linear = (inner.query, inner.key, inner.value, after.dense, layer.intermediate.dense, last.dense)
    norms = (after.LayerNorm, last.LayerNorm)
    shape = Shape(
        tuple(lengths),
        inner.num_attention_heads,
        _share(inner.dropout),
        (_share(after.dropout), _share(last.dropout)),
        (norms[0].eps, norms[1].eps),
    )
    weights = [tensor for module in linear for tensor in (multiplied(module), module.bias)]
    found: Tensor = _Block.apply(x, shape, *weights, *(t for n in norms for t in (n.weight, n.bias)))  # type: ignore[no-untyped-call]
    return found


def _share(dropout: nn.Dropout) -> float:
    return dropout.p if dropout.training else 0.0


class _Block(torch.autograd.Function):
    """Gradients of what is wanted alone; sums over sub-words in the type of the states."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, shape: Shape, *weights: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            (query, key, value, out, wide, narrow), (first, second) = _paired(weights)
            low = query[0].dtype  # of products
            states = x.to(low)
            q, k, v = (_linear(states, *pair) for pair in (query, key, value))
            masks = _masks(x.shape, shape, low)
            mixed, attention = _attend(shape, q, k, v, masks[2:])
            a, after_attention = _norm_of_sum(x, _dropped(_linear(mixed, *out), masks[0]), *first, shape.epsilons[0])
            states_2 = a.to(low)
            hidden = _linear(states_2, *wide)
            active = F.gelu(hidden)
            b, after_all = _norm_of_sum(a, _dropped(_linear(active, *narrow), masks[1]), *second, shape.epsilons[1])
            ctx.shape = shape
            ctx.save_for_backward(*weights, states, mixed, *after_attention, states_2, hidden, active, *after_all, *masks, *attention)
            return b

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *given: Tensor) -> Any:
        saved: tuple[Tensor, ...] = ctx.saved_tensors
        weights, saved = saved[:WEIGHTS], saved[WEIGHTS:]
        states, mixed, sum_1, mean_1, scale_1, states_2, hidden, active, sum_2, mean_2, scale_2, mask_1, mask_2, *attention = saved
        sentences = len(ctx.shape.lengths)
        pairs, (first, second) = _paired(weights)
        low, wanted = states.dtype, ctx.needs_input_grad[2:]
        found: list[Tensor | None] = [None] * len(weights)

        def back(index: int, gradient: Tensor, x: Tensor) -> Tensor:
            """To the input of a linear layer; the gradients of its own weights are noted."""
            if wanted[2 * index]:
                found[2 * index] = gradient.t() @ x
            if wanted[2 * index + 1]:
                found[2 * index + 1] = gradient.sum(0, dtype=pairs[index][1].dtype)
            return gradient @ pairs[index][0]

        def through_norm(index: int, gradient: Tensor, saved: tuple[Tensor, Tensor, Tensor], weight: Tensor, bias: Tensor) -> Tensor:
            x, mean, scale = saved
            own = slice(2 * (len(pairs) + index), 2 * (len(pairs) + index) + 2)
            of_x, *found[own] = aten.native_layer_norm_backward(gradient, x, x.shape[-1:], mean, scale, weight, bias, [True, *wanted[own]])
            inner: Tensor = of_x
            return inner

        at_sum = through_norm(1, given[0], (sum_2, mean_2, scale_2), *second)
        gradient = back(5, _dropped(at_sum.to(low), mask_2), active)
        gradient = back(4, aten.gelu_backward(gradient, hidden), states_2)
        at_sum = through_norm(0, at_sum.add_(gradient), (sum_1, mean_1, scale_1), *first)
        gradient = back(3, _dropped(at_sum.to(low), mask_1), mixed)
        for index, of_projection in enumerate(_attend_back(ctx.shape, gradient, attention[sentences:], attention[:sentences])):
            at_sum.add_(back(index, of_projection, states))
        return at_sum, None, *found


def _paired(weights: Sequence[Tensor]) -> tuple[list[tuple[Tensor, Tensor]], list[tuple[Tensor, Tensor]]]:
    """Weight and bias of each linear layer, and of each norm."""
    pairs = list(zip(weights[::2], weights[1::2], strict=True))
    return pairs[:6], pairs[6:]


def _linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.addmm(bias.to(x.dtype), x, weight.t())


def _dropped(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask


def _norm_of_sum(x: Tensor, more: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """LayerNorm(x + more), and what its gradient needs."""
    total = x + more
    found, mean, scale = torch.native_layer_norm(total, total.shape[-1:], weight, bias, epsilon)
    return found, (total, mean, scale)


def _masks(states: torch.Size, shape: Shape, dtype: torch.dtype) -> list[Tensor | None]:
    """Of the states that attention and feed-forward layer add, then of the attention of each sentence."""
    sizes = [(states, shape.of_states[0]), (states, shape.of_states[1])]
    sizes += [(torch.Size((shape.heads, n, n)), shape.of_weights) for n in shape.lengths]
    return scaled_masks(sizes, dtype)


def _attend(shape: Shape, q: Tensor, k: Tensor, v: Tensor, masks: Sequence[Tensor | None]) -> tuple[Tensor, list[Tensor]]:
    """What every sub-word takes from its sentence; then of each sentence scaled queries, keys, values and weights.

    Shapes:
        q, k, v: [sub-words of all sentences, hidden]; returns: the same, then four of [heads, n, ...] a sentence
    """
    found, kept = torch.empty_like(q), []
    scaled = q * _scale(shape, q)
    for mask, into, *parts in zip(masks, *(_split(shape, x) for x in (found, scaled, k, v)), strict=True):
        query, key, value = (part.contiguous() for part in parts)
        weights = torch.bmm(query, key.transpose(1, 2)).softmax(-1)
        into.copy_(torch.bmm(_dropped(weights, mask), value))
        kept += [query, key, value, weights]
    return found, kept


def _attend_back(shape: Shape, gradient: Tensor, kept: Sequence[Tensor], masks: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
    """Gradients of q, k and v."""
    found = tuple(torch.empty_like(gradient) for _ in range(3))
    sentences = zip(kept[::4], kept[1::4], kept[2::4], kept[3::4], strict=True)
    for mask, (query, key, value, weights), part, of_query, of_key, of_value in zip(
        masks, sentences, *(_split(shape, x) for x in (gradient, *found)), strict=True
    ):
        g = part.contiguous()
        of_value.copy_(torch.bmm(_dropped(weights, mask).transpose(1, 2), g))
        of_weights = _dropped(torch.bmm(g, value.transpose(1, 2)), mask)
        of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
        of_query.copy_(torch.bmm(of_scores, key))
        of_key.copy_(torch.bmm(of_scores.transpose(1, 2), query))
    found[0].mul_(_scale(shape, gradient))
    return found


def _scale(shape: Shape, x: Tensor) -> float:
    return float((x.shape[-1] // shape.heads) ** -0.5)


def _split(shape: Shape, x: Tensor) -> tuple[Tensor, ...]:
    """[heads, n, size] of each sentence."""
    return torch.split(x.view(len(x), shape.heads, -1).transpose(0, 1), list(shape.lengths), dim=1)
