"""Draw the curves of a JSON document on standard input: draw.py FOLDER.

It runs in the peers' environment, which has the plotting library.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter

COLORS = ("#0b6e99", "#c4511d", "#4f7f2e", "#7a4fa3")
LOG_SPAN = 100  # From this ratio of the amounts on, their axis is logarithmic.
# Equal curves give equal bytes, and words stay words.
STYLE = {"svg.hashsalt": "gridcall", "svg.fonttype": "none", "font.family": "sans-serif"}


def plain_number(value: float, _: object = None) -> str:
    """Return a number as people write it: 20 k, 1.5 M."""
    for unit, name in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def draw(curve: dict[str, Any], path: Path) -> None:
    """Draw one curve: a line for each of its values, named at its end."""
    figure, axes = plt.subplots(figsize=(6.4, 3.2))
    amounts = [point["x"] for point in curve["points"]]
    for color, name in zip(COLORS, curve["points"][0]["values"], strict=False):
        heights = [point["values"][name] for point in curve["points"]]
        axes.plot(amounts, heights, color=color, marker="o", markersize=4)
        axes.annotate(
            name,
            (amounts[-1], heights[-1]),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=color,
        )
    if max(amounts) >= LOG_SPAN * max(1, min(amounts)):
        axes.set_xscale("symlog", linthresh=max(1, min(filter(None, amounts))))
    axes.xaxis.set_major_formatter(FuncFormatter(plain_number))
    axes.set_xticks(amounts)
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set(xlabel=curve["x"], ylabel=curve["y"])
    axes.set_title(curve["title"], loc="left", fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None, "Creator": None})
    plt.close(figure)


def main() -> None:
    """Draw every curve that was measured."""
    document, folder = json.load(sys.stdin), Path(sys.argv[1])
    with mpl.rc_context(STYLE):
        for curve in document["curves"]:
            if curve["points"]:
                draw(curve, folder / f"{curve['name']}.svg")


if __name__ == "__main__":
    main()
