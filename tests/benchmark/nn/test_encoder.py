"""Word vectors against one sentence at a time in a loop, for the tokenizers and models of seven families."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import AutoModel

from benchmark.method import EncoderSpec
from benchmark.nn.encoder import WordEncoder, load_encoder, rebuild_encoder
from benchmark.nn.labels import spans_in
from splits.errors import ConfigError
from tests.neural import STYLES, pretrained, scratch, sentence

HOSTILE = ["abc", "\x01", "中", "\u3000", "ab", "\u200b", "b", "", "a中b", "\u00ad", " ", "c" * 7, "\ufeff", "日"]
SENTENCES = [HOSTILE, ["\x01"], ["abc", "b"], HOSTILE[::-1], ["\u3000"] * 3 + ["a"]]
DROPS = ("bert", "electra", "xlm-roberta", "deberta-v2")  # byte-level tokenizers have bytes for everything but the empty word

Load = Callable[..., WordEncoder]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    written: dict[str, str] = {}

    def loaded(style: str, **spec) -> WordEncoder:
        if style not in written:
            written[style] = pretrained(style, tmp_path_factory.mktemp(style))
        return load_encoder(EncoderSpec(written[style], **spec)).double().eval()

    return loaded


def one_by_one(encoder: WordEncoder, words: list[str]) -> Tensor:
    """Max over the states of each word's sub-words, the sentence alone and unpadded."""
    ids, places = [encoder.tokenizer.cls_token_id], []
    for piece in encoder.pieces(words):
        places.append(range(len(ids), len(ids) + len(piece)))
        ids += piece
    ids.append(encoder.tokenizer.sep_token_id)
    states = encoder.model(input_ids=torch.tensor([ids])).last_hidden_state[0]
    return torch.stack([torch.stack([states[t] for t in place]).max(dim=0).values for place in places])


@pytest.mark.parametrize("style", STYLES)
def test_a_word_is_the_max_of_its_subwords_and_of_nothing_else(load, style):
    encoder = load(style, max_length=38)
    batch = encoder.batch([w for w in encoder.windows(SENTENCES) if w.start == 0])
    with torch.no_grad():
        found = encoder(batch)
        for b, window in enumerate(batch.windows):
            expected = one_by_one(encoder, SENTENCES[window.sentence][: len(window)])
            torch.testing.assert_close(found[b, : len(window)], expected, rtol=1e-6, atol=1e-6)
    assert batch.keep.sum(1).tolist() == [len(w) for w in batch.windows]


@pytest.mark.parametrize("style", STYLES)
def test_special_tokens_and_padding_belong_to_no_word(load, style):
    encoder = load(style)
    batch = encoder.batch(encoder.windows(SENTENCES[1:3]))
    for b, window in enumerate(batch.windows):
        used = sorted({int(t) for w in range(len(window)) for t in batch.place[b, w]})
        assert used == list(range(1, 1 + sum(map(len, window.pieces))))
        assert batch.ids[b, 0] == encoder.tokenizer.cls_token_id
        assert batch.ids[b, used[-1] + 1] == encoder.tokenizer.sep_token_id
        assert int(batch.attention[b].sum()) == used[-1] + 2
        assert batch.ids[b, used[-1] + 2 :].eq(encoder.tokenizer.pad_token_id).all()


@pytest.mark.parametrize("style", STYLES)
def test_a_word_that_the_tokenizer_drops_is_one_unk_and_nothing_shifts(load, style):
    encoder = load(style)
    unk = (encoder.tokenizer.unk_token_id,)
    dropped = ["\x01", "\u3000", "\u200b", "", " "] if style in DROPS else []
    assert [encoder.pieces([w]) for w in dropped] == [[unk]] * len(dropped)
    assert all(encoder.pieces(HOSTILE))
    pieces = encoder.pieces(["abc", "\x01", "b"])
    assert [pieces[0], pieces[2]] == [encoder.pieces([w])[0] for w in ("abc", "b")]


