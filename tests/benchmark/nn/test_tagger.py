"""Trained taggers of every neural method: saved, loaded, in windows, in half precision."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from benchmark.method import Budget, EncoderSpec, Fitted, Predicted, Tagger, build, find
from benchmark.nn import tagger as module
from splits.errors import ConfigError
from splits.schema import Sentence
from tests.neural import FLAT, NESTED, TARGETS, fit_input, pretrained, sentence, toy

METHODS = {
    "knowfree": {"size": 20, "attention_heads": 4, "dropout": 0.1, "encoder_lr": 3e-3, "head_lr": 1e-2},
    "cnn_ner": {"size": 20, "dropout": 0.1, "encoder_lr": 3e-3, "head_lr": 1e-2},
    "bert_crf": {"encoder_lr": 3e-3, "head_lr": 1e-2},
}
SAMPLE, DEV = toy(40, seed=0), toy(20, seed=1)
ENCODER = EncoderSpec("scratch", layers=1, hidden=16, heads=2)


class EarlyIsBest:
    """A monitor whose best snapshot is never the last."""

    def __call__(self, tagger: Tagger, *, step: int, epoch: float, loss: float | None = None) -> float:
        return 1 / step


def fitted_with(method: str, encoder: EncoderSpec = ENCODER, steps: int = 60, **changes) -> Fitted:
    budget = Budget(steps=steps, batch_size=8, evaluate_every=2 * steps // 3)
    given = fit_input(SAMPLE, dev=DEV, monitor=EarlyIsBest(), encoder=encoder, budget=budget, **changes)
    return build(method, METHODS[method]).fit(given)


@pytest.fixture(scope="module", params=METHODS)
def trained(request: pytest.FixtureRequest) -> tuple[str, Fitted]:
    return request.param, fitted_with(request.param)


def blind(sentences: list[Sentence]) -> list[Sentence]:
    return [Sentence(s.id, s.text) for s in sentences]


def f1(rows: list[list[Predicted]]) -> float:
    hits = sum(len(s.spans & {(p.start, p.end, p.label) for p in row}) for s, row in zip(DEV, rows, strict=True))
    return 2 * hits / (sum(map(len, rows)) + sum(len(s.spans) for s in DEV))


def test_every_method_learns_what_words_tell(trained):
    _, fitted = trained
    assert f1(fitted.last.predict(blind(DEV))) > 0.8


def test_predictions_are_in_text_order_within_the_sentence_with_scores_of_span_models(trained):
    method, fitted = trained
    for s, row in zip(DEV, fitted.last.predict(blind(DEV)), strict=True):
        assert [(p.start, p.end) for p in row] == sorted((p.start, p.end) for p in row)
        assert all(0 <= p.start < p.end <= len(s.text) and p.label in TARGETS.targets for p in row)
        assert all(p.score is None if method == "bert_crf" else 0.5 < p.score <= 1 for p in row)
        assert all(a.end <= b.start for a, b in pairwise(row))


def test_saved_and_loaded_it_predicts_the_same(trained, tmp_path: Path):
    method, fitted = trained
    for name in ("best", "last"):
        tagger = getattr(fitted, name)
        tagger.save(tmp_path / name)
        loaded = find(method).load(tmp_path / name)
        assert loaded.predict(blind(DEV)) == tagger.predict(blind(DEV))
        assert name == "best" or any(loaded.predict(blind(DEV)))
        loaded.save(tmp_path / f"{name}-again")
        files = sorted(f.name for f in (tmp_path / name).iterdir())
        assert files == sorted(f.name for f in (tmp_path / f"{name}-again").iterdir())
        assert find(method).load(tmp_path / f"{name}-again").predict(blind(DEV)) == tagger.predict(blind(DEV))


def test_best_and_last_share_a_model_and_still_predict_each_its_own(trained):
    _, fitted = trained
    assert any(not torch.equal(value, fitted.last.state[name]) for name, value in fitted.best.state.items())
    first = [t.predict(blind(DEV)) for t in (fitted.best, fitted.last)]
    assert [t.predict(blind(DEV)) for t in (fitted.best, fitted.last)] == first


def test_no_sentence_one_word_and_no_word(trained):
    _, fitted = trained
    assert fitted.last.predict([]) == []
    one, empty, unknown = fitted.last.predict([sentence("Anna"), sentence([]), sentence(["\x01"])])
    assert [(p.start, p.end, p.label) for p in one] in ([], [(0, 1, "PER")])
    assert empty == []
    assert all((p.start, p.end) == (0, 1) for p in unknown)


def test_order_and_company_of_sentences_do_not_matter(trained, monkeypatch: pytest.MonkeyPatch):
    _, fitted = trained
    whole = fitted.last.predict(blind(DEV))
    monkeypatch.setattr(module, "CELLS", 1)  # each sentence alone
    spans = [[(p.start, p.end, p.label) for p in row] for row in whole]
    backwards = fitted.last.predict(blind(DEV)[::-1])[::-1]
    assert [[(p.start, p.end, p.label) for p in row] for row in backwards] == spans
    scores = [p.score for row in whole for p in row if p.score is not None]
    assert [p.score for row in backwards for p in row if p.score is not None] == pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_long_sentence_is_read_in_windows_and_found_in_its_own_word_numbers(method):
    spec = EncoderSpec("scratch", layers=1, hidden=16, heads=2, max_length=16)
    fitted = fitted_with(method, spec)
    long = sentence([w for s in DEV for w in s.text])
    reader = fitted.last.model
    windows = reader.encoder.windows([long.text])
    assert len(windows) > 3
    apart = fitted.last.predict([sentence(long.text[w.start : w.end]) for w in windows])
    expected = [(p.start + w.start, p.end + w.start, p.label) for w, row in zip(windows, apart, strict=True) for p in row]
    (found,) = fitted.last.predict([long])
    assert [(p.start, p.end, p.label) for p in found] == expected
    assert max(p.start for p in found) > windows[-2].start


@pytest.mark.parametrize("method", METHODS)
def test_bf16_trains_and_predicts_near_fp32(method, tmp_path: Path):
    half = fitted_with(method, precision="bf16")
    assert f1(half.last.predict(blind(DEV))) > 0.7
    assert {p.dtype for p in half.last.model.parameters()} == {torch.float32}
    half.last.save(tmp_path)
    loaded = find(method).load(tmp_path)
    assert loaded.precision == "bf16"
    assert loaded.predict(blind(DEV)) == half.last.predict(blind(DEV))
    model = half.last.model.eval()
    batch = model.encoder.batch(model.encoder.windows([s.text for s in DEV]))
    with torch.inference_mode():
        exact = model(batch)
        with torch.autocast("cpu", torch.bfloat16):
            rough = model(batch)
    keep = batch.keep[:, :, None, None] & batch.keep[:, None, :, None] if exact.dim() == 4 else batch.keep[..., None]
    error = ((exact - rough.float()) * keep).abs()
    assert 0 < float(error.max()) < 0.05 * float((exact * keep).abs().max())


def test_an_unknown_precision_is_a_damaged_checkpoint(tmp_path: Path):
    fitted_with("knowfree", steps=1).last.save(tmp_path)
    file = tmp_path / module.SETTINGS
    file.write_text(file.read_text(encoding="utf-8").replace('"fp32"', '"fp8"'), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"not a whole checkpoint: tagger.json has the precision 'fp8'"):
        find("knowfree").load(tmp_path)


def test_a_half_precision_checkpoint_survives_saving(tmp_path: Path):
    from transformers import AutoModel

    source = pretrained("bert", tmp_path / "hub")
    AutoModel.from_pretrained(source).half().save_pretrained(source)
    fitted = fitted_with("knowfree", EncoderSpec(source), steps=4)
    fitted.last.save(tmp_path / "saved")
    loaded = find("knowfree").load(tmp_path / "saved")
    for model in (fitted.last.model, loaded.model):
        assert {p.dtype for p in model.parameters()} == {torch.float32}
    for name, value in fitted.last.model.eval().state_dict().items():
        assert torch.equal(value, loaded.model.state_dict()[name]), name


@pytest.mark.parametrize("method", ["knowfree", "cnn_ner"])
def test_clashes_follow_the_corpus(method):
    settings = {c.nested: fitted_with(method, steps=2, corpus=c).last.settings["clashes"] for c in (FLAT, NESTED)}
    assert settings == {False: "flat", True: "nested"}
