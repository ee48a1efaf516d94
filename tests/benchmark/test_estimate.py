"""What cells will take: of those most alike, packed on so many workers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from benchmark.config import Training
from benchmark.estimate import Past, makespan, sentences
from benchmark.index import Seen
from benchmark.plan import Planned
from benchmark.result import CellId


def planned(corpus: str, variant: str, size: int, hash: str, **training: int) -> Planned:
    return Planned(CellId(corpus=corpus, variant=variant, size=size, draw=0, seed=0), hash, {}, Training(**training))


def test_time_is_of_the_cells_most_alike_and_memory_of_the_same_variant_alone() -> None:
    done = [planned("zh", "a", 10, "1"), planned("zh", "a", 20, "2"), planned("en", "b", 10, "3"), planned("en", "a", 10, "4")]
    seen = {str(i): Seen("", "", seconds, memory) for i, (seconds, memory) in enumerate([(10, 100), (20, 300), (40, 500), (70, None)], 1)}
    past = Past(done, seen)
    asked = [("zh", "a", 10), ("ja", "a", 10), ("ja", "b", 10), ("ja", "c", 10), ("ja", "c", 30)]
    cells = [planned(*id, "x") for id in asked]
    assert [past.seconds(cell) for cell in cells] == [10, 40, 40, 40, 35]
    assert [past.memory_mb(cell) for cell in cells] == [100, 100, 500, None, None]
    assert Past(done, {}).seconds(cells[0]) is None


def test_without_any_a_larger_budget_is_longer() -> None:
    epochs = planned("zh", "a", 10, "x", epochs=2, batch_size=4)
    steps = planned("zh", "a", 10, "x", steps=5, batch_size=4, evaluate_every=2)
    assert sentences(epochs, 10, 7, 11) == 3 * (6 * 4) + 2 * 7 + 2 * 11
    assert sentences(steps, 10, 7, 11) == 3 * (5 * 4) + 3 * 7 + 2 * 11


@given(st.lists(st.floats(0, 100), max_size=8), st.integers(1, 4))
def test_no_schedule_beats_the_mean_or_the_longest_and_the_longest_first_is_near(seconds: list[float], workers: int) -> None:
    found, bound = makespan(seconds, workers), max([sum(seconds) / workers, *seconds])
    assert bound - 1e-9 <= found <= sum(seconds) / workers + max([0.0, *seconds]) + 1e-9
    if workers == 1:
        assert abs(found - sum(seconds)) < 1e-9
