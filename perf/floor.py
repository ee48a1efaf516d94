"""Where a training step of a BERT-base goes: what of it is matrix products that no formulation can leave out, and what is the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor, nn

from benchmark.method import Precision
from benchmark.nn import primitives, span_model
from benchmark.nn.adamw import AdamW
from benchmark.nn.batches import epoch_batches
from benchmark.nn.copies import Copies, Copy
from benchmark.nn.dropout import scaled_masks
from benchmark.nn.heap import kept_memory
from benchmark.training import steps, two_rates
from perf.measure import alternate, in_child, medians, ratio
from perf.steps import QUICK_SENTENCES, RECIPE, SENTENCES, sample_of
from perf.tables import Table
from perf.workload import BATCH, ENCODERS, TABLE, encoder, fit_input, labels, model, suite_loss

PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
EITHER = "either"  # a part that costs the same in both
WIDEN = 4  # the feed-forward layers of a BERT are so many times as wide as its states
Jobs = dict[str, Callable[[], object]]


def measure(repeats: int, threads: int, *, quick: bool) -> list[Table]:
    """Seconds a step, in a fresh process."""
    name, count = ("tiny", QUICK_SENTENCES) if quick else ("bert-base", SENTENCES)
    runs = in_child(threads, seconds, name, count, repeats) or {}
    time = {key: value / (count // BATCH) for key, value in medians(runs).items()}
    rows: list[dict[str, Any]] = []
    for what in dict.fromkeys(key.rpartition(" ")[0] for key in time):
        fp32, bf16 = (time.get(f"{what} {precision}", time.get(f"{what} {EITHER}")) for precision in PRECISIONS)
        rows.append({"what": what, "fp32 s": fp32, "bf16 s": bf16, "ratio": ratio(fp32, bf16)})
        print(rows[-1], flush=True)
    note = (
        f"KnowFREE on `{name}`, seconds a step over an epoch of {count} sentences, batch {BATCH}, median of {repeats} epochs. Each part is "
        "run alone, on tensors of the step's shapes: products of the encoder's linear layers for the tokens of each batch, forward and "
        "both backward; the grid's loss and gradients; the encoder's dropout masks, by the suite and by torch; AdamW, in bf16 with "
        "the copies that it keeps; casts of weights to bf16 and of gradients to fp32, which autocast would do in each step. Attention, "
        "activations, norms and what the parts wait for make up the rest of a step. Beside the step as it is: with memory handed back "
        "after each tensor; with both cores on one piece of the grid; with bf16 products of whatever shapes come."
    )
    return [Table("Where a step goes", rows, note, runs)]


def seconds(name: str, count: int, repeats: int) -> dict[str, list[float]]:
    """Of each part, an epoch a run."""
    return alternate(jobs(name, count), repeats)


def jobs(name: str, count: int) -> Jobs:
    """A closure a part and precision, an epoch's worth each."""
    spec = ENCODERS[name]
    layers, hidden = spec.layers or 0, spec.hidden
    names = labels()
    sample = sample_of(names, count, seed=1)
    suite = model("knowfree", encoder(name), names)
    windows = suite.encoder.windows([s.text for s in sample])
    batches = [suite.encoder.batch(part) for part in epoch_batches(windows, BATCH, seed=0, epoch=0)]
    shapes = [batch.ids.shape for batch in batches]
    weights = [p for p in suite.parameters() if p.requires_grad]
    found: Jobs = {}

    def step(precision: Precision, *manners: Callable[[], AbstractContextManager[object]]) -> Callable[[], object]:
        going = steps(suite, windows, fit_input(sample, names, precision=precision), RECIPE)

        def epoch() -> None:
            with ExitStack() as stack:
                for manner in manners:
                    stack.enter_context(manner())
                for _ in batches:
                    next(going)

        return epoch

    def products(precision: Precision) -> Callable[[], object]:
        every = [operands(rows * length, hidden, DTYPES[precision]) for rows, length in shapes]

        def run() -> None:
            for _ in range(layers):
                for operands in every:
                    for x, weight, gradient in operands:
                        torch.mm(x, weight.t())
                        torch.mm(gradient, weight)
                        torch.mm(gradient.t(), x)

        return run

    grid = model("knowfree", encoder(TABLE), names).train()
    in_grid = [grid.encoder.batch(part) for part in epoch_batches(grid.encoder.windows([s.text for s in sample]), BATCH, seed=0, epoch=0)]

    def head(precision: Precision) -> Callable[[], object]:
        def run() -> None:
            for batch in in_grid:
                grid.zero_grad()
                suite_loss(grid, batch, sample, precision).backward()  # type: ignore[no-untyped-call]

        return run

    linear = [m.weight for m in suite.encoder.modules() if type(m) is nn.Linear]

    def casts() -> None:
        for _ in batches:
            for weight in linear:
                weight.detach().bfloat16().float()

    def masks(draw: Callable[[torch.Size], object]) -> Callable[[], object]:
        def run() -> None:
            for rows, length in shapes:
                for shape in (*[(rows, length, hidden)] * (2 * layers + 1), *[(rows, spec.heads, length, length)] * layers):
                    draw(torch.Size(shape))

        return run

    def move(copies: Copies) -> Callable[[], object]:
        optimiser = AdamW(two_rates(suite, RECIPE), copies)

        def run() -> None:
            for weight in weights:
                holder = copies[weight].tensor() if weight in copies else weight
                holder.grad = torch.zeros_like(holder)
            for _ in batches:
                optimiser.step(0.0)
            optimiser.forget_gradients()

        return run

    for precision in PRECISIONS:
        found |= {f"step {precision}": step(precision, kept_memory), f"step, memory handed back {precision}": step(precision)}
        found[f"step, one piece at a time {precision}"] = step(precision, kept_memory, one_lane)
        found |= {f"encoder's products {precision}": products(precision), f"grid {precision}": head(precision)}
    ours = masks(lambda shape: scaled_masks([(shape, 0.1)], torch.bfloat16))
    torchs = masks(lambda shape: torch.empty(shape, dtype=torch.bfloat16).bernoulli_(0.9))
    found |= {f"dropout masks {EITHER}": ours, f"dropout masks, torch's {EITHER}": torchs}
    found["step, shapes as they come bf16"] = step("bf16", kept_memory, partial(patched, primitives, "QUANTUM", 1))
    kept_in_bf16 = {cast("nn.Parameter", weight): Copy(cast("nn.Parameter", weight)) for weight in linear}
    return found | {"casts bf16": casts, "AdamW fp32": move({}), "AdamW bf16": move(kept_in_bf16)}


def one_lane() -> AbstractContextManager[object]:
    """The grid as without lanes."""
    return patched(span_model, "lanes", lambda device: 1)


@contextmanager
def patched(module: ModuleType, name: str, value: object) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def operands(tokens: int, hidden: int, dtype: torch.dtype) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Input, weight and gradient of the output of each linear layer of a block."""
    return list(_linear(tokens, [(hidden, hidden)] * 4 + [(hidden, WIDEN * hidden), (WIDEN * hidden, hidden)], dtype))


def _linear(tokens: int, sizes: list[tuple[int, int]], dtype: torch.dtype) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    for inner, outer in sizes:
        yield torch.randn(tokens, inner).to(dtype), torch.randn(outer, inner).to(dtype), torch.randn(tokens, outer).to(dtype)
