"""The scratch encoder against transformers' BertModel and PreTrainedTokenizerFast: the same names, bits and pieces."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer, BertModel

from benchmark.method import EncoderSpec
from benchmark.nn.bert import Bert, Shape
from benchmark.nn.scratch import scratch_encoder
from splits.errors import ConfigError

SHAPE = Shape(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, max_position_embeddings=40)
WORDS = ["often", "often", "once", "中文", "中", "a", "é", "#x"]


@pytest.fixture
def both() -> tuple[Bert, BertModel]:
    """Ours and theirs of one seed."""
    torch.manual_seed(3)
    ours = Bert(SHAPE)
    torch.manual_seed(3)
    return ours, BertModel(SHAPE.full(), add_pooling_layer=False)


def test_a_seed_gives_the_weights_of_theirs_under_the_same_names_and_takes_as_many_random_numbers(both) -> None:
    ours, theirs = (model.state_dict() for model in both)
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    states = []
    for make in (lambda: Bert(SHAPE), lambda: BertModel(SHAPE.full(), add_pooling_layer=False)):
        torch.manual_seed(3)
        make()
        states.append(torch.get_rng_state())
    assert torch.equal(*states)


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("bf16", [True, False])
def test_outputs_and_gradients_are_theirs_to_the_bit_with_dropout(padded: bool, training: bool, bf16: bool, both) -> None:
    ids = torch.randint(1, 50, (3, 9), generator=torch.Generator().manual_seed(0))
    keep = torch.ones_like(ids)
    if padded:
        keep[1, 5:] = 0
        ids[1, 5:] = 0
    found = []
    for model in both:
        model.train(training)
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            states = model(input_ids=ids, attention_mask=keep).last_hidden_state
        (states.float() * torch.linspace(-1, 1, 16)).sum().backward()
        found.append((states, *(p.grad for p in model.parameters())))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_the_tokenizer_is_theirs() -> None:
    _, ours = scratch_encoder(EncoderSpec("scratch"), WORDS)
    theirs = ours.full()
    asked = [*WORDS, "ten", "qqq", "\u3000", "[SEP]", "[MASK]x", "oftenonce", "two words", ""]
    assert ours(asked)["input_ids"] == theirs(asked, add_special_tokens=False)["input_ids"]
    assert ours.get_vocab() == theirs.get_vocab()
    assert len(ours) == len(theirs)
    for name in ("pad", "unk", "cls", "sep", "mask", "bos", "eos"):
        assert getattr(ours, f"{name}_token_id") == getattr(theirs, f"{name}_token_id")
    for name in ("is_fast", "model_max_length"):
        assert getattr(ours, name) == getattr(theirs, name)
    for token in ("often", "##n", "nothing"):
        assert ours.convert_tokens_to_ids(token) == theirs.convert_tokens_to_ids(token)
    assert ours.convert_ids_to_tokens([0, 6, 7]) == theirs.convert_ids_to_tokens([0, 6, 7])


def test_transformers_loads_what_was_saved(tmp_path: Path) -> None:
    model, tokenizer = scratch_encoder(EncoderSpec("scratch", hidden=16), WORDS)
    model.config.save_pretrained(str(tmp_path))
    tokenizer.save_pretrained(str(tmp_path))
    theirs = AutoModel.from_config(AutoConfig.from_pretrained(tmp_path))
    theirs.pooler = None
    theirs.load_state_dict(model.state_dict())
    ids = torch.tensor(AutoTokenizer.from_pretrained(tmp_path)(["once often"], add_special_tokens=False)["input_ids"])
    assert ids.tolist() == tokenizer(["once often"])["input_ids"]
    assert torch.equal(theirs.eval()(input_ids=ids).last_hidden_state, model.eval()(ids).last_hidden_state)


def test_heads_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="hidden 16 is not a multiple of heads 3"):
        scratch_encoder(EncoderSpec("scratch", hidden=16, heads=3), WORDS)
