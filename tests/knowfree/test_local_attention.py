"""Local attention against `nn.MultiheadAttention` with a dense n x n mask, sentence by sentence, in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from knowfree.local_attention import LocalAttention, LocalFusion, _Blocks
from tests.neural import close, keep_of, randomised

DIM, HEADS = 6, 2


def reference(attention: LocalAttention) -> nn.MultiheadAttention:
    """Torch's own attention with the same weights (shared, so that gradients meet in them)."""
    found = nn.MultiheadAttention(attention.out_proj.in_features, attention.heads, batch_first=True, dtype=torch.float64)
    del found.in_proj_weight, found.in_proj_bias
    found.in_proj_weight, found.in_proj_bias = attention.in_proj.weight, attention.in_proj.bias
    found.out_proj.weight, found.out_proj.bias = attention.out_proj.weight, attention.out_proj.bias
    return found


def dense_attention(attention: LocalAttention, rows: Tensor, radius: int, one_sided: bool) -> Tensor:
    """Rows [r, n, dim]: every query sees all keys but those that the mask forbids."""
    n = rows.shape[1]
    forbidden = [[not ((0 if one_sided else -radius) <= k - q <= radius) for k in range(n)] for q in range(n)]
    return reference(attention)(rows, rows, rows, attn_mask=torch.tensor(forbidden), need_weights=False)[0]


