"""Jobs side by side: what each sees of torch, what comes back, and what is left when one fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.nn.lanes import lanes, share, side_by_side


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=12), st.integers(1, 5))
def test_every_piece_has_one_lane_and_no_lane_much_more_than_its_share(sizes, count):
    found = share(sizes, count)
    assert sorted(i for lane in found for i in lane) == list(range(len(sizes)))
    assert all(lane == sorted(lane) for lane in found)
    assert len(found) == min(count, len(sizes))
    loads = [sum(sizes[i] for i in lane) for lane in found]
    assert max(loads) <= sum(sizes) / len(found) + max(sizes)


def test_a_lane_a_thread_on_a_cpu_alone():
    assert lanes(torch.device("cpu")) == 3
    assert lanes(torch.device("cuda")) == 1


def test_jobs_run_at_the_same_time_each_on_one_core_and_come_back_in_order():
    meet = threading.Barrier(3, timeout=60)

    def job(name: int) -> tuple[int, int]:
        meet.wait()
        return name, torch.get_num_threads()

    assert side_by_side([lambda name=name: job(name) for name in range(3)]) == [(0, 1), (1, 1), (2, 1)]
    assert torch.get_num_threads() == 3
    assert side_by_side([torch.get_num_threads]) == [3], "one alone has every core"


def seen() -> tuple[bool, bool, bool, torch.dtype]:
    product = torch.ones(2, 2, requires_grad=not torch.is_inference_mode_enabled()) @ torch.ones(2, 2)
    return torch.is_grad_enabled(), torch.is_inference_mode_enabled(), product.requires_grad, product.dtype


@pytest.mark.parametrize("cast", [False, True])
@pytest.mark.parametrize("manner", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_a_job_runs_as_its_caller_would(manner, cast):
    with manner(), torch.autocast("cpu", torch.bfloat16, enabled=cast):
        expected = seen()
        assert side_by_side([seen] * 3) == [expected] * 3
        assert seen() == expected
    assert expected[3] == (torch.bfloat16 if cast else torch.float32)


@pytest.mark.parametrize("which", range(3))
def test_a_job_that_fails_is_an_error_when_all_have_ended(which):
    ended = []

    def job(name: int) -> None:
        if name == which:
            raise RuntimeError("no")
        ended.append(name)

    with pytest.raises(RuntimeError, match="no"):
        side_by_side([lambda name=name: job(name) for name in range(3)])
    assert len(ended) == 2
    assert torch.get_num_threads() == 3
