"""The whole model against the design's formula, and what each quirk changes."""

from __future__ import annotations

import pytest
import torch

from benchmark.method import build
from knowfree.method import PlainKnowFREE
from knowfree.model import QUIRKS, KnowFREE
from splits.errors import ConfigError
from splits.schema import Sentence
from tests.benchmark.nn.test_span_grid import dense_grid
from tests.knowfree.test_local_attention import dense_attention, dense_fusion, layer_norm
from tests.neural import FLAT, MIXED, NESTED, close, fit_input, randomised, scratch, sentence, toy

SAMPLE: list[Sentence] = [*toy(6, seed=2), sentence("Bob"), sentence([w for s in toy(5, seed=4) for w in s.text])]


def model(**options) -> KnowFREE:
    return randomised(KnowFREE(scratch(SAMPLE), MIXED, size=12, biaffine_heads=2, attention_heads=3, **options)).eval()


def probabilities(of: KnowFREE, *which: int) -> list[torch.Tensor]:
    windows = of.encoder.windows([SAMPLE[k].text for k in which])
    with torch.no_grad():
        found = of.probabilities(of.encoder.batch(windows))
    return [p[: len(w), : len(w)] for p, w in zip(found, windows, strict=True)]


@pytest.mark.parametrize(("quirks", "one_sided"), [((), False), (("one_sided_window",), True)])
@pytest.mark.parametrize("radius", [1, 3])
def test_logits_are_a_linear_layer_on_the_grid_plus_its_normed_attention(radius, quirks, one_sided):
    found = model(radius=radius, quirks=quirks)
    batch = found.encoder.batch(found.encoder.windows([s.text for s in SAMPLE]))
    with torch.no_grad():
        logits = found(batch)
        for b, window in enumerate(batch.windows):
            words = found.encoder(found.encoder.batch([window]))
            grid = dense_grid(found.grid, words)[0]
            fused = grid + dense_fusion(found.fuse, grid, len(window), radius=radius, one_sided=one_sided)
            expected = fused @ found.out.weight.T + found.out.bias
            assert close(logits[b, : len(window), : len(window)], expected, 1e-9)


def test_a_sentence_scores_the_same_alone_or_in_any_batch():
    plain, everyone = model(), range(len(SAMPLE))
    together = probabilities(plain, *everyone)
    for k in everyone:
        (alone,) = probabilities(plain, k)
        (beside, _) = probabilities(plain, k, (k + 1) % len(SAMPLE))
        assert close(alone, together[k], 1e-9)
        assert close(alone, beside, 1e-9)


def test_with_padding_keys_batch_mates_move_scores():
    official, everyone = model(quirks=("padding_keys",)), range(len(SAMPLE))
    together = probabilities(official, *everyone)
    moved = [float((probabilities(official, k)[0] - together[k]).abs().max()) for k in everyone]
    assert moved[-1] < 1e-9  # the longest has no padding
    assert min(moved[:-1]) > 1e-4


def test_padding_keys_are_those_of_an_attention_that_masks_none():
    official = model(quirks=("padding_keys",))
    batch = official.encoder.batch(official.encoder.windows([s.text for s in SAMPLE]))
    n = batch.keep.shape[1]
    with torch.no_grad():
        logits = official(batch)
        grid = dense_grid(official.grid, official.encoder(batch))
        for b, window in enumerate(batch.windows):
            m = len(window)
            real = torch.zeros(n, n, 1, dtype=torch.float64)
            real[:m, :m] = 1
            fused = grid[b] + layer_norm(dense_attention(official.fuse.attention, grid[b] * real, 3, False), official.fuse.norm)
            expected = fused @ official.out.weight.T + official.out.bias
            assert close(logits[b, :m, :m], expected[:m, :m], 1e-9)


