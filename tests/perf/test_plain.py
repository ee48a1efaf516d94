"""The plain formulation against the suite's, in float64: scores, loss, gradients and entities are the same."""

from __future__ import annotations

import pytest
import torch

from baselines.cnn_ner import CNNNER
from benchmark.nn.crf import ConstrainedCRF, bio_constraints
from benchmark.nn.span_model import SpanModel
from knowfree.model import KnowFREE
from perf import plain_crf
from perf.plain import PlainModel
from perf.workload import few_entities, sentences, suite_loss, uneven
from tests.neural import MIXED, close, keep_of, randomised, scratch, sentence

UNEVEN = [
    sentence("Anna Annabob sees", (0, 1, "PER"), (0, 2, "NOUN"), (1, 2, "PER")),
    sentence("x", (0, 1, "LOC"), (0, 1, "RARE")),
    sentence("Bob and Bobbobx in in New York the sun of of of", (0, 1, "PER"), (5, 7, "LOC"), (5, 6, "NOUN")),
    sentence("of New Yorkyork", (1, 3, "LOC")),
]
LONG = [*UNEVEN, sentence(" ".join(["sun", "Anna"] * 18), (30, 33, "NOUN"))]  # beyond the table of distances and a block of columns
BATCHES = {"uneven": UNEVEN, "one word": UNEVEN[1:2], "one sentence": UNEVEN[2:3], "long": LONG}


def models(kind: str, **changes: object) -> tuple[SpanModel, PlainModel]:
    encoder = scratch(UNEVEN).double()
    torch.manual_seed(1)
    if kind == "knowfree":
        model: SpanModel = KnowFREE(encoder, MIXED, size=20, biaffine_heads=2, attention_heads=5, dropout=0.0, **changes)
    else:
        model = CNNNER(encoder, MIXED, size=12, heads=2, depth=3, dropout=0.0, **({"symmetric": True, "clashes": "flat"} | changes))
    randomised(model)
    model.train()
    for module in encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    encoder.eval()
    return model, PlainModel(model)


CASES = [
    ("knowfree", {}),
    ("knowfree", {"quirks": ("padding_keys",)}),
    ("knowfree", {"quirks": ("one_sided_window",)}),
    ("knowfree", {"clashes": "nested"}),
    ("knowfree", {"clashes": "keep"}),
    ("cnn_ner", {}),
    ("cnn_ner", {"symmetric": False}),
]


@pytest.mark.parametrize(("kind", "changes"), CASES)
@pytest.mark.parametrize("name", BATCHES)
def test_scores_loss_and_gradients_are_the_suite_s(kind, changes, name):
    sample = BATCHES[name]
    model, plain = models(kind, **changes)
    windows = model.encoder.windows([s.text for s in sample])
    assert name == "one word" or any(len(piece) > 1 for w in windows for piece in w.pieces)
    batch, padded = model.encoder.batch(windows), plain.collate(windows, sample)

    found, expected = plain(padded), model(batch)
    assert float((found - expected).detach()[padded.inside].abs().max()) <= 1e-10

    plain.loss(padded).backward()
    by_plain = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    loss = suite_loss(model, batch, sample)
    loss.backward()
    by_suite = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert close(plain.loss(padded).detach(), loss.detach())
    assert by_plain.keys() == by_suite.keys()
    # Shifting all keys or all logits of a softmax changes nothing: such gradients are rounding, and are held to the largest.
    largest = max(float(g.abs().max()) for g in by_suite.values())
    for parameter, gradient in by_suite.items():
        within = 1e-10 * max(float(gradient.abs().max()), 1e-6 * largest)
        assert float((gradient - by_plain[parameter]).abs().max()) <= within, parameter


@pytest.mark.parametrize(("kind", "changes"), CASES)
@pytest.mark.parametrize("name", BATCHES)
def test_entities_are_the_suite_s(kind, changes, name):
    sample = BATCHES[name]
    model, plain = models(kind, **changes)
    few_entities(model, sample, share=1.0)
    windows = model.encoder.windows([s.text for s in sample])
    with torch.inference_mode():
        found, expected = plain.eval().read(plain.collate(windows, sample)), model.read(model.encoder.batch(windows))
    assert sum(map(len, expected)) > 0
    assert [[(p.start, p.end, p.label) for p in row] for row in found] == [[(p.start, p.end, p.label) for p in row] for row in expected]
    scores = [p.score for row in found for p in row]
    assert scores == pytest.approx([p.score for row in expected for p in row], abs=1e-10)


def test_the_loops_over_words_and_tags_are_the_crf():
    _, allowed, starts = bio_constraints(["A", "B", "C"])
    crf = randomised(ConstrainedCRF(allowed, starts))
    assert isinstance(crf, ConstrainedCRF)
    emissions = torch.randn(4, 9, 7, dtype=torch.float64, requires_grad=True)
    keep = keep_of([9, 1, 4, 6])
    tags = torch.tensor(crf.decode(torch.randn(4, 9, 7), keep_of([9, 9, 9, 9])))
    grads = []
    for found in (plain_crf.log_likelihood(crf, emissions, tags, keep), crf.log_likelihood(emissions, tags, keep)):
        crf.zero_grad()
        grads.append([found.detach(), *torch.autograd.grad(found.sum(), [emissions, *crf.parameters()])])
    for one, other in zip(*grads, strict=True):
        assert close(one, other)
    assert plain_crf.decode(crf, emissions, keep) == crf.decode(emissions, keep)


def test_drawn_sentences_hold_their_entities_and_the_longest_is_as_asked():
    assert max(uneven(37)) == 37
    for drawn, n in zip(sentences([1, 5, 80], MIXED), [1, 5, 80], strict=True):
        assert len(drawn.text) == n
        assert all(0 <= start < end <= n and label in MIXED.index for start, end, label in drawn.spans)