@pytest.mark.parametrize(
    ("style", "tokens"),
    [
        ("bert", [["ab", "##c"], ["中"], ["b"]]),
        ("roberta", [["Ġa", "bc"], ["Ġ", "ä", "¸", "Ń"], ["Ġ", "b"]]),
        ("xlm-roberta", [["▁a", "bc"], ["中"], ["b"]]),  # the lone mark before other sub-words is left out
        ("deberta-v2", [["▁a", "bc"], ["中"], ["b"]]),
    ],
)
def test_each_word_is_spelt_as_after_a_space(load, style, tokens):
    encoder = load(style)
    assert [encoder.tokenizer.convert_ids_to_tokens(list(p)) for p in encoder.pieces(["abc", "中", "b"])] == tokens


@pytest.mark.parametrize("style", STYLES)
def test_the_limit_is_the_longest_sentence_that_the_positions_hold(load, style):
    encoder = load(style)
    offset = 2 if style in ("roberta", "xlm-roberta", "mpnet") else 0  # positions start after the pad id, which is 1
    assert encoder.limit == 40 - offset
    (window,) = encoder.windows([["a"] * (encoder.limit - 2)])
    with torch.no_grad():
        batch = encoder.batch([window])
        assert batch.ids.shape[1] == encoder.limit
        assert encoder(batch).isfinite().all()
        if style not in ("deberta-v2",):
            with pytest.raises((IndexError, RuntimeError)):
                encoder.model(input_ids=torch.cat([batch.ids, batch.ids[:, 1:2]], dim=1))


def test_longer_than_the_encoder_allows_is_an_error_that_says_the_limit(load):
    with pytest.raises(ConfigError, match="takes 38 sub-words, max_length asks for 39"):
        load("roberta", max_length=39)


TEXT = st.lists(st.integers(1, 14), max_size=25)


@given(TEXT, st.integers(8, 14), st.sampled_from(["split", "truncate"]))
def test_windows_cut_between_words_as_late_as_the_limit_allows(lengths, limit, overlong):
    encoder = SPELLER
    object.__setattr__(encoder.spec, "overlong", overlong)
    encoder.limit, encoder._known = limit, {}
    words = ["x" * n for n in lengths]
    windows = encoder.windows([["x"], words])[1:]
    room = limit - 2
    sizes = [min(n, room) for n in lengths]  # a word longer than the limit keeps its first sub-words
    assert all(sum(map(len, w.pieces)) <= room and w.pieces for w in windows)
    assert [len(p) for w in windows for p in w.pieces] == sizes[: sum(map(len, windows))]
    if overlong == "split":
        assert [i for w in windows for i in range(w.start, w.end)] == list(range(len(words)))
        assert all(sum(map(len, a.pieces)) + len(b.pieces[0]) > room for a, b in pairwise(windows))
    elif words:
        (window,) = windows
        assert (window.start, window.sentence) == (0, 1)
        assert window.end == len(words) or sum(sizes[: window.end + 1]) > room


SPELLER = scratch([sentence("x")])


def test_entities_beyond_the_cut_are_absent_and_those_of_a_later_window_are_renumbered():
    text = sentence("ab cd ef gh ij", (0, 2, "PER"), (1, 3, "LOC"), (2, 5, "PER"), (4, 5, "LOC"))
    split = scratch([text], max_length=8)
    first, second = split.windows([text.text])
    assert [first.end, second.end] == [3, 5]
    assert spans_in(first, text) == {(0, 2, "PER"), (1, 3, "LOC")}
    assert spans_in(second, text) == {(1, 2, "LOC")}
    (only,) = scratch([text], max_length=8, overlong="truncate").windows([text.text])
    assert only == first


def test_sentences_without_words_have_no_window():
    assert SPELLER.windows([[], ["x"], []])[0].sentence == 1
    assert SPELLER.windows([]) == []


