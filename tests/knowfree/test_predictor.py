"""Entities of new text: how it is cut, in what form they come, and from which directories."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from baselines.bert_crf import BertCRFMethod
from baselines.cnn_ner import CNNNERMethod
from benchmark.method import Predicted, build
from knowfree.checkpoint import save_official
from knowfree.method import PlainKnowFREE
from knowfree.predictor import KnowFREEPredictor, Predictor
from knowfree.synthesis.tokenise import Style
from splits.errors import ConfigError
from splits.labels import Inventory, write_labels
from splits.schema import Sentence
from tests.knowfree.synthesis.analysers import needs
from tests.neural import TARGETS, fit_input, toy, word_piece

SAMPLE = toy(8, seed=2)
TOKENS = [list(s.text) for s in SAMPLE]


class Whole:
    """A tagger that takes every sentence for one entity, and notes what it was given."""

    def __init__(self) -> None:
        self.given: list[tuple[str, ...]] = []

    def predict(self, sentences: Sequence[Sentence]) -> list[list[Predicted]]:
        self.given += [s.text for s in sentences]
        return [[Predicted(0, len(s.text), "ALL", 0.9)] if s.text else [] for s in sentences]

    def save(self, directory: Path) -> None:
        raise NotImplementedError


def trained(directory: Path, method: str = "knowfree", *, language: str | None = None) -> Path:
    """A saved tagger that finds much: the bias of its last layer is raised."""
    tagger = build(method, {"size": 20} if method != "bert_crf" else {}).fit(fit_input(SAMPLE)).best
    with torch.no_grad():
        if method != "bert_crf":
            tagger.state["out.bias"] += 5 - tagger.state["out.bias"].mean()
    tagger.save(directory)
    if language is not None:
        row = {"method": method, "corpus": "toy", "language": language, "hash": "0"}
        (directory / "method.json").write_text(json.dumps(row))
    return directory


def spans(rows: list[list[dict]]) -> list[list[tuple[int, int, str]]]:
    return [[(e["start"], e["end"], e["entity"]) for e in row] for row in rows]


def predicted(tagger) -> list[list[tuple[int, int, str]]]:
    return [[(p.start, p.end, p.label) for p in row] for row in tagger.predict(SAMPLE)]


@pytest.mark.parametrize(
    ("language", "text", "tokens"),
    [
        ("zh", "我在 北京", ("我", "在", "北", "京")),
        ("ja", "私は東京。", ("私", "は", "東", "京", "。")),
        ("en", "Anna's in New York.", ("Anna", "'s", "in", "New", "York", ".")),
        ("und", "我在北京", ("我", "在", "北", "京")),
    ],
)
def test_a_text_is_cut_as_the_corpora_of_its_language_are(language, text, tokens):
    tagger = Whole()
    assert Predictor(tagger, language)(text) == [[{"start": 0, "end": len(tokens), "entity": "ALL", "text": list(tokens)}]]
    assert tagger.given == [tokens]


def test_korean_is_cut_into_morphemes():
    needs("kiwipiepy")
    tagger = Whole()
    Predictor(tagger, "ko")("학교에 갔다")
    assert tagger.given[0][:2] == ("학교", "에")


def test_english_is_cut_in_its_corpus_s_style():
    tagger = Whole()
    Predictor(tagger, "en", Style(lower=True, marks=False))("Who directed Heat?")
    assert tagger.given == [("who", "directed", "heat")]


def test_a_list_is_taken_as_tokens_whatever_the_language():
    tagger = Whole()
    Predictor(tagger)([["我在", "北京"], ("a b",), []])
    assert tagger.given == [("我在", "北京"), ("a b",), ()]
    Predictor(tagger, "zh")(["我", ["我在"], ""])
    assert tagger.given[3:] == [("我",), ("我在",), ()]


@pytest.mark.parametrize("text", ["New York", "서울 大學", "1998"])
def test_text_of_an_unknown_language_is_refused_unless_its_characters_tell(text):
    with pytest.raises(ConfigError, match="language of the model is not known"):
        Predictor(Whole())([text])


@pytest.mark.parametrize("method", ["knowfree", "cnn_ner", "bert_crf"])
def test_it_loads_what_a_run_keeps_whatever_the_method(method, tmp_path: Path):
    predictor = Predictor.load(trained(tmp_path, method, language="en"))
    loader = {"knowfree": PlainKnowFREE, "cnn_ner": CNNNERMethod, "bert_crf": BertCRFMethod}[method]
    expected = predicted(loader.load(tmp_path))
    assert predictor.language == "en"
    assert sum(map(len, expected)) > 3
    assert spans(predictor(TOKENS)) == spans(predictor([" ".join(t) for t in TOKENS])) == expected


def test_an_item_is_a_batch_and_batches_do_not_matter(tmp_path: Path):
    trained(tmp_path, language="en")
    sizes = {}
    for size in (1, 3, 20):
        batches = list(KnowFREEPredictor(from_pretrained=tmp_path, batch_size=size)(TOKENS))
        sizes[size] = [len(batch) for batch in batches]
        assert [row for batch in batches for row in batch] == Predictor.load(tmp_path)(TOKENS)
    assert sizes == {1: [1] * 8, 3: [3, 3, 2], 20: [8]}
    ((row,),) = KnowFREEPredictor(from_pretrained=tmp_path)(" ".join(TOKENS[0]))
    assert all(e["text"] == TOKENS[0][e["start"] : e["end"]] for e in row)
    assert list(KnowFREEPredictor(from_pretrained=tmp_path)([])) == []


def test_overlaps_are_settled_as_in_training_unless_said_otherwise(tmp_path: Path):
    pred = KnowFREEPredictor(from_pretrained=trained(tmp_path))
    rows = {asked: spans(next(pred(TOKENS, *asked))) for asked in ((None, False), (False, False), (True, True), (True, False))}
    overlaps = {
        asked: any(a < d and c < b for row in found for i, (a, b, _) in enumerate(row) for c, d, _ in row[:i])
        for asked, found in rows.items()
    }
    assert rows[None, False] == rows[True, False]
    assert overlaps == {(None, False): False, (False, False): True, (True, True): True, (True, False): False}
    assert sum(map(len, rows[True, False])) < sum(map(len, rows[True, True])) < sum(map(len, rows[False, False]))
    crf = KnowFREEPredictor(from_pretrained=trained(tmp_path / "crf", "bert_crf", language="en"))
    with pytest.raises(ConfigError, match="never overlap"):
        next(crf(TOKENS, remove_clashed=True))


def test_a_released_checkpoint_gives_what_the_suites_own_does(tmp_path: Path):
    tagger = PlainKnowFREE.load(trained(tmp_path / "own"))
    save_official(tmp_path / "released", tagger, form="torch")
    pred = KnowFREEPredictor(from_pretrained=tmp_path / "released", language="en")
    assert spans(next(pred([" ".join(t) for t in TOKENS]))) == predicted(tagger)
    assert Predictor.load(tmp_path / "released").language == "und"


def test_labels_and_tokenizer_must_be_the_models_own(tmp_path: Path):
    write_labels(tmp_path / "own.txt", TARGETS)
    write_labels(tmp_path / "other.txt", Inventory.of_targets(["LOC", "PER"]))
    own = PlainKnowFREE.load(trained(tmp_path / "model"))
    save_official(tmp_path / "released", own)
    for where in ("model", "released"):
        tokenizer = own.model.encoder.tokenizer
        KnowFREEPredictor(tokenizer=tokenizer, from_pretrained=tmp_path / where, label_file=tmp_path / "own.txt")
        with pytest.raises(ConfigError, match="its labels are PER, LOC; the labels file says LOC, PER"):
            KnowFREEPredictor(from_pretrained=tmp_path / where, label_file=tmp_path / "other.txt")
    with pytest.raises(ConfigError, match="another vocabulary"):
        KnowFREEPredictor(tokenizer=word_piece(), from_pretrained=tmp_path / "model")


def test_a_directory_without_a_model_says_so(tmp_path: Path):
    with pytest.raises(ConfigError, match="no trained model"):
        Predictor.load(tmp_path)
    (trained(tmp_path / "m") / "method.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"method.json: not readable"):
        Predictor.load(tmp_path / "m")
    with pytest.raises(ConfigError, match="from_pretrained is not given"):
        KnowFREEPredictor()
    with pytest.raises(ConfigError, match="batch_size is 0"):
        KnowFREEPredictor(from_pretrained=tmp_path / "m", batch_size=0)
