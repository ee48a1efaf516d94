"""A linear-chain CRF that gives no probability to illegal tag sequences (Lafferty et al. 2001)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from splits.schema import Entity

NEVER = float("-inf")  # log-probability of a forbidden step; a large negative number would lose to a larger emission
LARGEST = 1e30  # bound on a score in decoding: sums over any sentence stay finite in float32, so legal beats forbidden


def bio_constraints(types: Sequence[str]) -> tuple[tuple[str, ...], Tensor, Tensor]:
    """Tags `O`, `B-X`, `I-X`, ... of the types in their order, and what BIO allows: I-X only after B-X or I-X.

    Shapes:
        returns: T = 1 + 2 * len(types) tags; allowed [T, T] bool, from row to column; starts [T] bool
    """
    tags = ("O", *(f"{prefix}-{kind}" for kind in types for prefix in "BI"))
    starts = torch.tensor([not tag.startswith("I-") for tag in tags])
    allowed = starts.repeat(len(tags), 1)
    for begin in range(1, len(tags), 2):
        allowed[begin : begin + 2, begin + 1] = True
    return tags, allowed, starts


def to_bio(entities: Iterable[Entity], n: int, types: Sequence[str]) -> list[int]:
    """Entities of a sentence of n words as indices into the tags of `bio_constraints`; `from_tags` is the way back.

    Raises:
        ValueError: entities overlap, leave the sentence, or have another label.
    """
    begin = {kind: 1 + 2 * k for k, kind in enumerate(types)}
    tags = [0] * n
    for start, end, label in {entity.span for entity in entities}:
        if label not in begin:
            raise ValueError(f"entity {start}:{end} has the label {label!r}, which is none of: {', '.join(types)}")
        if not 0 <= start < end <= n:
            raise ValueError(f"entity {start}:{end} does not lie in a sentence of {n} words")
        if any(tags[start:end]):
            raise ValueError(f"entity {start}:{end} ({label}) overlaps another: a tag per word cannot say both")
        tags[start:end] = [begin[label]] + [begin[label] + 1] * (end - start - 1)
    return tags


class ConstrainedCRF(nn.Module):
    """Scores of tag sequences: start, transition and end scores plus emissions, over the sequences that are allowed.

    A forbidden start, transition or end is -inf in the partition function as well as in decoding, so training spends
    nothing on it. Computes in float32 at least, whatever the emissions are. The constraints are given by the tag set
    and are no part of the state dict.

    Shapes:
        allowed: [T, T] bool, True where the tag of the column may follow that of the row.
        starts: [T] bool, tags that a sentence may begin with.
        ends: [T] bool, tags that it may end with; None: any.

    Raises:
        ValueError: sentences of some length have no allowed sequence.
    """

    allowed: Tensor
    starts: Tensor
    ends: Tensor

    def __init__(self, allowed: Tensor, starts: Tensor, ends: Tensor | None = None) -> None:
        super().__init__()
        ends = torch.ones_like(starts) if ends is None else ends
        size = len(starts)
        if allowed.shape != (size, size) or ends.shape != (size,):
            raise ValueError(f"constraints of {size} tags are [T, T], [T], [T]: found {[list(m.shape) for m in (allowed, starts, ends)]}")
        _check_every_length(allowed, starts, ends)
        for name, mask in (("allowed", allowed), ("starts", starts), ("ends", ends)):
            self.register_buffer(name, mask.bool().clone(), persistent=False)
        self.start_scores = nn.Parameter(torch.zeros(size))
        self.end_scores = nn.Parameter(torch.zeros(size))
        self.transitions = nn.Parameter(torch.zeros(size, size))

    def log_likelihood(self, emissions: Tensor, tags: Tensor, keep: Tensor) -> Tensor:
        """log p(tags | emissions) of each sentence: -inf where the tags are forbidden, 0 where there are no words.

        Shapes:
            emissions: [batch, n, T]
            tags: [batch, n] int; any value where keep is False.
            keep: [batch, n] bool, True where there is a word; words come first.
            returns: [batch], float32 (float64 for float64 emissions)
        """
        _check_words_come_first(keep)
        if emissions.shape[1] == 0:
            return self._precise(emissions).sum((1, 2))
        scores = self._precise(emissions).masked_fill(~keep[:, :, None], 0)
        log_probability = self._score(scores, tags.masked_fill(~keep, 0), keep) - self._log_partition(scores, keep)
        return log_probability.masked_fill(~keep[:, 0], 0)

    @torch.no_grad()
    def decode(self, emissions: Tensor, keep: Tensor) -> list[list[int]]:
        """The best allowed tags of each sentence (Viterbi), one a word; always allowed, however large the emissions.

        Shapes:
            emissions: [batch, n, T]
            keep: [batch, n] bool, True where there is a word; words come first.

        Raises:
            ValueError: an emission or a learnt score is NaN.
        """
        _check_words_come_first(keep)
        batch, n, size = emissions.shape
        if n == 0:
            return [[] for _ in range(batch)]
        scores = self._precise(emissions).masked_fill(~keep[:, :, None], 0).clamp(-LARGEST, LARGEST)
        start, transitions, end = self._tables(scores.dtype, bound=LARGEST)
        best = start + scores[:, 0]
        stay = torch.arange(size, device=scores.device).expand(batch, size)
        pointers = []
        for t in range(1, n):
            here = keep[:, t, None]
            into, source = (best[:, :, None] + transitions).max(dim=1)
            best = torch.where(here, into + scores[:, t], best)
            pointers.append(torch.where(here, source, stay))
        best = best + end
        if bool(best.isnan().any()):
            raise ValueError("cannot decode: an emission or a score of the CRF is NaN (did training diverge?)")
        path = [best.argmax(dim=1)]
        for pointer in reversed(pointers):
            path.append(pointer.gather(1, path[-1][:, None])[:, 0])
        rows = torch.stack(path[::-1], dim=1).tolist()
        return [row[:length] for row, length in zip(rows, keep.sum(1).tolist(), strict=True)]

    def _score(self, scores: Tensor, tags: Tensor, keep: Tensor) -> Tensor:
        start, transitions, end = self._tables(scores.dtype)
        last = tags.gather(1, (keep.sum(1, keepdim=True) - 1).clamp(min=0))[:, 0]
        words = scores.gather(2, tags[:, :, None])[:, :, 0].sum(1)
        steps = transitions[tags[:, :-1], tags[:, 1:]].masked_fill(~keep[:, 1:], 0).sum(1)
        return start[tags[:, 0]] + words + steps + end[last]

    def _log_partition(self, scores: Tensor, keep: Tensor) -> Tensor:
        start, transitions, end = self._tables(scores.dtype)
        forward = start + scores[:, 0]
        for t in range(1, scores.shape[1]):
            into = _logsumexp(forward[:, :, None] + transitions) + scores[:, t]
            forward = torch.where(keep[:, t, None], into, forward)
        return _logsumexp(forward + end)

    def _tables(self, dtype: torch.dtype, *, bound: float = math.inf) -> list[Tensor]:
        """Start, transition and end scores, -inf where forbidden."""
        tables = ((self.start_scores, self.starts), (self.transitions, self.allowed), (self.end_scores, self.ends))
        return [scores.to(dtype).clamp(-bound, bound).masked_fill(~mask, NEVER) for scores, mask in tables]

    def _precise(self, emissions: Tensor) -> Tensor:
        at_least_float32 = torch.promote_types(torch.promote_types(emissions.dtype, self.transitions.dtype), torch.float32)
        return emissions.to(at_least_float32)


def _logsumexp(x: Tensor) -> Tensor:
    """log(sum(exp(x))) over dim 1. Unlike `torch.logsumexp`, a column of -inf has gradient 0, not NaN.

    Such columns are tags that no allowed sequence reaches at a word, as I-X at the first.

    Shapes:
        x: [batch, T, ...]
        returns: [batch, ...]
    """
    highest = x.detach().amax(dim=1, keepdim=True)
    highest = highest.masked_fill(highest == NEVER, 0)
    total = (x - highest).exp().sum(dim=1)
    dead = total == 0
    return (total.masked_fill(dead, 1).log() + highest.squeeze(1)).masked_fill(dead, NEVER)


def _check_words_come_first(keep: Tensor) -> None:
    if keep.device.type == "cpu" and bool((keep[:, 1:] & ~keep[:, :-1]).any()):  # another device would be waited for
        raise ValueError("`keep` has a word after padding: pad on the right")


def _check_every_length(allowed: Tensor, starts: Tensor, ends: Tensor) -> None:
    """Follows the tags that can stand at word 1, 2, ...: their sets repeat soon, so every length is covered."""
    follow = [{j for j, yes in enumerate(row) if yes} for row in cast("list[list[bool]]", allowed.tolist())]
    last = {j for j, yes in enumerate(ends.tolist()) if yes}
    at = frozenset(j for j, yes in enumerate(starts.tolist()) if yes)
    seen: set[frozenset[int]] = set()
    while at not in seen:
        seen.add(at)
        if at.isdisjoint(last):
            raise ValueError(f"the constraints allow no tags for a sentence of {len(seen)} words")
        at = frozenset(j for i in at for j in follow[i])
