"""Strips cover every row once, hold what their rows depend on, and pieces keep within their bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from benchmark.nn.lanes import share
from benchmark.nn.strips import LEAST, LOWEST, Reach, cut

LENGTHS = st.lists(st.integers(1, 70), min_size=1, max_size=6)


@given(LENGTHS, st.integers(1, 3000), st.integers(0, 3), st.integers(0, 5), st.booleans(), st.integers(1, 4))
def test_every_cell_that_is_wanted_is_computed_once_with_its_neighbours(lengths, cells, rows, columns, upper, lanes):
    reach = Reach(rows, columns)
    owned = []
    for piece in cut(lengths, cells=cells, reach=reach, upper=upper, lanes=lanes):
        assert piece
        for s in piece:
            assert s.n == lengths[s.sentence]
            for i in range(s.first, s.end):
                owned.append((s.sentence, i))
                wanted = range(i if upper else 0, s.n)
                assert s.left <= max(0, wanted[0] - columns)
                assert s.top <= max(0, i - rows)
                assert s.bottom >= min(s.n, i + rows + 1)
                assert [s.index(i, j) for j in (s.left, s.n - 1)] == [(i - s.first) * s.width, (i - s.first + 1) * s.width - 1]
    assert owned == [(b, i) for b, n in enumerate(lengths) for i in range(n)]


@given(LENGTHS, st.integers(1, 3000), st.integers(1, 4))
def test_a_piece_is_within_the_bound_unless_it_is_a_single_row(lengths, cells, lanes):
    for piece in cut(lengths, cells=cells, reach=Reach(), lanes=lanes):
        bound = max(cells, LEAST) + LOWEST * max(lengths) if lanes > 1 else cells
        assert sum(s.cells for s in piece) <= bound or (len(piece) == 1 and piece[0].end == piece[0].first + 1)


def test_the_memory_of_a_piece_does_not_grow_with_the_grid():
    largest = [max(sum(s.cells for s in p) for p in cut([n] * 4, cells=4096, reach=Reach(0, 3))) for n in (64, 128, 256, 512)]
    assert max(largest) <= 4096


def test_low_strips_leave_out_most_of_the_lower_triangle():
    computed = sum(s.cells for p in cut([256], cells=4096, reach=Reach(0, 3), upper=True) for s in p)
    assert computed < 0.6 * 256**2


@given(st.lists(st.integers(20, 70), min_size=4, max_size=12), st.integers(1, 4))
def test_lanes_get_even_shares(lengths, lanes):
    pieces = cut(lengths, cells=4096 * lanes, reach=Reach(0, 3), lanes=lanes)
    loads = [sum(sum(s.cells for s in pieces[i]) for i in lane) for lane in share([sum(s.cells for s in p) for p in pieces], lanes)]
    whole = sum(n * n for n in lengths)
    if whole >= lanes * LEAST:
        assert len(pieces) % lanes == 0
        assert max(loads) <= whole / lanes + LOWEST * max(lengths)
    assert sum(loads) == whole


def test_little_work_is_not_shared():
    assert len(cut([10] * 8, cells=4096, reach=Reach(), lanes=2)) == 1
