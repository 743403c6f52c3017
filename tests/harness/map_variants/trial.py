"""The trial of a variant: `map check` names its fault, and `map mend` makes it usable."""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import shapely
from shapely.geometry import shape

from events.reference_data import GridMap
from gridcall.simulation.city.map_mending import Codes, mend_map
from gridcall.simulation.city.map_reading import UnreadableMap, read_map_file
from gridcall.simulation.city.map_validation import check_map
from gridcall.simulation.city.profile import (
    District,
    Gap,
    GridsFile,
    MapFiles,
    Overlap,
    StreetsFrom,
)
from tests.harness.map_variants.city import ANY, KINDS

CODES = Codes("code", "street")


class Trial(NamedTuple):
    """The result of a variant. `faults` say what is not as expected."""

    kind: str
    outcome: str
    faults: tuple[str, ...]


def files_of(path: Path) -> MapFiles:
    """Return the profile's part about the map. Slivers of mended outlines are tolerated."""
    return MapFiles(
        district=District(code="city", name="City"),
        grids=GridsFile(file=path.name, code="code"),
        streets=StreetsFrom(**{"from": "street"}),
        overlap=Overlap(tolerate_m2=ANY),
        gap=Gap(tolerate_m2=ANY),
    )


def run_trial(number: int, folder: Path) -> Trial:
    """Make the variant of a number in a folder, check it, mend it, and check the result."""
    name = list(KINDS)[number % len(KINDS)]
    made = KINDS[name](random.Random(number), folder)
    expected = made.expected
    findings = check_map(folder, files_of(made.path)).findings
    named = {finding.kind for finding in findings}
    faults = [f"map check does not name {each}" for each in expected.named if each not in named]
    if not expected.named and findings:
        faults.append(f"map check finds {findings[0]}")
    codes: set[str] = set()
    try:
        raw = read_map_file(made.path, made.layer, made.encoding)
        codes = {str(each.properties.get("code")).removesuffix(".0") for each in raw.features}
        mended = mend_map(raw, CODES, made.crs)
        reasons = [str(change) for change in mended.refusals]
        document = mended.document
    except UnreadableMap as error:
        reasons, document = [str(error)], None
    if document is None:
        wanted = expected.refusal or "a mended map"
        if not expected.refusal or not any(expected.refusal in reason for reason in reasons):
            faults.append(f"wanted {wanted}, refused: {reasons}")
        return Trial(name, "refused with the reason", tuple(faults))
    if expected.refusal:
        faults.append(f"mended, though {expected.refusal!r} was expected")
    path = folder / "mended.geojson"
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    checked = check_map(folder, files_of(path))
    if checked.grids is None:
        faults.append(f"the mended map is refused: {checked.refusals[0]}")
        return Trial(name, "refused after mending", tuple(faults))
    faults += check_ground(checked.grids, len(codes) - expected.lost)
    return Trial(name, "usable", tuple(faults))


def check_ground(grids: GridMap, count: int) -> Iterator[str]:
    """Yield what is wrong with a mended map of so many grids."""
    codes = [each.code for each in grids.grids]
    if len(codes) != count:
        yield f"it has {len(codes)} grids instead of {count}"
    if any(code.endswith(".0") for code in codes):
        yield "a code has a point"
    outlines = [shape(each.geometry) for each in grids.grids]
    for code, outline in zip(codes, outlines, strict=True):
        if not outline.is_valid or outline.area == 0:
            yield f"grid {code} has no valid outline"
    west, south, east, north = shapely.total_bounds(np.array(outlines))
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        yield f"its bounds are {west, south, east, north}"


def run_trials(count: int) -> list[Trial]:
    """Return the trials of so many variants."""
    trials = []
    for number in range(count):
        with tempfile.TemporaryDirectory() as folder:
            trials.append(run_trial(number, Path(folder)))
    return trials


def report(trials: list[Trial]) -> str:
    """Return the number of variants by kind and outcome, and what is not as expected."""
    counts = Counter((trial.kind, trial.outcome) for trial in trials)
    lines = [f"{count:5}  {name}: {outcome}" for (name, outcome), count in sorted(counts.items())]
    outcomes = Counter(trial.outcome for trial in trials)
    total = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    faults = [f"       {trial.kind}: {fault}" for trial in trials for fault in trial.faults]
    summary = f"{len(trials)} variants: {total}; {len(faults)} not as expected"
    return "\n".join([*lines, summary, *faults])