def test_it_reads_targets_alone_however_sure_it_is_of_an_extension():
    found = model(clashes="keep")
    with torch.no_grad():
        found.out.bias[:] = torch.tensor([50.0, 40.0, 90.0, 90.0])
        rows = found.read(found.encoder.batch(found.encoder.windows([s.text for s in SAMPLE])))
    assert [len(row) for row in rows] == [len(s.text) * (len(s.text) + 1) // 2 for s in SAMPLE]
    assert {p.label for row in rows for p in row} <= {"PER", "LOC"}


@pytest.mark.parametrize("quirk", QUIRKS)
def test_every_quirk_reaches_the_part_that_it_names(quirk):
    method = PlainKnowFREE(paper_quirks=(quirk,))
    found = model(quirks=method.paper_quirks)
    state = {
        "padding_keys": not found.fuse.mask_keys,
        "padding_negatives": found.padding_negatives,
        "one_sided_window": found.fuse.attention.one_sided,
        "decay_all": method.rates().decay_all,
        "one_label": found.one_label,
    }
    assert {name for name, on in state.items() if on} == {quirk}


def test_an_upper_grid_is_a_parameter_and_needs_no_padding():
    fitted = build("knowfree", {"size": 20, "grid": "upper"}).fit(fit_input(SAMPLE))
    assert fitted.last.model.upper
    with pytest.raises(ConfigError, match="`grid: upper` and the quirk 'padding_keys'"):
        build("knowfree", {"grid": "upper", "paper_quirks": ["padding_keys"]})


def test_an_unknown_quirk_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError, match="unknown quirk 'padding_key'; known: padding_keys, padding_negatives"):
        PlainKnowFREE(paper_quirks=("padding_key",))
    with pytest.raises(ConfigError, match="method 'knowfree': unknown quirk"):
        build("knowfree", {"paper_quirks": ["no_such"]})


def test_a_list_of_quirks_from_yaml_is_a_tuple():
    assert build("knowfree", {"paper_quirks": ["one_label"]}) == PlainKnowFREE(paper_quirks=("one_label",))


def test_defaults_are_the_papers_sizes_with_a_prior():
    plain = PlainKnowFREE()
    assert (plain.output_bias, plain.warmup) == ("prior", 0.1)
    assert (plain.encoder_lr, plain.head_lr, plain.weight_decay, plain.dropout) == (2e-5, 1e-3, 0.01, 0.4)
    assert (plain.size, plain.biaffine_heads, plain.attention_heads, plain.radius) == (200, 4, 10, 3)
    rates = plain.rates()
    assert (rates.encoder_lr, rates.head_lr, rates.warmup, rates.clip, rates.decay_all) == (2e-5, 1e-3, 0.1, None, False)


def test_the_papers_recipe_is_a_zero_bias_and_190_steps_and_given_fields_win():
    paper = PlainKnowFREE(recipe="paper")
    assert (paper.output_bias, paper.warmup, paper.rates().warmup) == ("zero", 190, 190)
    assert PlainKnowFREE(recipe="paper", output_bias="prior").output_bias == "prior"
    assert PlainKnowFREE(recipe="paper", warmup=0.2).rates().warmup == 0.2
    assert PlainKnowFREE(recipe="paper", warmup=0.0).rates().warmup == 0.0
    assert PlainKnowFREE(output_bias="zero").warmup == 0.1


@pytest.mark.parametrize(("recipe", "is_zero"), [("suite", False), ("paper", True)])
def test_the_recipe_sets_the_bias_that_training_starts_from(recipe, is_zero):
    still = {"encoder_lr": 0.0, "head_lr": 0.0, "size": 20, "recipe": recipe}
    fitted = build("knowfree", still).fit(fit_input(SAMPLE))
    bias = fitted.last.state["out.bias"]
    assert not bias.any() if is_zero else (bias < -2).all()


def test_it_takes_any_corpus():
    assert [PlainKnowFREE().supports(c) for c in (FLAT, NESTED)] == [None, None]
