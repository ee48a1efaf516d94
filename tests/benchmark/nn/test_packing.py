"""One row without padding against padded rows, in float64: states, gradients, and what a mask would have hidden."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmark.method import EncoderSpec
from benchmark.nn.encoder import WordEncoder, load_encoder
from benchmark.nn.packing import FAMILIES
from tests.neural import STYLES, pretrained

SENTENCES = [["ab", "c" * 5, "中", "a中b"], ["b"], ["abc"] * 9, ["\x01", "", "ab"]]  # words of several pieces, n = 1, uneven
PACKED = [style for style in STYLES if style in FAMILIES]


@pytest.fixture(scope="module", params=PACKED)
def encoder(request, tmp_path_factory) -> WordEncoder:
    style = request.param
    return load_encoder(EncoderSpec(pretrained(style, tmp_path_factory.mktemp(style)))).double()


def words_and_gradients(encoder: WordEncoder, *, packed: bool) -> tuple[Tensor, dict[str, Tensor]]:
    batch = encoder.batch(encoder.windows(SENTENCES))
    encoder.packs = packed
    encoder.zero_grad()
    found = encoder(batch)[batch.keep]
    (found * torch.linspace(-1, 1, found.numel(), dtype=found.dtype).view_as(found)).sum().backward()
    return found.detach(), {name: p.grad.clone() for name, p in encoder.named_parameters() if p.grad is not None}


def test_states_and_gradients_are_those_of_padded_rows(encoder):
    encoder.eval()
    assert encoder.packs
    expected, gradients = words_and_gradients(encoder, packed=False)
    found, own = words_and_gradients(encoder, packed=True)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    assert own.keys() == gradients.keys()
    scale = max(float(gradient.abs().max()) for gradient in gradients.values())
    for name, gradient in gradients.items():
        torch.testing.assert_close(own[name], gradient, rtol=1e-10, atol=1e-10 * scale, msg=name)


def test_padded_rows_read_the_same_from_the_mask_that_a_gpu_gets(encoder):
    encoder.eval()
    encoder.packs = True
    for sentences in (SENTENCES, SENTENCES[:1]):
        batch = encoder.batch(encoder.windows(sentences))
        mask = encoder._mask(batch)
        assert (mask is None) == (len(sentences) == 1)
        with torch.no_grad():
            found = encoder.model(input_ids=batch.ids, attention_mask=mask).last_hidden_state
            expected = encoder.model(input_ids=batch.ids, attention_mask=batch.attention).last_hidden_state
        assert torch.equal(found[batch.attention.bool()], expected[batch.attention.bool()])


def test_a_sentence_has_the_same_states_alone_and_in_a_batch(encoder):
    encoder.eval()
    windows = encoder.windows(SENTENCES)
    with torch.no_grad():
        together = encoder(encoder.batch(windows))
        for b, window in enumerate(windows):
            alone = encoder(encoder.batch([window]))[0]
            torch.testing.assert_close(together[b, : len(window)], alone, rtol=0, atol=1e-14)


def test_dropout_falls_on_attention_too(encoder):
    encoder.train()
    for name, module in encoder.named_modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5 if name.endswith("attention.self.dropout") else 0.0
    batch = encoder.batch(encoder.windows(SENTENCES))
    first, second = encoder(batch), encoder(batch)
    assert not torch.allclose(first[batch.keep], second[batch.keep])


def test_families_whose_attention_reads_distances_are_padded(tmp_path):
    encoder = load_encoder(EncoderSpec(pretrained("deberta-v2", tmp_path)))
    assert not encoder.packs
    assert not load_encoder(EncoderSpec("scratch"), ["a"]).packs
