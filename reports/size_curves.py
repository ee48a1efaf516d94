"""F1 over sample size: a line a variant, its interval as a band; one size alone is a row of points with whiskers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.aggregate import VALUES, Results, Size
from reports.figures import Figure, canvas, legend, look, marker, save, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class Point:
    """F1 of a variant at a size, with a band around it; `low` and `high` are None where there is a single draw."""

    f1: float
    low: float | None = None
    high: float | None = None


Lines = Mapping[str, Mapping[Size, Point]]  # variant -> size -> point
Bands = Mapping[tuple[str, str, Size], tuple[float, float]]  # (corpus, variant, size) -> interval


def lines_of(results: Results, corpus: str, bands: Bands) -> Lines:
    """The points of a corpus; without an interval (a single draw) a point has no band."""
    lines: dict[str, dict[Size, Point]] = {}
    for variant in results.variants_on(corpus):
        for size in results.params.sizes:
            found = results.summary(VALUES["f1"], corpus, variant, size)
            if found.mean is None:
                continue
            low, high = bands.get((corpus, variant, size), (None, None))
            lines.setdefault(variant, {})[size] = Point(found.mean, low, high)
    return lines


def draw_sizes(corpus: str, lines: Lines, results: Results, band: str) -> Iterator[Figure]:
    """A figure of the numbers of sentences, and one of the k-shot sizes: they have no axis in common.

    Args:
        band: what the bands are, for the reader.
    """
    from matplotlib.lines import Line2D

    sizes = [size for size in results.params.sizes if any(size in points for points in lines.values())]
    for name, kind, what in (("sizes", int, "sample size"), ("shots", str, "shots")):
        group = [size for size in sizes if isinstance(size, kind)]
        if not group:
            continue
        with canvas(4.2, 3.7) as drawn:
            axes = drawn.subplots()
            if len(group) > 1:
                _curves(axes, lines, group, results.variants)
                there = [variant for variant in results.variants if variant in lines]
                handles = [Line2D([], [], linewidth=2, label=variant, **look(results.variants, variant)) for variant in there]
                legend(drawn, handles, columns=2)
            else:
                _whiskers(axes, lines, group[0], results.variants)
            title(drawn, f"{corpus}: F1 on test (%)")
            alt = f"F1 on test against {what} on {corpus}, with {band}: {', '.join(lines)}"
            yield save(drawn, f"{name}-{corpus}", alt, corpus=corpus)


def _curves(axes: Axes, lines: Lines, group: Sequence[Size], variants: Sequence[str]) -> None:
    from matplotlib.ticker import NullLocator

    for variant, points in lines.items():
        there = [(_number(size), points[size]) for size in group if size in points]
        if not there:
            continue
        style = look(variants, variant)
        x = [number for number, _ in there]
        axes.plot(x, [100 * p.f1 for _, p in there], linewidth=1.8, marker=marker(variants, variant), markersize=4, **style)
        banded = [(number, 100 * p.low, 100 * p.high) for number, p in there if p.low is not None and p.high is not None]
        if banded:
            at, low, high = zip(*banded, strict=True)
            axes.fill_between(at, low, high, color=style["color"], alpha=0.14, linewidth=0)
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks([_number(size) for size in group], [str(size) for size in group])
    axes.set_xlabel("shots (log scale)" if isinstance(group[0], str) else "sentences (log scale)")


def _whiskers(axes: Axes, lines: Lines, size: Size, variants: Sequence[str]) -> None:
    there = [(variant, points[size]) for variant, points in lines.items() if size in points]
    for y, (variant, point) in enumerate(there):
        colour = look(variants, variant)["color"]
        if point.low is not None and point.high is not None:
            axes.plot([100 * point.low, 100 * point.high], [y, y], color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot([100 * point.f1], [y], marker=marker(variants, variant), color=colour, markersize=6)
    axes.set_yticks(range(len(there)), [variant for variant, _ in there])
    axes.set_ylim(len(there) - 0.5, -0.5)
    axes.margins(x=0.08)
    axes.set_xlabel(f"{size[1:]}-shot" if isinstance(size, str) else f"{size} sentences")


def _number(size: Size) -> int:
    return int(size[1:]) if isinstance(size, str) else size
