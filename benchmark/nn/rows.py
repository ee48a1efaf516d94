"""Gradients of word embeddings that name their rows: a batch reads some hundred of a table's tens or hundreds of thousands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def named_rows(model: nn.Module) -> Iterator[None]:
    """Until the block ends, the gradient of every embedding table on a CPU is a sparse tensor of the rows that were read.

    A dense one is cleared, read and moved whole in each step. On a GPU that costs less than to ask how many rows there are.
    """
    tables = [m for m in model.modules() if type(m) is nn.Embedding and not m.sparse and m.weight.device.type == "cpu"]
    for table in tables:
        table.sparse = True
    try:
        yield
    finally:
        for table in tables:
            table.sparse = False


def summed(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of a sparse gradient, sorted, each once, and what is wanted of them, added up in the order in which they were read.

    Shapes:
        gradient: [table, hidden]; returns: [rows], [rows, hidden]
    """
    read, values = gradient._indices()[0], gradient._values()
    if gradient.is_coalesced():
        return read, values
    rows, place = torch.unique(read, return_inverse=True)
    return rows, values.new_zeros(len(rows), values.shape[1]).index_add_(0, place, values)


def clip(parameters: Iterable[nn.Parameter], most: float) -> None:
    """`nn.utils.clip_grad_norm_`, which takes no sparse gradients: scale all so that their norm is at most `most`."""
    found = []
    for parameter in parameters:
        gradient = parameter.grad
        if gradient is not None and gradient.is_sparse:
            rows, values = summed(gradient)
            gradient = torch.sparse_coo_tensor(rows[None], values, gradient.shape, is_coalesced=True, check_invariants=False)
            parameter.grad = gradient
        if gradient is not None:
            found.append(gradient._values() if gradient.is_sparse else gradient)
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(found)))
    torch._foreach_mul_(found, (most / (norm + 1e-6)).clamp(max=1.0))
