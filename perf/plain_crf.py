"""A linear-chain CRF as two loops, over words and over tags: what `ConstrainedCRF` is timed against and equals."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.nn.crf import NEVER, ConstrainedCRF


def log_likelihood(crf: ConstrainedCRF, emissions: Tensor, tags: Tensor, keep: Tensor) -> Tensor:
    """log p(tags | emissions) of each sentence: [batch, n, T], [batch, n], [batch, n] -> [batch]."""
    start, steps, end = _tables(crf)
    batch = torch.arange(len(tags))
    path = start[tags[:, 0]] + emissions[batch, 0, tags[:, 0]]
    forward = start + emissions[:, 0]
    last = tags[:, 0]
    for t in range(1, emissions.shape[1]):
        here = keep[:, t]
        path = path + torch.where(here, steps[last, tags[:, t]] + emissions[batch, t, tags[:, t]], 0.0)
        last = torch.where(here, tags[:, t], last)
        into = [torch.logsumexp(forward[:, before] + steps[before, k], 1) for k, before in enumerate(_before(crf))]
        forward = torch.where(here[:, None], torch.stack(into, 1) + emissions[:, t], forward)
    return path + end[last] - torch.logsumexp(forward + end, 1)


@torch.no_grad()
def decode(crf: ConstrainedCRF, emissions: Tensor, keep: Tensor) -> list[list[int]]:
    """The best allowed tags of each sentence (Viterbi)."""
    start, steps, end = _tables(crf)
    found = []
    for row, n in zip(emissions, keep.sum(1).tolist(), strict=True):
        best = start + row[0]
        pointers = []
        for t in range(1, n):
            ways = [(best + steps[:, k]).max(0) for k in range(len(start))]
            best = torch.stack([way.values for way in ways]) + row[t]
            pointers.append([int(way.indices) for way in ways])
        path = [int((best + end).argmax())]
        for pointer in reversed(pointers):
            path.append(pointer[path[-1]])
        found.append(path[::-1])
    return found


def _tables(crf: ConstrainedCRF) -> tuple[Tensor, Tensor, Tensor]:
    return (
        crf.start_scores.masked_fill(~crf.starts, NEVER),
        crf.transitions.masked_fill(~crf.allowed, NEVER),
        crf.end_scores.masked_fill(~crf.ends, NEVER),
    )


def _before(crf: ConstrainedCRF) -> list[Tensor]:
    """Tags that may come before each: the others are left out, as a sum of -inf alone has no gradient."""
    return [column.nonzero()[:, 0] for column in crf.allowed.T]
