"""Recipes of the baselines, and the CNN-NER model against the design's formula."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from baselines.bert_crf import BertCRF, BertCRFMethod
from baselines.cnn_ner import CNNNER, CNNNERMethod
from benchmark.method import build
from splits.errors import ConfigError
from tests.baselines.test_masked_cnn import recurrence
from tests.benchmark.nn.test_span_grid import dense_grid
from tests.neural import FLAT, NESTED, TARGETS, close, fit_input, randomised, scratch, sentence, toy

SAMPLE = [*toy(6, seed=2), sentence("Bob")]


def test_cnn_ner_is_a_linear_layer_on_the_grid_plus_the_cnn_and_padding_does_not_matter():
    model = randomised(CNNNER(scratch(SAMPLE), TARGETS, size=8, heads=2, depth=3, dropout=0.4, symmetric=False, clashes="flat")).eval()
    batch = model.encoder.batch(model.encoder.windows([s.text for s in SAMPLE]))
    with torch.no_grad():
        logits = model(batch)
        for b, window in enumerate(batch.windows):
            grid = dense_grid(model.grid, model.encoder(model.encoder.batch([window])))[0]
            expected = (grid + recurrence(model.fuse, grid)) @ model.out.weight.T + model.out.bias
            assert close(logits[b, : len(window), : len(window)], expected, 1e-9)


def test_the_suite_runs_cnn_ner_as_its_paper_does_with_a_prior():
    method = CNNNERMethod()
    assert (method.size, method.heads, method.depth, method.dropout, method.output_bias) == (200, 4, 3, 0.4, "prior")
    rates = method.rates()
    assert (rates.encoder_lr, rates.head_lr, rates.warmup, rates.clip, rates.decay_all) == (2e-5, pytest.approx(2e-3), 0.1, 5.0, False)
    assert CNNNERMethod(encoder_lr=1e-4).head_lr == pytest.approx(1e-2)


def test_the_papers_recipe_has_a_zero_bias_and_the_port_knowfrees_own_values():
    paper, port = CNNNERMethod(recipe="paper"), CNNNERMethod(recipe="knowfree_port")
    assert (paper.output_bias, paper.warmup, paper.rates().clip) == ("zero", 0.1, 5.0)
    rates = port.rates()
    assert (port.output_bias, rates.head_lr, rates.warmup, rates.clip) == ("zero", 1e-3, 190, None)
    given = CNNNERMethod(recipe="knowfree_port", output_bias="prior", head_lr=3e-3, warmup=0.2)
    assert (given.output_bias, given.rates().head_lr, given.rates().warmup) == ("prior", 3e-3, 0.2)


@pytest.mark.parametrize(
    ("recipe", "symmetric", "is_zero"), [("suite", True, False), ("paper", True, True), ("knowfree_port", False, True)]
)
def test_the_recipe_sets_triangles_and_bias(recipe, symmetric, is_zero):
    still = {"recipe": recipe, "encoder_lr": 0.0, "head_lr": 0.0, "size": 20}
    fitted = build("cnn_ner", still).fit(fit_input(SAMPLE))
    assert fitted.last.model.symmetric is symmetric
    bias = fitted.last.state["out.bias"]
    assert not bias.any() if is_zero else (bias < -1).all()


def test_a_loaded_port_is_still_a_port(tmp_path: Path):
    build("cnn_ner", {"recipe": "knowfree_port", "size": 20}).fit(fit_input(SAMPLE)).last.save(tmp_path)
    assert CNNNERMethod.load(tmp_path).model.symmetric is False


def test_a_tag_a_word_cannot_say_nested_entities():
    assert BertCRFMethod().supports(FLAT) is None
    assert "nest" in BertCRFMethod().supports(NESTED)
    assert [CNNNERMethod().supports(c) for c in (FLAT, NESTED)] == [None, None]


def test_bert_crf_sums_the_loss_of_sentences_that_stand_alone():
    model = randomised(BertCRF(scratch(SAMPLE), TARGETS, dropout=0.0)).eval()
    windows = model.encoder.windows([s.text for s in SAMPLE])

    def loss(some: list) -> float:
        batch = model.encoder.batch(some)
        return float(model.loss(batch, SAMPLE).detach())

    assert loss(windows) == pytest.approx(sum(loss([w]) for w in windows), rel=1e-10)
    assert loss(windows) > 0


def test_a_parameter_that_no_method_has_is_an_error():
    for method in ("cnn_ner", "bert_crf", "knowfree"):
        with pytest.raises(ConfigError, match="has no parameter 'radiuss'"):
            build(method, {"radiuss": 3})
