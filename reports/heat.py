"""F1 per type as a heat map, for print: pages have it as a table."""

from __future__ import annotations

from reports.figures import Figure, canvas, save, title
from reports.formats import Table

TOP = 0.62  # of the shade, so that ink stays legible on it
ON_SHADE = "#1f2431"  # a shade is as light in the dark: its ink is not the one that turns light there


def draw_types(table: Table, corpus: str, size: str) -> Figure | None:
    """A heat map of a table of types; None where it has no number."""
    columns = [i for i in range(len(table.head)) if any(line.cells[i].heat is not None for line in table.lines)]
    if not columns:
        return None
    with canvas(1.9 + 0.95 * len(columns), 1.3 + 0.27 * len(table.lines)) as drawn:
        axes = drawn.subplots()
        shades = [[TOP * (line.cells[i].heat or 0.0) for i in columns] for line in table.lines]
        axes.pcolormesh(shades, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1)
        axes.invert_yaxis()
        for y, line in enumerate(table.lines):
            for x, i in enumerate(columns):
                axes.text(x + 0.5, y + 0.5, line.cells[i].text, ha="center", va="center", fontsize=9, color=ON_SHADE)
        axes.set_yticks([y + 0.5 for y in range(len(table.lines))], [line.cells[0].text for line in table.lines])
        axes.set_xticks(
            [x + 0.5 for x in range(len(columns))], [table.head[i] for i in columns], rotation=30, ha="left", rotation_mode="anchor"
        )
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.grid(False)
        for spine in axes.spines.values():
            spine.set_visible(False)
        title(drawn, table.title)
        return save(drawn, table.name, table.title, corpus=corpus, size=size)
