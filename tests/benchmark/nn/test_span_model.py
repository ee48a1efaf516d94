"""What span models share: dense targets as an oracle of their loss, and what inference cuts."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.cnn_ner import CNNNER
from benchmark.nn.encoder import Batch
from benchmark.nn.span_grid import SpanGrid
from benchmark.nn.span_model import SpanModel
from benchmark.nn.strips import Reach, Strip
from tests.neural import MIXED, close, randomised, scratch, sentence

SAMPLE = [
    sentence("Anna sees New York", (0, 1, "PER"), (2, 4, "LOC"), (2, 4, "NOUN"), (3, 4, "RARE")),
    sentence("Bob", (0, 1, "PER"), (0, 1, "LOC")),
    sentence("the sun"),
]
WEIGHTS = [1.0, 1.0, 10 / 40, 2 / 4]  # min(10 / count, T / (T + E)) of the extension labels


class Nothing(nn.Module):
    def forward(self, scores: Tensor, keep: Tensor) -> Tensor:
        return torch.zeros_like(scores)

    reach = Reach()
    cells = 4

    def over(self, scores: Tensor, strips: list[Strip]) -> Tensor:
        return scores


def span_model(**options: Any) -> SpanModel:
    encoder = scratch(SAMPLE)
    return randomised(SpanModel(encoder, MIXED, SpanGrid(encoder.hidden, size=8, heads=2), Nothing(), **options)).eval()


def batch_of(model: SpanModel) -> Batch:
    return model.encoder.batch(model.encoder.windows([s.text for s in SAMPLE]))


def dense_targets(n: int, *, symmetric: bool = False, one_label: bool = False) -> Tensor:
    found = torch.zeros(len(SAMPLE), n, n, len(MIXED), dtype=torch.float64)
    for b, s in enumerate(SAMPLE):
        for e in s.entities:
            found[b, e.start, e.end - 1, MIXED.index[e.label]] = 1
            if symmetric:
                found[b, e.end - 1, e.start, MIXED.index[e.label]] = 1
    if one_label:
        first = found.cumsum(-1) == 1
        found = found * first
    return found


@pytest.mark.parametrize("one_label", [False, True])
@pytest.mark.parametrize("padding_negatives", [False, True])
@pytest.mark.parametrize("symmetric", [False, True])
def test_the_loss_is_that_of_dense_targets(symmetric, padding_negatives, one_label):
    model = span_model(symmetric=symmetric, padding_negatives=padding_negatives, one_label=one_label)
    batch = batch_of(model)
    logits = model(batch)
    real = torch.stack([torch.outer(k, k) for k in batch.keep.double()])[..., None]
    weight = (torch.ones_like(real) if padding_negatives else real) * torch.tensor(WEIGHTS, dtype=torch.float64)
    targets = dense_targets(4, symmetric=symmetric, one_label=one_label)
    expected = F.binary_cross_entropy_with_logits(logits, targets, weight=weight, reduction="sum")
    assert float(model.loss(batch, SAMPLE).detach()) == pytest.approx(float(expected.detach()), rel=1e-12)


def test_the_loss_of_a_sentence_grows_with_its_batch_mates_only_under_the_quirk():
    for quirk in (False, True):
        model = span_model(padding_negatives=quirk)
        windows = model.encoder.windows([s.text for s in SAMPLE])
        alone = 0.0
        for window in windows:
            batch = model.encoder.batch([window])
            alone += float(model.loss(batch, SAMPLE).detach())
        batch = model.encoder.batch(windows)
        together = float(model.loss(batch, SAMPLE).detach())
        assert (together > alone + 1e-3) if quirk else together == pytest.approx(alone, rel=1e-10)


def test_extension_labels_have_logits_in_training_and_no_channel_at_inference():
    model = span_model()
    batch = batch_of(model)
    with torch.no_grad():
        model.out.bias[2:] = 60.0  # were they not cut, they would win every cell
        assert model(batch).shape[-1] == 4
        found = model.probabilities(batch)
        for p, plain, n in zip(found, torch.sigmoid(model(batch)[..., :2]), (4, 1, 2), strict=True):
            assert p.shape == (n, n, 2)
            upper = torch.ones(n, n).triu().bool()
            assert close(p[upper], plain[:n, :n][upper])


def test_a_symmetric_model_averages_probabilities_with_their_transpose():
    model = span_model(symmetric=True)
    batch = batch_of(model)
    with torch.no_grad():
        single = torch.sigmoid(model(batch))[..., :2]
        found = model.probabilities(batch)
    assert not close(single, single.transpose(1, 2), 1e-3)
    for b, n in enumerate((4, 1, 2)):
        for i in range(n):
            for j in range(n):
                assert close(found[b][i, j], (single[b, i, j] + single[b, j, i]) / 2)


def test_the_prior_is_the_start_unless_zero_is_asked_for():
    for symmetric, gold_of_loc in ((False, 2), (True, 3)):
        model = span_model(symmetric=symmetric)
        windows = model.encoder.windows([s.text for s in SAMPLE])
        model.out.bias.data.zero_()
        model.start_from(windows, SAMPLE, "zero")
        assert not model.out.bias.any()
        model.start_from(windows, SAMPLE, "prior")
        share = gold_of_loc / (16 + 1 + 4)
        assert float(model.out.bias[1].detach()) == pytest.approx(math.log(share / (1 - share)), rel=1e-6)


def test_cnn_ner_reads_targets_alone_and_within_the_sentence():
    model = randomised(CNNNER(scratch(SAMPLE), MIXED, size=8, heads=2, depth=2, dropout=0.0, symmetric=True, clashes="keep")).eval()
    with torch.no_grad():
        model.out.bias[:] = 60.0
        rows = model.read(batch_of(model))
    assert [len(row) for row in rows] == [10, 1, 3]  # every cell of the upper triangle
    assert {p.label for row in rows for p in row} <= {"PER", "LOC"}


def test_targets_and_output_start_as_the_design_says():
    encoder = scratch(SAMPLE, hidden=32)
    model = SpanModel(encoder, MIXED, SpanGrid(32, size=200), Nothing())
    assert float(model.out.weight.detach().std()) == pytest.approx(0.02, rel=0.15)
    assert not model.out.bias.any()
    assert "weights" not in model.state_dict()  # they follow from the labels