def layer_norm(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * norm.weight + norm.bias


def make(radius: int = 3, one_sided: bool = False) -> LocalAttention:
    return randomised(LocalAttention(DIM, heads=HEADS, radius=radius, one_sided=one_sided), scale=1.0)


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("radius", [1, 3, 5])
def test_it_is_multihead_attention_under_a_band_on_ragged_batches_of_every_length(radius, one_sided):
    attention = make(radius, one_sided)
    for n in range(1, 41):
        lengths = [n, (n + 1) // 2, 1]
        rows = torch.randn(3, 2, n, DIM, dtype=torch.float64) * keep_of(lengths)[:, None, :, None]
        found = attention(rows, keep_of(lengths))
        assert found.isfinite().all()
        for b, m in enumerate(lengths):
            assert close(found[b, :, :m], dense_attention(attention, rows[b, :, :m], radius, one_sided)), (n, m)


@pytest.mark.parametrize(("blocks", "radius"), [(1, 2), (2, 1), (3, 3), (3, 4)])
def test_the_gradient_of_blocks_is_that_of_what_each_of_them_sees(blocks, radius):
    projected = torch.randn(blocks, 4, 3, HEADS, 2, dtype=torch.float64, requires_grad=True)
    padded = torch.nn.functional.pad(projected.detach().flatten(0, 1), (0, 0, 0, 0, 0, 0, radius, radius))
    query, key, value = _Blocks.apply(projected, radius)
    for b in range(blocks):
        for h in range(HEADS):
            assert torch.equal(query[b * HEADS + h], projected[b, :, 0, h])
            for channel, seen in ((1, key), (2, value)):
                assert torch.equal(seen[b * HEADS + h], padded[4 * b : 4 * b + 4 + 2 * radius, channel, h])
    assert torch.autograd.gradcheck(lambda x: _Blocks.apply(x, radius), (projected,))


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("n", [1, 7, 15, 16, 17, 31, 32, 33])
def test_gradients_are_those_of_multihead_attention(n, one_sided):
    attention, lengths = make(3, one_sided), [n, (n + 1) // 2]
    keep = keep_of(lengths)
    rows = torch.randn(2, 3, n, DIM, dtype=torch.float64, requires_grad=True)
    zeroed = rows * keep[:, None, :, None]
    direction = torch.randn_like(rows)
    wanted = [rows, *attention.parameters()]
    found = torch.autograd.grad((attention(zeroed, keep) * direction * keep[:, None, :, None]).sum(), wanted, retain_graph=True)
    dense = sum((dense_attention(attention, zeroed[b, :, :m], 3, one_sided) * direction[b, :, :m]).sum() for b, m in enumerate(lengths))
    expected = torch.autograd.grad(dense, wanted)
    for f, e in zip(found, expected, strict=True):
        assert (f - e).abs().max() <= 1e-10 * max(1.0, float(e.abs().max()))


def test_rows_are_independent_so_any_slice_may_be_streamed():
    attention, keep = make(), keep_of([19, 11])
    rows = torch.randn(2, 8, 19, DIM, dtype=torch.float64)
    whole = attention(rows, keep)
    assert close(torch.cat([attention(rows[:, :3], keep), attention(rows[:, 3:], keep)], dim=1), whole, 1e-12)
    changed = rows.clone()
    changed[:, 5] += 1.0
    others = [r for r in range(8) if r != 5]
    assert torch.equal(attention(changed, keep)[:, others], whole[:, others])


@pytest.mark.parametrize(("one_sided", "seen"), [(False, range(14, 21)), (True, range(17, 21))])
def test_a_key_matters_to_the_queries_of_its_window_alone(one_sided, seen):
    attention = make(3, one_sided)
    rows = torch.randn(1, 1, 30, DIM, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(attention(rows, None)[0, 0, 17].sum(), rows)
    assert [j for j in range(30) if gradient[0, 0, j].any()] == list(seen)


def dense_fusion(fusion: LocalFusion, scores: Tensor, length: int, *, radius: int = 3, one_sided: bool = False) -> Tensor:
    """LayerNorm(MHA(S)) of a sentence that stands alone: scores [n, n, dim]."""
    alone = scores[:length, :length]
    return layer_norm(dense_attention(fusion.attention, alone, radius, one_sided), fusion.norm)


def fuse(**options) -> LocalFusion:
    return randomised(LocalFusion(DIM, heads=HEADS, **options), scale=1.0)


@pytest.mark.parametrize("n", [1, 4, 16, 17, 33])
def test_fusion_scores_a_sentence_the_same_alone_or_in_any_batch(n):
    fusion, lengths = fuse(), [n, (n + 1) // 2, max(1, n - 2)]
    scores = torch.randn(3, n, n, DIM, dtype=torch.float64)
    found = fusion(scores, keep_of(lengths))
    for b, m in enumerate(lengths):
        expected = dense_fusion(fusion, scores[b], m)
        assert close(found[b, :m, :m], expected)
        assert close(fusion(scores[b : b + 1, :m, :m], keep_of([m]))[0], expected)


def test_with_padding_keys_it_is_multihead_attention_without_a_key_padding_mask():
    fusion, lengths = fuse(mask_keys=False), [20, 13, 4]
    scores = torch.randn(3, 20, 20, DIM, dtype=torch.float64)
    keep = keep_of(lengths)
    zeroed = scores * (keep[:, :, None] & keep[:, None, :])[..., None]
    found = fusion(scores, keep)
    for b, m in enumerate(lengths):
        expected = layer_norm(dense_attention(fusion.attention, zeroed[b], 3, False), fusion.norm)
        assert close(found[b, :m, :m], expected[:m, :m])


def test_with_padding_keys_the_last_columns_depend_on_batch_mates():
    fusion, mended = fuse(mask_keys=False), fuse()
    mended.load_state_dict(fusion.state_dict())
    scores = torch.randn(1, 12, 12, DIM, dtype=torch.float64)
    keep = keep_of([8], 12)
    alone = fusion(scores[:, :8, :8], keep_of([8]))
    mated = fusion(scores, keep)[:, :8, :8]
    differs = (alone - mated).abs().amax(dim=(0, 1, 3)) > 1e-6
    assert differs.tolist() == [False] * 5 + [True] * 3  # three columns reach over the end
    assert close(alone, mended(scores, keep)[:, :8, :8])


def test_initialisation_is_that_of_the_design():
    torch.manual_seed(0)
    fusion = LocalFusion()
    attention = fusion.attention
    assert (attention.heads, attention.radius, attention.in_proj.in_features, fusion.norm.eps) == (10, 3, 200, 1e-5)
    assert float(attention.out_proj.weight.detach().std()) == pytest.approx(0.02, rel=0.03)
    bound = math.sqrt(6 / (200 + 600))
    assert 0.99 * bound < float(attention.in_proj.weight.detach().abs().max()) <= bound
    assert float(attention.in_proj.weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert not attention.in_proj.bias.any()
    assert not attention.out_proj.bias.any()


def test_the_size_must_split_into_heads():
    with pytest.raises(ValueError, match="7 heads"):
        LocalAttention(200, heads=7)
