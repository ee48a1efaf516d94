"""What runs against what documents: strips of ragged grids give the padded grid's scores, loss and gradients, in float64."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from baselines import cnn_ner
from baselines.cnn_ner import CNNNER
from benchmark.method import EncoderSpec
from benchmark.nn import span_grid, strips
from benchmark.nn.encoder import Batch, WordEncoder, load_encoder
from benchmark.nn.labels import gold_cells
from benchmark.nn.loss import grid_loss
from benchmark.nn.span_grid import SpanGrid
from benchmark.nn.span_model import SpanModel
from knowfree.local_attention import LocalFusion
from knowfree.model import KnowFREE
from splits.schema import Sentence
from tests.neural import MIXED, pretrained, randomised, scratch, sentence, toy

LONG = [w for s in toy(12, seed=4) for w in s.text]
SAMPLE: list[Sentence] = [
    sentence(LONG, (0, 1, "PER"), (3, 7, "LOC"), (3, 7, "NOUN"), (len(LONG) - 1, len(LONG), "RARE"), (0, len(LONG), "LOC")),
    *toy(4, seed=2),
    sentence("Bob", (0, 1, "PER"), (0, 1, "LOC")),
]
MODELS = ["knowfree", "knowfree one-sided", "cnn", "cnn symmetric"]


def model(kind: str, cells: int = 4096, *, dropout: float = 0.0, encoder: WordEncoder | None = None) -> SpanModel:
    encoder = encoder or scratch(SAMPLE)
    if kind.startswith("cnn"):
        symmetric = "symmetric" in kind
        made = CNNNER(encoder, MIXED, size=12, heads=3, depth=3, dropout=dropout, symmetric=symmetric, clashes="nested")
    else:
        quirks = ("one_sided_window",) if "one-sided" in kind else ()
        made = KnowFREE(encoder, MIXED, size=12, biaffine_heads=2, attention_heads=3, dropout=dropout, clashes="nested", quirks=quirks)
    made.fuse.cells = cells
    return randomised(made, scale=0.5).eval()


def batch_of(of: SpanModel, sentences: list[Sentence]) -> Batch:
    return of.encoder.batch(of.encoder.windows([s.text for s in sentences]))


def gradients(of: SpanModel, loss: Tensor) -> dict[str, Tensor]:
    of.zero_grad(set_to_none=True)
    loss.backward()
    return {name: p.grad.clone() for name, p in of.named_parameters() if p.grad is not None}


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    largest = max(float(e.abs().max()) for e in expected.values())
    return found.keys() == expected.keys() and all(float((found[n] - e).abs().max()) <= 1e-10 * largest for n, e in expected.items())


CUTS = [(1, 1, 1), (60, 1, 64), (300, 1, 1), (100_000, 1, 1), (60, 2, 1), (300, 3, 64), (100_000, 2, 1)]


@pytest.fixture(params=CUTS, ids=lambda p: f"{p[0]} cells, {p[1]} threads, multiples of {p[2]}")
def cells(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """From a strip a row to a piece for all, one after the other and side by side, with rows of zeros as in bf16 and without."""
    cells, threads, multiple = request.param
    monkeypatch.setattr(strips, "LEAST", 1)
    for module in (span_grid, cnn_ner):
        monkeypatch.setattr(module, "rounded", lambda rows, dtype, quantum=0: -(-rows // multiple) * multiple)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    yield cells
    torch.set_num_threads(before)


@pytest.mark.parametrize("kind", MODELS)
def test_loss_and_gradients_are_those_of_the_padded_grid(kind, cells):
    of = model(kind, cells)
    batch = batch_of(of, SAMPLE)
    assert len(SAMPLE[0].text) > 40
    expected = of.plain_loss(of(batch), batch, SAMPLE)
    found = of.loss(batch, SAMPLE)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-10)
    assert same(gradients(of, found / 7), gradients(of, expected / 7))


@pytest.mark.parametrize("kind", MODELS)
def test_without_gradients_the_loss_is_the_same(kind, cells):
    of = model(kind, cells)
    batch = batch_of(of, SAMPLE)
    with torch.no_grad():
        assert float(of.loss(batch, SAMPLE)) == pytest.approx(float(of.plain_loss(of(batch), batch, SAMPLE)), rel=1e-10)


@pytest.mark.parametrize("kind", MODELS)
def test_probabilities_and_entities_are_those_of_the_padded_grid(kind, cells):
    of = model(kind, cells)
    batch = batch_of(of, SAMPLE)
    with torch.no_grad():
        of.out.bias[:] = -1.0
        plain = torch.sigmoid(of(batch)[..., : len(MIXED.targets)])
        found = of.probabilities(batch)
        for b, s in enumerate(SAMPLE):
            n = len(s.text)
            expected = plain[b, :n, :n]
            if of.symmetric:
                expected = (expected + expected.transpose(0, 1)) / 2
            wanted = torch.ones(n, n).triu().bool()
            assert float((found[b][wanted] - expected[wanted]).abs().max()) <= 1e-10
            rows = of.read(batch)[b]
            assert {(p.start, p.end) for p in rows} <= {(i, j + 1) for i in range(n) for j in range(i, n) if expected[i, j].max() > 0.5}
    assert sum(map(len, of.read(batch))) > 5


@pytest.mark.parametrize("kind", MODELS)
def test_one_seed_draws_the_same_dropout_either_way(kind, cells):
    of = model(kind, cells, dropout=0.4)
    batch = batch_of(of, SAMPLE)
    of.train()
    of.encoder.eval()
    torch.manual_seed(5)
    expected = of.plain_loss(of(batch), batch, SAMPLE)
    torch.manual_seed(5)
    found = of.loss(batch, SAMPLE)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-10)
    assert same(gradients(of, found), gradients(of, expected))


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("length", [1, 2, 16, 17])
def test_a_batch_of_one_sentence_of_any_length(kind, length, cells):
    alone = [sentence(LONG[:length], (0, 1, "PER"))]
    of = model(kind, cells)
    batch = batch_of(of, alone)
    expected = of.plain_loss(of(batch), batch, alone)
    found = of.loss(batch, alone)
    assert same(gradients(of, found), gradients(of, expected))


@pytest.mark.parametrize("kind", MODELS)
def test_words_of_many_pieces(kind, tmp_path):
    encoder = load_encoder(EncoderSpec(pretrained("bert", tmp_path)))
    sentences = [sentence("abc ab ab", (0, 2, "PER")), sentence("abcc"), sentence("a bb abcb ab a", (1, 5, "LOC"), (2, 3, "NOUN"))]
    of = model(kind, encoder=encoder)
    batch = batch_of(of, sentences)
    assert batch.place.shape[-1] > 1
    assert same(gradients(of, of.loss(batch, sentences)), gradients(of, of.plain_loss(of(batch), batch, sentences)))


def test_an_upper_grid_trains_the_cells_that_are_spans(cells):
    of = model("knowfree", cells)
    batch = batch_of(of, SAMPLE)
    logits = of(batch)
    n = logits.shape[1]
    counted = (batch.keep[:, :, None] & batch.keep[:, None, :]) & torch.ones(n, n).triu().bool()
    gold = gold_cells(batch.windows, SAMPLE, MIXED, symmetric=False, one_label=False)
    expected = grid_loss(logits, counted, tuple(gold.T), of.weights)
    of.upper = True
    found = of.loss(batch, SAMPLE)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-10)
    assert same(gradients(of, found), gradients(of, expected))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_threads_give_the_same_bytes_each_time(precision, cells):
    of = model("knowfree", cells).float()
    batch = batch_of(of, SAMPLE)
    runs = []
    for _ in range(3):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            loss = of.loss(batch, SAMPLE)
            with torch.no_grad():
                read = of.probabilities(batch)
        runs.append([loss.detach(), *gradients(of, loss).values(), *read])
    assert all(torch.equal(a, b) for run in runs[1:] for a, b in zip(run, runs[0], strict=True))


def test_an_upper_grid_has_no_lower_triangle_to_average_with():
    with pytest.raises(ValueError, match="lower triangle"):
        SpanModel(scratch(SAMPLE), MIXED, SpanGrid(16, size=8, heads=2), LocalFusion(8, heads=2), symmetric=True, upper=True)


def test_bf16_sums_the_loss_and_its_gradients_in_float32():
    of = model("knowfree").float()
    batch = batch_of(of, SAMPLE)
    expected = of.loss(batch, SAMPLE)
    with torch.autocast("cpu", torch.bfloat16):
        found = of.loss(batch, SAMPLE)
    assert found.dtype == torch.float32
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=0.05)
    wanted, got = gradients(of, expected), gradients(of, found)
    assert {g.dtype for g in got.values()} == {torch.float32}
    off = sum(float((got[name] - e).square().sum()) for name, e in wanted.items())
    assert (off / sum(float(e.square().sum()) for e in wanted.values())) ** 0.5 < 0.05