def test_frozen_words_are_the_embeddings_alone(load):
    for style in STYLES:
        encoder = load(style, freeze_words=True)
        frozen = {name for name, p in encoder.named_parameters() if not p.requires_grad}
        assert frozen == {"model.embeddings.word_embeddings.weight"}
    assert all(p.requires_grad for p in load("bert").parameters())


@pytest.mark.parametrize("style", STYLES)
def test_a_cut_encoder_gives_the_states_that_the_whole_one_has_after_its_first_layers(load, style):
    whole, cut = load(style), load(style, layers=1)
    batch = whole.batch(whole.windows(SENTENCES[:1]))
    with torch.no_grad():
        states = whole.model(input_ids=batch.ids, attention_mask=batch.attention, output_hidden_states=True).hidden_states
        assert len(states) == 3
        assert torch.equal(cut.model(input_ids=batch.ids, attention_mask=batch.attention).last_hidden_state, states[1])


def test_more_layers_than_there_are_is_an_error_that_says_how_many(load):
    with pytest.raises(ConfigError, match="has 2 layers, not 3"):
        load("bert", layers=3)


def test_a_cut_encoder_is_rebuilt_as_short(load, tmp_path: Path):
    encoder = load("bert", layers=1)
    encoder.save(str(tmp_path))
    again = rebuild_encoder(str(tmp_path), encoder.spec).double()
    assert [name for name, _ in again.named_parameters()] == [name for name, _ in encoder.named_parameters()]


def test_the_pooler_is_left_out(load):
    assert not any("pooler" in name for name, _ in load("bert").named_parameters())


def test_a_checkpoint_in_half_precision_is_trained_and_rebuilt_in_float32(tmp_path: Path):
    source = pretrained("bert", tmp_path / "hub")
    AutoModel.from_pretrained(source).half().save_pretrained(source)
    encoder = load_encoder(EncoderSpec(source))
    encoder.save(str(tmp_path / "saved"))
    again = rebuild_encoder(str(tmp_path / "saved"), encoder.spec)
    assert {p.dtype for e in (encoder, again) for p in e.parameters()} == {torch.float32}


@pytest.mark.parametrize("style", STYLES)
def test_a_rebuilt_encoder_with_the_same_weights_gives_the_same_vectors(load, style, tmp_path: Path):
    encoder = load(style, max_length=38)
    encoder.save(str(tmp_path))
    again = rebuild_encoder(str(tmp_path), encoder.spec).double().eval()
    again.load_state_dict(encoder.state_dict())
    assert again.windows(SENTENCES) == encoder.windows(SENTENCES)
    batch = encoder.batch(encoder.windows(SENTENCES))
    with torch.no_grad():
        assert torch.equal(again(batch), encoder(batch))


def test_a_directory_without_an_encoder_is_an_error_with_a_mend(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be loaded") as error:
        load_encoder(EncoderSpec(str(tmp_path)))
    assert "tokenizer.json" in error.value.mend


def test_a_scratch_encoder_is_its_seeds_and_leaves_the_global_one_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    weights = [scratch([sentence("a b")], seed=seed).model.get_input_embeddings().weight for seed in (1, 1, 2)]
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_scratch_encoder_spells_what_it_saw_once_and_knows_what_it_saw_twice():
    encoder = scratch([sentence("often often once")])
    pieces = [encoder.tokenizer.convert_ids_to_tokens(list(p)) for p in encoder.pieces(["often", "once", "ten", "qqq", "\u3000"])]
    assert pieces == [["often"], ["o", "##n", "##c", "##e"], ["t", "##e", "##n"], ["[UNK]"], ["[UNK]"]]


def test_a_packed_encoder_is_saved_as_any_other(load, tmp_path):
    encoder = load("bert")
    assert encoder.packs
    encoder.save(str(tmp_path))
    assert "kfbench" not in (tmp_path / "config.json").read_text(encoding="utf-8")
    again = AutoModel.from_config(encoder.model.config.__class__.from_pretrained(tmp_path))
    assert again.config._attn_implementation == "sdpa"
