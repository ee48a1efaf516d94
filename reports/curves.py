"""Learning curves over training: dev F1 and training loss over steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports.aggregate import Results, Size
from reports.figures import WIDE, Figure, canvas, legend, look, save, title
from reports.runs import Runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curve = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Curves:
    """The learning curves of a corpus and size: a list of runs for each variant. `absent` runs have none in the store."""

    corpus: str
    size: Size
    runs: Mapping[str, Sequence[Curve]]
    absent: int


def read_curves(results: Results, runs: Runs) -> Iterator[Curves]:
    """Curves of the reported cells, as far as the store has their runs."""
    params = results.params
    for corpus, size in ((c, s) for c in params.corpora for s in params.sizes):
        found: dict[str, list[Curve]] = {}
        absent = 0
        for variant in params.rows:
            for row in results.block(corpus, variant, size):
                if row.hash in runs and runs[row.hash].curve:
                    found.setdefault(variant, []).append(runs[row.hash].curve)
                else:
                    absent += 1
        yield Curves(corpus, size, found, absent)


def draw_curves(curves: Curves, variants: Sequence[str]) -> Figure:
    """Both panels, a colour a variant: thin lines are runs, the thick one is their mean where they were evaluated at the same steps.

    Args:
        variants: of the whole profile, so that a variant has one colour in all figures.
    """
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    with canvas(8.4, 3.7) as drawn:
        left, right = drawn.subplots(1, 2)
        handles = []
        for variant in variants:
            if variant not in curves.runs:
                continue
            style = look(variants, variant)
            _panel(left, curves.runs[variant], "dev_f1", 100, style)
            _panel(right, curves.runs[variant], "loss", 1, style)
            handles.append(Line2D([], [], linewidth=2, label=variant, **style))
        left.set(title="F1 on dev (%)", xlabel="optimiser steps", ylim=(-2, 102))
        right.set(title="training loss", xlabel="optimiser steps")
        losses = [point["loss"] for runs in curves.runs.values() for curve in runs for point in curve if (point.get("loss") or 0) > 0]
        if losses and max(losses) > WIDE * min(losses):
            right.set_yscale("log")
            right.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
            right.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
            right.yaxis.set_minor_formatter(NullFormatter())
        for panel in (left, right):
            panel.margins(x=0.02)
            panel.autoscale_view()
        what = f"{curves.corpus}, size {curves.size}"
        title(drawn, what)
        legend(drawn, handles)
        alt = f"Learning curves on {what}: {', '.join(curves.runs)}"
        return save(drawn, f"curves-{curves.corpus}-{curves.size}", alt, corpus=curves.corpus, size=str(curves.size))


def _panel(axes: Axes, runs: Sequence[Curve], key: str, scale: float, style: Mapping[str, Any]) -> None:
    from matplotlib.collections import LineCollection

    lines = [[(p["step"], scale * p[key]) for p in curve if p.get(key) is not None] for curve in runs]
    lines = [line for line in lines if line]
    if not lines:
        return
    steps = [[step for step, _ in line] for line in lines]
    same = len(lines) > 1 and all(s == steps[0] for s in steps)
    # One collection, not a line a run: drawing is most of a report's time.
    axes.add_collection(LineCollection(lines, linewidths=0.8 if same else 1.6, alpha=0.35 if same else 0.9, **style))
    short = [point for line in lines for point in line if len(line) < 3]
    if short:
        axes.plot(*zip(*short, strict=True), marker=".", alpha=0.9, color=style["color"], linestyle="")
    if same:
        mean = [sum(line[i][1] for line in lines) / len(lines) for i in range(len(steps[0]))]
        axes.plot(steps[0], mean, linewidth=2.2, marker="o" if len(mean) < 3 else None, **style)
