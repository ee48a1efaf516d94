"""Gold cells, weights and priors against the design's formulas, cell by cell."""

from __future__ import annotations

import math
import random

import pytest
import torch

from benchmark.nn.encoder import Window
from benchmark.nn.labels import gold_cells, loss_weights, prior_bias, spans_in
from splits.labels import Inventory, Label
from splits.schema import Entity, Sentence
from tests.neural import MIXED, TARGETS, sentence


def window(of: int, start: int, end: int) -> Window:
    return Window(of, start, ((5,),) * (end - start))


def random_case(seed: int) -> tuple[list[Window], list[Sentence]]:
    """Sentences with nested, repeated and doubly typed entities, some cut into two windows."""
    draw = random.Random(seed)
    windows, sentences = [], []
    for k in range(5):
        n = draw.randint(1, 8)
        spans = [(i := draw.randrange(n), draw.randint(i + 1, n), draw.choice(MIXED.names)) for _ in range(draw.randint(0, 6))]
        sentences.append(Sentence(f"s{k}", ("x",) * n, tuple(Entity(*span) for span in [*spans, *spans[:1]])))
        cut = draw.randint(1, n)
        windows += [window(k, a, b) for a, b in ((0, cut), (cut, n)) if a < b]
    draw.shuffle(windows)
    return windows, sentences


def is_gold(window: Window, sentence: Sentence, i: int, j: int, label: str) -> bool:
    wanted = (window.start + i, window.start + j + 1, label)
    return any((e.start, e.end, e.label) == wanted for e in sentence.entities)


def by_hand(windows: list[Window], sentences: list[Sentence], *, symmetric: bool, one_label: bool) -> list[tuple[int, int, int, int]]:
    found = []
    for b, w in enumerate(windows):
        for i in range(len(w)):
            for j in range(len(w)):
                cells = [(min(i, j), max(i, j))] if symmetric else [(i, j)] if i <= j else []
                channels = [k for k, name in enumerate(MIXED.names) for c in cells if is_gold(w, sentences[w.sentence], *c, name)]
                found += [(b, i, j, k) for k in (channels[:1] if one_label else channels)]
    return found


@pytest.mark.parametrize("one_label", [False, True])
@pytest.mark.parametrize("symmetric", [False, True])
def test_gold_cells_are_those_of_a_walk_over_every_cell_and_label(symmetric, one_label):
    for seed in range(40):
        windows, sentences = random_case(seed)
        found = gold_cells(windows, sentences, MIXED, symmetric=symmetric, one_label=one_label)
        assert list(map(tuple, found.tolist())) == by_hand(windows, sentences, symmetric=symmetric, one_label=one_label)


def test_no_entity_at_all_is_a_table_without_rows():
    found = gold_cells([window(0, 0, 2)], [sentence("a b")], TARGETS, symmetric=False, one_label=False)
    assert (found.shape, found.dtype) == ((0, 4), torch.long)


def test_an_entity_that_a_window_cuts_is_not_in_it():
    whole = sentence("a b c d e f", (0, 2, "PER"), (1, 4, "LOC"), (3, 6, "PER"), (4, 5, "LOC"))
    assert spans_in(window(0, 0, 3), whole) == {(0, 2, "PER")}
    assert spans_in(window(0, 3, 6), whole) == {(0, 3, "PER"), (1, 2, "LOC")}
    assert spans_in(window(0, 0, 6), whole) == whole.spans


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_prior_is_the_share_of_cells_and_its_sigmoid_gives_it_back(symmetric):
    for seed in range(10):
        windows, sentences = random_case(seed)
        cells = sum(len(w) * len(w) for w in windows)
        gold = by_hand(windows, sentences, symmetric=symmetric, one_label=False)
        expected = [min(max(sum(g[3] == k for g in gold) / cells, 1e-5), 1 - 1e-5) for k in range(len(MIXED))]
        found = prior_bias(windows, sentences, MIXED, symmetric=symmetric)
        assert torch.sigmoid(found.double()).tolist() == pytest.approx(expected, rel=1e-4)


def test_a_label_that_the_sample_lacks_starts_at_the_floor():
    found = prior_bias([window(0, 0, 3)], [sentence("a b c", (0, 1, "PER"))], TARGETS, symmetric=False)
    assert found.tolist() == pytest.approx([math.log((1 / 9) / (8 / 9)), math.log(1e-5 / (1 - 1e-5))])


def test_an_upper_grid_has_fewer_cells_and_higher_priors():
    sentences = [sentence("a b c", (0, 1, "PER"))]
    found = prior_bias([window(0, 0, 3)], sentences, TARGETS, symmetric=False, upper=True)
    assert found.tolist() == pytest.approx([math.log((1 / 6) / (5 / 6)), math.log(1e-5 / (1 - 1e-5))])


def test_a_sample_whose_every_cell_is_an_entity_has_a_finite_prior():
    found = prior_bias([window(0, 0, 1)], [sentence("Anna", (0, 1, "PER"))], TARGETS, symmetric=False)
    assert found.isfinite().all()


def test_weights_are_one_for_targets_and_by_count_for_extensions():
    labels = Inventory(
        (
            Label("PER"),
            Label("LOC"),
            Label("ORG", weight=0.7),
            Label("often", False, 1000),
            Label("twenty", False, 20),
            Label("rare", False, 2),
            Label("set", False, 1000, 0.9),
            Label("zero", False, 5, 0.0),
        )
    )
    share = 3 / 8
    assert loss_weights(labels).tolist() == pytest.approx([1, 1, 0.7, min(10 / 1000, share), min(10 / 20, share), share, 0.9, 0.0])


def test_a_plain_list_of_labels_weighs_one_each():
    assert loss_weights(TARGETS).tolist() == [1.0, 1.0]
