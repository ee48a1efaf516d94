"""The grammar of the demo corpora: what its notation says, and that its choices hang on nothing but the seed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from splits.schema import Entity, content_hash, surfaces
from splits.template import Grammar, characters, words

RULES = {
    "sentence": ("<who> saw [ORG Bank of <where>] .", "<who> slept <when> ."),
    "who": ("[PER <first> <last>]",),
    "where": ("[LOC <town>]", "[LOC <town> <town>]"),
    "first": ("Ann", "Bob", "Cy"),
    "last": ("Ash", "Elm", "Oak", "Fir"),
    "town": ("Rye", "Bow", "Ely"),
    "when": ("now", "then"),
}


def grammar(**changes) -> Grammar:
    values = {"name": "toy", "labels": ("PER", "LOC", "ORG"), "cut": words, "open_rules": {"who": 10, "where": 9}, "rules": RULES}
    return Grammar(**(values | changes))


def test_brackets_become_entities_and_nest():
    toy = grammar(rules={"sentence": ("a [ORG b [LOC <town> d] e] f",), "town": ("Rye Bow",)}, open_rules={})
    (sentence,) = toy.corpus({"train": 1}).splits["train"]
    assert sentence.text == ("a", "b", "Rye", "Bow", "d", "e", "f")
    assert sentence.entities == (Entity(1, 6, "ORG"), Entity(2, 5, "LOC"))


def test_characters_are_tokens_where_the_grammar_says_so():
    toy = grammar(rules={"sentence": ("我在[LOC <town>]。",), "town": ("白石",)}, open_rules={}, cut=characters)
    (sentence,) = toy.corpus({"train": 1}).splits["train"]
    assert sentence.text == tuple("我在白石。")
    assert sentence.entities == (Entity(2, 4, "LOC"),)


def test_a_lexicon_is_cut_to_its_size_and_keeps_a_share_from_train():
    toy = grammar()
    assert len(toy.forms("who")) == 10  # of 3 x 4
    assert len(toy.forms("where")) == 9  # of 3 + 9
    assert sum(form.held_out for form in toy.forms("who")) == 3
    corpus = toy.corpus({"train": 40, "test": 30})
    hidden = {form.tokens for rule in ("who", "where") for form in toy.forms(rule) if form.held_out}
    assert hidden.isdisjoint(surfaces(corpus.splits["train"]))
    assert not hidden.isdisjoint(surfaces(corpus.splits["test"]))


def test_a_form_that_holds_a_held_out_form_is_held_out():
    rules = RULES | {"sentence": ("<bank> opened .",), "bank": ("[ORG Bank of <where>]",)}
    toy = grammar(rules=rules, open_rules={"where": 9, "bank": 9})
    hidden = {form.tokens for form in toy.forms("where") if form.held_out}
    inside = [form for form in toy.forms("bank") if form.tokens[2:] in hidden]
    assert inside
    assert all(form.held_out for form in inside)


def test_no_sentence_stands_twice():
    texts = [s.text for sentences in grammar().corpus({"train": 40, "dev": 15, "test": 15}).splits.values() for s in sentences]
    assert len(set(texts)) == 70


def test_another_process_with_another_hash_seed_makes_the_same_corpus():
    code = "from splits.corpora.demo_en import read; from splits.schema import content_hash; print(content_hash(read({}).splits['test']))"
    runs = [
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout
        for seed in ("1", "2")
    ]
    from splits.corpora.demo_en import read

    assert set(runs) == {content_hash(read({}).splits["test"]) + "\n"}


def test_a_grammar_with_too_little_to_say_is_told_so():
    with pytest.raises(ValueError, match=r"toy: the grammar gave \d+ different sentences for train, not 5000"):
        grammar().corpus({"train": 5000})


@pytest.mark.parametrize("text", ["<nobody> slept", "[CITY Rye]", "[LOC Rye", "Rye]", "[LOC <town>"])
def test_a_wrong_mark_is_an_error_and_no_token(text):
    with pytest.raises(ValueError, match=r"neither a rule nor a label|not closed"):
        grammar(rules={"sentence": (text,), "town": ("Rye",)}, open_rules={}).corpus({"train": 1})
