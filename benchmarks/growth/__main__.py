"""Measure how costs grow, print each figure beside its goal, and draw the curves.

python -m benchmarks.growth [--quick | --long] [--only NAME ...] [--json] [--svg FOLDER]

The exit code is 1 if a curve could not be measured. A goal that is missed is printed as such.
"""

from __future__ import annotations

import json
import os
import subprocess
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.growth.curve import Curve, Points, Size, measure_curve
from benchmarks.growth.curves import CURVES
from benchmarks.peers.environment import PYTHON
from benchmarks.report import Line, print_lines

DRAW = Path(__file__).parent / "draw.py"


class Growth(NamedTuple):
    """A curve as it was measured. Without points, `fault` says why."""

    curve: Curve
    points: Points
    fault: str = ""

    def lines(self, size: Size) -> Iterator[Line]:
        """Yield the figures. A quick run is too small for goals."""
        for goal in self.curve.goals if self.points else ():
            most = None if size is Size.QUICK else goal.most
            yield Line(goal.name, goal.figure(self.points), None, most, goal.digits)

    def to_fields(self) -> dict[str, Any]:
        """Return what draws it."""
        curve = self.curve
        points = [{"x": x, "values": dict(values)} for x, values in self.points.items()]
        fields = {"name": curve.name, "title": curve.title, "x": curve.x, "y": curve.y}
        return {**fields, "points": points, "fault": self.fault}


def measure_all(curves: Sequence[Curve], size: Size) -> Iterator[Growth]:
    """Yield each curve as soon as it is measured. A fault of one does not end the others."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        bar = progress.add_task("", total=sum(len(each.amounts[size]) for each in curves))
        for curve in curves:
            progress.update(bar, description=curve.name)
            try:
                yield Growth(curve, measure_curve(curve, size, lambda: progress.advance(bar)))
            except Exception as fault:
                console.print(traceback.format_exc(), markup=False, highlight=False)
                yield Growth(curve, {}, f"{type(fault).__name__}: {fault}")


def print_points(growth: Growth) -> None:
    """Print a curve as a table, an amount of work in each row."""
    print(f"\n{growth.curve.title}: {growth.curve.y}")
    if growth.fault:
        print(f"FAIL  {growth.fault}")
        return
    names = list(next(iter(growth.points.values())))
    print(f"{growth.curve.x:>24}" + "".join(f"{name:>24}" for name in names))
    for amount, values in growth.points.items():
        print(f"{amount:24,}" + "".join(f"{values[name]:24,.2f}" for name in names), flush=True)


def to_document(growths: Sequence[Growth], size: Size) -> dict[str, Any]:
    """Return everything that was measured, as JSON."""
    figures = [line.to_fields() for growth in growths for line in growth.lines(size)]
    machine = {"processors": os.cpu_count(), "load_at_the_end": round(os.getloadavg()[0], 1)}
    return {
        "size": size.value,
        "machine": machine,
        "curves": [growth.to_fields() for growth in growths],
        "figures": figures,
    }


def draw(document: dict[str, Any], folder: Path) -> None:
    """Draw each curve as an SVG in a folder, with the plotting library of the peers' packages."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [str(PYTHON), str(DRAW), str(folder)]
    subprocess.run(words, input=json.dumps(document), text=True, check=True)


@click.command()
@click.option("--quick", is_flag=True, help="Tiny amounts, without goals.")
@click.option("--long", is_flag=True, help="Add what takes many minutes.")
@click.option("--only", multiple=True, type=click.Choice([each.name for each in CURVES]))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--svg", type=click.Path(path_type=Path), help="Draw the curves in this folder.")
def main(quick: bool, long: bool, only: tuple[str, ...], as_json: bool, svg: Path | None) -> None:
    """Measure how costs grow as work grows."""
    size = Size.QUICK if quick else Size.LONG if long else Size.FULL
    curves = [each for each in CURVES if not only or each.name in only]
    growths = list[Growth]()
    for growth in measure_all(curves, size):
        growths.append(growth)
        if not as_json:
            print_points(growth)
    document = to_document(growths, size)
    if as_json:
        print(json.dumps(document, indent=1))
    else:
        print_lines([line for growth in growths for line in growth.lines(size)])
    if svg:
        draw(document, svg)
    raise SystemExit(any(growth.fault for growth in growths))


if __name__ == "__main__":
    main()
