"""Do the plain and the fast path of a span model train alike? Losses of the first steps, cell by cell of a profile.

Run in a profile's folder that has been prepared and drawn: `python ../agreement.py --steps 20 --corpus weibo`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import patch

from torch import Tensor

from benchmark.cell import Cell, fit_input, prepare_torch
from benchmark.config import load_params
from benchmark.method import Tagger
from benchmark.nn.encoder import Batch
from benchmark.nn.span_model import SpanModel
from benchmark.places import PARAMS
from benchmark.plan import Filter, load_cell, make_plan
from benchmark.workspace import Workspace
from splits.schema import Sentence

FAST = SpanModel.loss


def _no_monitor(tagger: Tagger, *, step: int, epoch: float, loss: float | None = None) -> float:
    return 0.0


def losses(cell: Cell, steps: int, *, plain: bool) -> list[float]:
    """Mean loss a sentence of each step, the method's own training with one seed."""
    found: list[float] = []

    def loss(model: SpanModel, batch: Batch, sample: Sequence[Sentence]) -> Tensor:
        value = model.plain_loss(model(batch), batch, sample) if plain else FAST(model, batch, sample)
        found.append(float(value.detach()) / len(batch.windows))
        return value

    given = fit_input(cell, _no_monitor)
    prepare_torch(cell)
    with patch.object(SpanModel, "loss", loss):
        cell.method.fit(replace(given, budget=replace(given.budget, steps=steps, evaluate_every=steps)))
    return found


def main() -> None:
    """Print the losses of both paths, and how far apart they are."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--steps", type=int, default=20)
    arguments.add_argument("--corpus", action="append", default=[])
    arguments.add_argument("--variant", action="append", default=[])
    asked = arguments.parse_args()
    params, workspace = load_params(PARAMS), Workspace()
    plan = make_plan(params, workspace, Filter(corpora=tuple(asked.corpus), variants=tuple(asked.variant)))
    for planned in plan.cells:
        cell = load_cell(planned, params, workspace)
        plain, fast = (losses(cell, asked.steps, plain=way) for way in (True, False))
        apart = max(abs(p - f) / abs(p) for p, f in zip(plain, fast, strict=True))
        print(f"{planned.id}: {asked.steps} steps, losses {plain[0]:.4f} .. {plain[-1]:.4f}, at most {apart:.1e} apart")


if __name__ == "__main__":
    main()
