"""A block against the formula in torch's own operations, under autograd, with the masks that were drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertLayer

from benchmark.nn import block as blocks
from benchmark.nn.attention import Groups, grouped
from benchmark.nn.block import is_plain, masks_of
from benchmark.nn.copies import gather, kept_copies
from benchmark.nn.dropout import scaled_masks
from tests.benchmark.nn.test_attention import masks_of_sentences

LENGTHS = (3, 1, 5)
HIDDEN, HEADS = 12, 3
CONFIG = {"hidden_size": HIDDEN, "num_attention_heads": HEADS, "intermediate_size": 20}


def block(layer: BertLayer, x: Tensor, groups: Groups) -> Tensor:
    (masks,) = masks_of([layer], x, groups)
    return blocks.block(layer, x, groups, masks)


def layer_of(dtype: torch.dtype, *, states: float = 0.0, weights: float = 0.0) -> BertLayer:
    torch.manual_seed(0)
    layer = BertLayer(BertConfig(**CONFIG, hidden_dropout_prob=states, attention_probs_dropout_prob=weights)).to(dtype)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.3)  # norms and biases that do something
    return layer.train()


def formula(layer: BertLayer, x: Tensor, masks: list[Tensor | None]) -> Tensor:
    """Each sentence by itself; `masks` as they are multiplied: of both states, then of each sentence's weights."""
    one: list[Tensor | float] = [1.0 if mask is None else mask for mask in masks]
    inner, after, last = layer.attention.self, layer.attention.output, layer.output
    rows, at = [], 0
    for n, mask in zip(LENGTHS, one[2:], strict=True):
        q, k, v = (m(x[at : at + n]).view(n, HEADS, -1) for m in (inner.query, inner.key, inner.value))
        scores = torch.einsum("ihd,jhd->hij", q, k) / (HIDDEN // HEADS) ** 0.5
        rows.append(torch.einsum("hij,jhd->ihd", scores.softmax(-1) * mask, v).reshape(n, -1))
        at += n
    a = after.LayerNorm(x + after.dense(torch.cat(rows)) * one[0])
    inside = F.gelu(layer.intermediate.dense(a))
    found: Tensor = last.LayerNorm(a + last.dense(inside) * one[1])
    return found


def gradients(found: Tensor, x: Tensor, layer: nn.Module) -> list[Tensor]:
    torch.manual_seed(9)
    wanted = [x, *(p for p in layer.parameters() if p.requires_grad)]
    return list(torch.autograd.grad((found * torch.randn_like(found)).sum(), wanted))


@pytest.mark.parametrize(("states", "weights"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.1, 0.4)])
def test_states_and_gradients_are_those_of_the_formula(states: float, weights: float) -> None:
    layer = layer_of(torch.float64, states=states, weights=weights)
    x = torch.randn(sum(LENGTHS), HIDDEN, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(5)
    found = block(layer, x, grouped(LENGTHS))
    torch.manual_seed(5)
    groups = grouped(LENGTHS)
    sizes = [(x.shape, states)] * 2 + [(torch.Size((s * HEADS, n, m)), weights) for s, n, m in groups.shapes]
    masks = scaled_masks(sizes, x.dtype)
    assert [mask is None for mask in masks] == [states == 0] * 2 + [weights == 0] * len(groups.groups)
    of_sentences = masks_of_sentences(LENGTHS, HEADS, masks[2:]) if weights else [None] * len(LENGTHS)
    expected = formula(layer, x, [*masks[:2], *of_sentences])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    for own, oracle in zip(gradients(found, x, layer), gradients(expected, x, layer), strict=True):
        torch.testing.assert_close(own, oracle, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("frozen", ["weight", "bias", "LayerNorm", "query"])
def test_what_is_frozen_gets_no_gradient_and_the_rest_keeps_its_own(frozen: str) -> None:
    layer = layer_of(torch.float64)
    x = torch.randn(sum(LENGTHS), HIDDEN, dtype=torch.float64, requires_grad=True)
    whole = dict(zip(["x", *(n for n, _ in layer.named_parameters())], gradients(block(layer, x, grouped(LENGTHS)), x, layer), strict=True))
    for name, parameter in layer.named_parameters():
        parameter.requires_grad_(frozen not in name)
    names = ["x", *(n for n, p in layer.named_parameters() if p.requires_grad)]
    for name, own in zip(names, gradients(block(layer, x, grouped(LENGTHS)), x, layer), strict=True):
        assert torch.equal(own, whole[name]), name
    assert len(names) < len(whole)


def in_bf16(compute: Callable[[BertLayer, Tensor], Tensor]) -> tuple[Tensor, list[Tensor]]:
    layer = layer_of(torch.float32)
    torch.manual_seed(1)
    x = torch.randn(sum(LENGTHS), HIDDEN, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = compute(layer, x)
    return found, gradients(found, x, layer)


def test_under_autocast_states_are_float32_and_as_near_the_exact_ones_as_torchs_own() -> None:
    exact_layer = layer_of(torch.float32).double()
    torch.manual_seed(1)
    x = torch.randn(sum(LENGTHS), HIDDEN, requires_grad=True).double().detach().requires_grad_()
    exact = formula(exact_layer, x, [None] * 5)
    exact_gradients = gradients(exact.float(), x, exact_layer)
    (found, own), (theirs, their_gradients) = (
        in_bf16(lambda m, x: block(m, x, grouped(LENGTHS))),
        in_bf16(lambda m, x: formula(m, x, [None] * 5)),
    )
    assert found.dtype == theirs.dtype == torch.float32
    for mine, other, oracle in zip([found, *own], [theirs, *their_gradients], [exact, *exact_gradients], strict=True):
        scale = float(oracle.abs().max())
        assert 0 < float((mine - oracle).abs().max()) < max(2 * float((other - oracle).abs().max()), 2**-7 * scale)


def test_kept_copies_give_the_same_numbers_as_casts() -> None:
    def with_copies(layer: BertLayer, x: Tensor) -> tuple[Tensor, list[Tensor | None]]:
        with kept_copies(layer) as copies, torch.autocast("cpu", torch.bfloat16):
            found = block(layer, x, grouped(LENGTHS))
            found.square().sum().backward()
            gather(copies)
        return found, [p.grad for p in layer.parameters()]

    def with_casts(layer: BertLayer, x: Tensor) -> tuple[Tensor, list[Tensor | None]]:
        with torch.autocast("cpu", torch.bfloat16):
            found = block(layer, x, grouped(LENGTHS))
            found.square().sum().backward()
        return found, [p.grad for p in layer.parameters()]

    x = torch.randn(sum(LENGTHS), HIDDEN)
    (found, own), (expected, theirs) = with_copies(layer_of(torch.float32), x), with_casts(layer_of(torch.float32), x)
    assert torch.equal(found, expected)
    for mine, other in zip(own, theirs, strict=True):
        assert torch.equal(cast("Tensor", mine), cast("Tensor", other))


@pytest.mark.parametrize("other", [{"hidden_act": "relu"}, {"chunk_size_feed_forward": 2}, {"is_decoder": True}])
def test_other_blocks_are_told(other: dict[str, object]) -> None:
    assert is_plain(BertConfig(**CONFIG))
    assert not is_plain(BertConfig(**CONFIG, **other))
