"""`gridcall map mend`: a public map becomes one that gridcall can load, or a reason why not.

Mended is what has one right answer. Examples are crossing rings, several features of one code,
another reference system, and codes as 16.0. Each change is reported, with the area before and
after. What needs a decision is refused: an outline that is not cut at 180°, a code in two streets.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NamedTuple
from unicodedata import normalize

import shapely

from gridcall.simulation.city.map_findings import Change
from gridcall.simulation.city.map_geometry import area_m2, orient, to_geojson
from gridcall.simulation.city.map_outlines import leave_out, mend_outline, to_wgs84
from gridcall.simulation.city.map_reading import RawMap, UnreadableMap

POINT_ZERO = re.compile(r"-?\d+\.0+")  # A whole number that a spreadsheet or pandas made a float.

Properties = dict[str, Any]
Rows = dict[int, Properties]  # Of each feature, by its number in the file.


class Codes(NamedTuple):
    """The properties of a grid's code and street, as far as they are known."""

    code: str | None = None
    street: str | None = None


class Mended(NamedTuple):
    """A mended feature: its title in reports, its properties, and its outline."""

    title: str
    properties: Properties
    outline: shapely.Geometry


@dataclass(frozen=True, slots=True)
class MendedMap:
    """The changes, refusals first, and the GeoJSON document if nothing is refused."""

    changes: tuple[Change, ...]
    document: dict[str, Any] | None

    @property
    def refusals(self) -> list[Change]:
        return [change for change in self.changes if change.severity == "refused"]


def mend_map(raw: RawMap, codes: Codes, crs: str | None = None) -> MendedMap:
    """Mend the features of a file. `crs` replaces the reference system that it declares."""
    changes = [Change("mended", "file", "file", note) for note in raw.notes]
    try:
        features = to_wgs84(raw.features, crs or raw.crs, changes)
    except UnreadableMap as error:
        return mended_map([*changes, Change("refused", "crs", "file", str(error))], [])
    drawn = {number: each for number, each in enumerate(features, 1) if each.polygons}
    for number, feature in enumerate(features, 1):
        if number not in drawn:
            changes += leave_out(title_of(number, feature.properties, codes), feature)
    rows = {number: dict(feature.properties) for number, feature in drawn.items()}
    mend_codes(rows, codes, changes)
    mended = []
    for number, feature in drawn.items():
        title = title_of(number, rows[number], codes)
        outline = mend_outline(title, feature, changes)
        if outline is not None:
            mended.append(Mended(title, rows[number], outline))
    if codes.code:
        mended = unite_codes(mended, codes, changes)
    if not mended and not is_refused(changes):
        what = "it has no polygon: no grid is left"
        changes.append(Change("refused", "file", "file", what))
    return mended_map(changes, mended)


def mended_map(changes: Sequence[Change], features: Sequence[Mended]) -> MendedMap:
    """Return the result: a document only if nothing is refused."""
    ordered = tuple(sorted(changes, key=lambda change: change.severity != "refused"))
    return MendedMap(ordered, None if is_refused(changes) else to_document(features))


def is_refused(changes: Sequence[Change]) -> bool:
    """Return True if a change cannot be made."""
    return any(change.severity == "refused" for change in changes)


def to_document(features: Sequence[Mended]) -> dict[str, Any]:
    """Return features as a GeoJSON document: WGS 84, outer rings counter-clockwise."""
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": feature.properties,
                "geometry": to_geojson(orient(feature.outline)),
            }
            for feature in features
        ],
    }


def title_of(number: int, properties: Properties, codes: Codes) -> str:
    """Return the name of a feature in reports: its code, or its number."""
    code = properties.get(codes.code) if codes.code else None
    return f"feature {number}" if code in (None, "") else f"grid {code}"


# ── Codes ────────────────────────────────────────────────────────────────────────────────────────


def mend_codes(rows: Rows, codes: Codes, changes: list[Change]) -> None:
    """Write codes and streets as text in the properties of all features."""
    for wanted in codes:
        name = find_name(rows, wanted, changes) if wanted and rows else None
        if name:
            mend_column(rows, name, wanted or name, changes)


def find_name(rows: Rows, wanted: str, changes: list[Change]) -> str | None:
    """Return the name of a property as the file writes it; add a refusal if it is missing."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    for name in names:
        if normalize("NFC", name) == normalize("NFC", wanted):
            return name
    near = get_close_matches(wanted, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names) or 'none'}"
    changes.append(Change("refused", "code", "file", f"no property {wanted!r}; {hint}"))
    return None


def mend_column(rows: Rows, name: str, wanted: str, changes: list[Change]) -> None:
    """Write the codes of a property as text, whole numbers without a point."""
    texts = [str(row[name]).strip() for row in rows.values() if row.get(name) not in (None, "")]
    with_point = bool(texts) and all(POINT_ZERO.fullmatch(text) for text in texts)
    count = 0
    for number, row in rows.items():
        value = row.pop(name, None)
        text = code_text(value, with_point=with_point)
        if text is None:
            what = f"{wanted} is {value!r}: a code is text or a whole number"
            changes.append(Change("refused", "code", f"feature {number}", what))
        elif text == "":
            what = f"it has no {wanted}: give it one, or take it out"
            changes.append(Change("refused", "code", f"feature {number}", what))
        count += isinstance(value, float) or (with_point and text != value)
        row[wanted] = text
    if count:
        plural = "s" if count > 1 else ""
        what = f"{wanted} is written without .0, as a code, in {count:,} feature{plural}"
        changes.append(Change("mended", "code", "file", what))


def code_text(value: Any, *, with_point: bool) -> str | None:
    """Return a code as text: 16.0 is 16. Empty if it is missing, None for what is no code."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else None
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = normalize("NFC", str(value).strip())
    return text.partition(".")[0] if with_point else text


# ── Features of one code ─────────────────────────────────────────────────────────────────────────


def unite_codes(features: Sequence[Mended], codes: Codes, changes: list[Change]) -> list[Mended]:
    """Return one feature for each code."""
    groups: dict[str, list[Mended]] = defaultdict(list)
    for feature in features:
        groups[str(feature.properties.get(codes.code or ""))].append(feature)
    for group in groups.values():
        changes += street_faults(group, codes)
    return [unite(group, changes) for group in groups.values()]


def street_faults(group: Sequence[Mended], codes: Codes) -> Iterator[Change]:
    """Yield the refusal of features of one code that are in several streets."""
    streets = sorted({str(feature.properties.get(codes.street or "")) for feature in group})
    if len(streets) > 1:
        what = f"its {len(group)} features name the streets {', '.join(streets)}: correct them"
        yield Change("refused", "street", group[0].title, what)


def unite(group: Sequence[Mended], changes: list[Change]) -> Mended:
    """Return features of one code as one. It has the properties of the first."""
    first = group[0]
    if len(group) == 1:
        return first
    outline = shapely.union_all([feature.outline for feature in group])
    differing = [
        name
        for name in first.properties
        if any(other.properties.get(name) != first.properties[name] for other in group)
    ]
    chosen = f"; of {', '.join(differing)} the first's" if differing else ""
    before = sum(area_m2(feature.outline) for feature in group)
    what = f"{len(group)} features had this code: made one{chosen}"
    changes.append(Change("mended", "double_code", first.title, what, before, area_m2(outline)))
    return Mended(first.title, first.properties, outline)
