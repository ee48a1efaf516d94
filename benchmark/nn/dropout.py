"""Dropout that draws few random bits an element: on a CPU torch's masks cost more than what they are multiplied with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

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
    return x * kept(x.shape, p).to(x.dtype).div_(1 - p)


def kept(shape: torch.Size, p: float) -> Tensor:
    """A bool for each element, False with probability `p`, from torch's own generator."""
    count = shape.numel()
    bits = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)[:count]
    lowest = min(round(p * LEVELS), LEVELS - 1) - LEVELS // 2  # as a 16-bit number
    return (bits >= lowest).view(shape)


def quicken(model: nn.Module) -> None:
    """Put the dropout above in the place of every `nn.Dropout` of a model."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Dropout:
                setattr(parent, name, Dropout(child.p).train(child.training))
