"""Batches: every window once, in an order that seed and epoch name."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from benchmark.nn.batches import POOL, epoch_batches, prediction_batches
from benchmark.nn.encoder import Window

LENGTHS = st.lists(st.integers(1, 30), max_size=60)


def windows(lengths: list[int]) -> list[Window]:
    return [Window(i, 0, ((5,),) * n) for i, n in enumerate(lengths)]


@given(LENGTHS, st.integers(1, 9), st.integers(0, 5), st.integers(0, 3))
def test_an_epoch_holds_every_window_once_in_batches_of_the_size_asked_for(lengths, size, seed, epoch):
    batches = list(epoch_batches(windows(lengths), size, seed=seed, epoch=epoch))
    assert Counter(w.sentence for b in batches for w in b) == Counter(range(len(lengths)))
    assert sorted(map(len, batches), reverse=True)[:-1] == [size] * (len(batches) - 1)
    assert len(batches) == -(-len(lengths) // size)


def order(seed: int, epoch: int) -> list[list[int]]:
    given_windows = windows([n % 7 + 1 for n in range(50)])
    return [[w.sentence for w in b] for b in epoch_batches(given_windows, 4, seed=seed, epoch=epoch)]


def test_order_is_repeatable_and_differs_between_epochs_and_seeds():
    assert order(3, 0) == order(3, 0)
    assert len({str(order(seed, epoch)) for seed in (3, 4) for epoch in range(3)}) == 6


def test_batches_are_of_like_length_and_do_not_come_by_length():
    lengths = [n % 40 + 1 for n in range(4 * POOL * 5)]
    batches = list(epoch_batches(windows(lengths), 4, seed=0, epoch=0))
    assert sum(max(map(len, b)) * len(b) for b in batches) < 1.2 * sum(lengths)
    firsts = [len(b[0]) for b in batches]
    assert firsts not in (sorted(firsts), sorted(firsts, reverse=True))


@given(LENGTHS, st.integers(1, 2000))
def test_prediction_takes_every_window_once_within_the_bound_or_alone(lengths, cells):
    batches = list(prediction_batches(windows(lengths), cells=cells))
    assert Counter(w.sentence for b in batches for w in b) == Counter(range(len(lengths)))
    assert all(len(b) == 1 or len(b) * max(map(len, b)) ** 2 <= cells for b in batches)
    assert all(batches)
