"""Memory that is freed stays while it is to, and goes back afterwards; bytes that are computed are the same."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from benchmark.nn import heap
from benchmark.nn.heap import give_back, kept_memory
from tests.environment import environment

# Each thing has a process of its own: thresholds are the process's.
FAULTS = """
import resource, torch
from benchmark.nn.heap import give_back, kept_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():
    for size in (64, 16, 4):
        parts = [torch.ones(size << 18) for _ in range(3)]  # MiB
    del parts

def pages(times):
    before = faults()
    for _ in range(times):
        step()
    return faults() - before

def resident():
    return int(open("/proc/self/statm").read().split()[1])

pages(3)
start, outside = resident(), pages(5)
with kept_memory():
    step()
    inside = pages(5)
held = resident()
give_back()
print(start, outside, inside, held, resident())
"""


@pytest.mark.skipif(heap._glibc() is None, reason="another C library than glibc: nothing is changed")
def test_pages_are_not_asked_for_anew_inside_and_go_back_afterwards() -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], env=environment(), capture_output=True, text=True, timeout=300, check=True)
    start, outside, inside, held, after = map(int, done.stdout.split())
    assert outside > 5 * 10_000, "or there is nothing to gain"
    assert inside < outside / 100
    assert held - start > 10_000
    assert after - start < 5_000


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_glibc", lambda: None)
    with kept_memory():
        pass
    give_back()


def test_of_nested_blocks_the_outer_one_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    now: dict[int, int] = {}
    monkeypatch.setattr(heap, "_glibc", lambda: SimpleNamespace(mallopt=now.__setitem__))
    with kept_memory():
        inside = dict(now)
        with kept_memory():
            assert now == inside
        assert now == inside
    assert now == heap.ADJUSTED


def test_an_error_inside_ends_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda name, value: calls.append((name, value)))
    monkeypatch.setattr(heap, "_glibc", lambda: library)
    with pytest.raises(ZeroDivisionError), kept_memory():
        raise ZeroDivisionError
    assert dict(calls) == heap.ADJUSTED
    assert len(calls) > len(heap.ADJUSTED)
