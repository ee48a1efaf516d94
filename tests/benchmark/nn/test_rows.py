"""Gradients that name rows against dense ones: torch's own AdamW and clipping."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from benchmark.nn.adamw import AdamW, Group
from benchmark.nn.rows import clip, named_rows, summed

TABLE, HIDDEN = 50, 16


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.table = nn.Embedding(TABLE, HIDDEN, padding_idx=0)
        self.out = nn.Linear(HIDDEN, 2)

    def forward(self, ids: Tensor) -> Tensor:
        return self.out(self.table(ids)).square().sum()


def batches(count: int) -> list[Tensor]:
    torch.manual_seed(5)
    return [torch.randint(0, 20 + 2 * step, (9,)).repeat_interleave(2) for step in range(count)]


def move(net: Words, step: Callable[[int], None], ids: list[Tensor]) -> None:
    for number, row in enumerate(ids):
        net(row).backward()
        step(number)


@pytest.mark.parametrize("decay", [0.0, 0.03])
@pytest.mark.parametrize("dense_at", [(), (0,), (4,), (2, 5)])
def test_weights_move_as_under_torchs_dense_adamw_bit_for_bit(decay: float, dense_at: tuple[int, ...]) -> None:
    ours, theirs, ids = Words(), Words(), batches(9)
    mine, other = (
        AdamW([Group(tuple(ours.parameters()), 1e-2, decay)]),
        torch.optim.AdamW(theirs.parameters(), lr=1e-2, weight_decay=decay, fused=True),
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(other, lambda step: step / 3)

    def step(number: int) -> None:
        gradient = ours.table.weight.grad
        assert gradient is not None
        assert gradient.is_sparse
        if number in dense_at:
            ours.table.weight.grad = gradient.to_dense()
        mine.step(number / 3)
        mine.forget_gradients()

    def their_step(number: int) -> None:
        other.step()
        schedule.step()
        other.zero_grad(set_to_none=True)

    with named_rows(ours):
        move(ours, step, ids)
    move(theirs, their_step, ids)
    for own, wanted in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(own, wanted)
    assert not torch.equal(ours.table.weight, Words().table.weight)


def test_gradients_of_parts_of_a_batch_add_up() -> None:
    ours, theirs, ids = Words(), Words(), batches(3)
    with named_rows(ours):
        for row in ids:
            ours(row).backward()
            theirs(row).backward()
    found, expected = ours.table.weight.grad, theirs.table.weight.grad
    assert found is not None
    assert expected is not None
    rows, values = summed(found)
    assert rows.tolist() == sorted({int(i) for i in torch.cat(ids)} - {0})
    torch.testing.assert_close(values, expected[rows])
    assert not expected[[i for i in range(TABLE) if i not in rows.tolist()]].any()


@pytest.mark.parametrize("most", [1e-3, 1e6])
def test_clipping_is_torchs(most: float) -> None:
    ours, theirs, ids = Words(), Words(), batches(1)[0]
    with named_rows(ours):
        ours(ids).backward()
    theirs(ids).backward()
    clip(ours.parameters(), most)
    nn.utils.clip_grad_norm_(theirs.parameters(), most)
    for own, wanted in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert own.grad is not None
        torch.testing.assert_close(own.grad.to_dense(), wanted.grad)


def test_tables_are_as_they_were_when_the_block_ends() -> None:
    net = Words()
    other = nn.Embedding(3, 3, sparse=True)
    net.other = other
    with named_rows(net):
        assert net.table.sparse
        with named_rows(net):
            pass
        assert net.table.sparse, "an inner block gives back what it took"
    assert not net.table.sparse
    assert other.sparse
