"""The demo corpora: their promises, counted."""

from __future__ import annotations

from importlib import import_module

import pytest

from splits.schema import content_hash, from_json, is_nested, to_json

DEMOS = ("demo_zh", "demo_en", "demo_ja", "demo_ko")

# A change of a grammar changes every demo number: these hashes make it a decision.
HASHES = {
    "demo_zh": "af6fb61917b4e321",
    "demo_en": "572e56b3f8587602",
    "demo_ja": "a2493b47e42c044e",
    "demo_ko": "72205462791a5f55",
}


@pytest.fixture(params=DEMOS)
def demo(request):
    module = import_module(f"splits.corpora.{request.param}")
    return module, module.read({})


def test_sizes_and_labels(demo):
    module, corpus = demo
    assert corpus.name == module.__name__.rsplit(".", 1)[-1]
    assert {split: len(sentences) for split, sentences in corpus.splits.items()} == {"train": 400, "dev": 120, "test": 400}
    assert corpus.labels.names == module.LABELS
    assert all({label for s in sentences for _, _, label in s.spans} == set(module.LABELS) for sentences in corpus.splits.values())


def test_the_source_says_what_the_corpus_is(demo):
    module, corpus = demo
    assert module.SOURCE.redistributable
    assert module.SOURCE.licence == "Apache-2.0"
    assert not module.SOURCE.files
    assert module.SOURCE.nested == is_nested([s for sentences in corpus.splits.values() for s in sentences])


def test_no_sentence_stands_twice_in_the_corpus(demo):
    texts = [s.text for sentences in demo[1].splits.values() for s in sentences]
    assert len(texts) == len(set(texts))


def test_about_a_third_of_the_test_entities_have_a_form_that_train_lacks(demo):
    corpus = demo[1]
    known = {s.text[e.start : e.end] for s in corpus.splits["train"] for e in s.entities}
    for split in ("dev", "test"):
        mentions = [s.text[e.start : e.end] for s in corpus.splits[split] for e in s.entities]
        assert 0.25 <= sum(m not in known for m in mentions) / len(mentions) <= 0.45


def test_sentences_without_entities_and_of_ordinary_length(demo):
    for sentences in demo[1].splits.values():
        assert 0.15 <= sum(not s.entities for s in sentences) / len(sentences) <= 0.35
        assert all(8 <= len(s.text) <= 30 for s in sentences)


def test_tokens_are_never_empty_and_survive_the_papers_format(demo):
    for split, sentences in demo[1].splits.items():
        for row, sentence in enumerate(sentences):
            assert all(token and not token.isspace() for token in sentence.text)
            assert from_json(to_json(sentence), file="x", line=row + 1, split=split) == sentence


def test_nothing_changed_unnoticed(demo):
    _, corpus = demo
    assert content_hash(s for sentences in corpus.splits.values() for s in sentences)[:16] == HASHES[corpus.name]


def test_a_point_of_f1_on_test_is_more_than_a_few_entities(demo):
    assert sum(len(sentence.entities) for sentence in demo[1].splits["test"]) >= 500
