"""A block of a BERT over sentences that stand in one row: attention, feed-forward layer, and their gradient, written by hand.

Left to autograd, a block is some hundred small operations: a sentence is short, and every cast, mask and sum of gradients is a
pass of its own, beside which the matrix products are not long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from benchmark.nn.attention import Groups, attend, attend_back, dropped
from benchmark.nn.copies import joined, multiplied
from benchmark.nn.dropout import scaled_masks
from benchmark.nn.primitives import product_type

aten = torch.ops.aten
WEIGHTS = 16  # of a block: weight and bias of six linear layers and of two norms
PROJECTIONS = 3  # the first three of the linear layers, to queries, keys and values


Masks = Sequence[Tensor | None]  # of the states that attention and feed-forward layer add, then of the attention of each group


@dataclass(frozen=True, slots=True)
class Shape:
    """What a block does besides its weights: sentences, heads, what is dropped, epsilons of the norms."""

    groups: Groups
    heads: int
    masks: Masks
    epsilons: tuple[float, float]


def is_plain(config: Any) -> bool:
    """Whether the blocks of a model of BERT's families are those computed here."""
    wanted = {"hidden_act": "gelu", "chunk_size_feed_forward": 0}
    unwanted = ("is_decoder", "add_cross_attention")
    return all(getattr(config, k, None) == v for k, v in wanted.items()) and not any(getattr(config, k, False) for k in unwanted)


def masks_of(layers: Sequence[Any], x: Tensor, groups: Groups) -> list[Masks]:
    """What each of a model's layers drops of states like `x`; drawn for all at once, for to begin takes longer than to go on."""
    dtype = product_type(x)
    sizes = []
    for layer in layers:
        sizes += [(x.shape, _share(part.dropout)) for part in (layer.attention.output, layer.output)]
        inner = layer.attention.self
        sizes += [(torch.Size((s * inner.num_attention_heads, n, m)), _share(inner.dropout)) for s, n, m in groups.shapes]
    masks, each = scaled_masks(sizes, dtype), 2 + len(groups.groups)
    return [masks[at : at + each] for at in range(0, len(masks), each)]


def block(layer: Any, x: Tensor, groups: Groups, masks: Masks) -> Tensor:
    """What a layer of transformers' BERT, ELECTRA or RoBERTa gives, each sentence attending to itself alone.

    Under autocast products are in its type, states and norms in that of `x`, as transformers' own are.

    Shapes:
        x: [sub-words of all sentences, hidden]; returns: the same
    """
    inner, after, last = layer.attention.self, layer.attention.output, layer.output
    linear = (inner.query, inner.key, inner.value, after.dense, layer.intermediate.dense, last.dense)
    norms = (after.LayerNorm, last.LayerNorm)
    shape = Shape(groups, inner.num_attention_heads, masks, (norms[0].eps, norms[1].eps))
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
            (*projections, out, wide, narrow), (first, second) = _paired(weights)
            low = out[0].dtype  # of products
            states = x.to(low)
            projected = _linear(states, joined([w for w, _ in projections]), torch.cat([b for _, b in projections]))
            mixed, attention = attend(shape.groups, shape.heads, projected, shape.masks[2:])
            a, after_attention = _norm_of_sum(x, dropped(_linear(mixed, *out), shape.masks[0]), *first, shape.epsilons[0])
            states_2 = a.to(low)
            hidden = _linear(states_2, *wide)
            active = F.gelu(hidden)
            b, after_all = _norm_of_sum(a, dropped(_linear(active, *narrow), shape.masks[1]), *second, shape.epsilons[1])
            ctx.shape = shape
            ctx.save_for_backward(*weights, states, mixed, *after_attention, states_2, hidden, active, *after_all, *attention)
            return b

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *given: Tensor) -> Any:
        saved: tuple[Tensor, ...] = ctx.saved_tensors
        weights, saved = saved[:WEIGHTS], saved[WEIGHTS:]
        states, mixed, sum_1, mean_1, scale_1, states_2, hidden, active, sum_2, mean_2, scale_2, *attention = saved
        shape: Shape = ctx.shape
        pairs, (first, second) = _paired(weights)
        low, wanted = states.dtype, ctx.needs_input_grad[2:]
        found: list[Tensor | None] = [None] * len(weights)

        def back(own: Sequence[int], gradient: Tensor, x: Tensor) -> Tensor:
            """To what linear layers read; the gradients of their weights are noted."""
            note([2 * index for index in own], lambda: gradient.t() @ x)
            note([2 * index + 1 for index in own], lambda: gradient.sum(0).to(pairs[own[0]][1].dtype))
            return gradient @ joined([pairs[index][0] for index in own])

        def note(places: Sequence[int], of_all: Callable[[], Tensor]) -> None:
            if any(wanted[place] for place in places):
                for place, part in zip(places, of_all().chunk(len(places)), strict=True):
                    found[place] = part if wanted[place] else None

        def through_norm(index: int, gradient: Tensor, saved: tuple[Tensor, Tensor, Tensor], weight: Tensor, bias: Tensor) -> Tensor:
            x, mean, scale = saved
            own = slice(2 * (len(pairs) + index), 2 * (len(pairs) + index) + 2)
            of_x, *found[own] = aten.native_layer_norm_backward(gradient, x, x.shape[-1:], mean, scale, weight, bias, [True, *wanted[own]])
            inner: Tensor = of_x
            return inner

        at_sum = through_norm(1, given[0], (sum_2, mean_2, scale_2), *second)
        gradient = back([5], dropped(at_sum.to(low), shape.masks[1]), active)
        gradient = back([4], aten.gelu_backward(gradient, hidden), states_2)
        at_sum = through_norm(0, at_sum.add_(gradient), (sum_1, mean_1, scale_1), *first)
        gradient = back([3], dropped(at_sum.to(low), shape.masks[0]), mixed)
        projected = attend_back(shape.groups, shape.heads, gradient, attention, shape.masks[2:])
        at_sum.add_(back(range(PROJECTIONS), projected, states))
        return at_sum, None, *found


def _paired(weights: Sequence[Tensor]) -> tuple[list[tuple[Tensor, Tensor]], list[tuple[Tensor, Tensor]]]:
    """Weight and bias of each linear layer, and of each norm."""
    pairs = list(zip(weights[::2], weights[1::2], strict=True))
    return pairs[:6], pairs[6:]


def _linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    if x.dtype == torch.bfloat16 and x.device.type == "cpu" and _adds_biases():
        found: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias.to(x.dtype), "none", [], "")
        return found
    return torch.addmm(bias.to(x.dtype), x, weight.t())


@cache
def _adds_biases() -> bool:
    """Whether oneDNN can be told to add a bias to its product in bf16; else it is written first and read again."""
    ops = torch.ops.mkldnn
    return hasattr(ops, "_linear_pointwise") and hasattr(ops, "_is_mkldnn_bf16_supported") and bool(ops._is_mkldnn_bf16_supported())


def _norm_of_sum(x: Tensor, more: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """LayerNorm(x + more), and what its gradient needs."""
    total = x + more
    found, mean, scale = torch.native_layer_norm(total, total.shape[-1:], weight, bias, epsilon)
    return found, (total, mean, scale)
