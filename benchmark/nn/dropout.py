"""Dropout that draws few random bits an element: on a CPU torch's masks cost more than what they are multiplied with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.nn.bits import array, has_compiled

LEVELS = 2**16  # a mask is drawn with 16 random bits an element, four elements a 64-bit number


class Dropout(nn.Dropout):
    """As `nn.Dropout` (Srivastava et al. 2014), from other random numbers; `p` is taken to the nearest of 65,536 shares.

    Elsewhere than on a CPU it is `nn.Dropout` itself.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        if not self.training or self.p == 0 or self.p == 1 or x.device.type != "cpu":
            return super().forward(x)
        return drop(x, self.p)


def drop(x: Tensor, p: float) -> Tensor:
    """Zeros with probability 0 < p < 1, the rest scaled so that the mean stays."""
    (mask,) = scaled_masks([(x.shape, p)], x.dtype)
    return x if mask is None else x * mask


def scaled_masks(shapes: Sequence[tuple[torch.Size, float]], dtype: torch.dtype) -> list[Tensor | None]:
    """What dropout multiplies with: 0 with probability p, else 1 / (1 - p) in `dtype`.

    Args:
        shapes: each with its 0 <= p < 1; None stands for the mask of p = 0.
    """
    masks: list[Tensor | None] = [None] * len(shapes)
    for share in dict.fromkeys(p for _, p in shapes if p):
        same = [index for index, (_, p) in enumerate(shapes) if p == share]
        sizes = [shapes[index][0].numel() for index in same]
        parts = torch.split(_scaled(sum(sizes), share, dtype), sizes)
        for index, part in zip(same, parts, strict=True):
            masks[index] = part.view(shapes[index][0])
    return masks


def _scaled(count: int, p: float, dtype: torch.dtype) -> Tensor:
    scale = torch.ones((), dtype=dtype).div_(1 - p)
    if dtype != torch.bfloat16:
        return (_bits(count) >= _lowest(p)).to(dtype).mul_(scale)
    mask = torch.empty(count, dtype=dtype)
    if has_compiled(mask):
        from benchmark.nn.compiled.masks import COUNTER, LANES, fill

        fill(array(mask), np.uint16(_lowest(p) + LEVELS // 2), array(scale[None])[0], _generator().random_raw(COUNTER + LANES))
        return mask
    # as long as the random number: to write the bits of the scale into it takes a fifth of the time of a comparison and a cast
    return _bits(count).ge_(_lowest(p)).mul_(int(scale.view(torch.int16))).view(dtype)


def _bits(count: int) -> Tensor:
    """So many random 16-bit numbers."""
    return torch.from_numpy(_generator().random_raw(-(-count // 4)).view(np.int16))[:count]


def _generator() -> np.random.SFC64:
    """It takes half the time of torch's, whose next number seeds it."""
    return np.random.SFC64(int(torch.randint(2**63 - 1, ())))


def _lowest(p: float) -> int:
    """The smallest 16-bit number that keeps its element."""
    return min(round(p * LEVELS), LEVELS - 1) - LEVELS // 2


def quicken(model: nn.Module) -> None:
    """Put the dropout above in the place of every `nn.Dropout` of a model."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Dropout:
                setattr(parent, name, Dropout(child.p).train(child.training))
