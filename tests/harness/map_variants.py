"""Maps as cities publish them: a made-up city with one fault of a kind, in one of many forms.

`python -m tests.harness.map_variants 500` makes so many, lets `map check` name the fault and
`map mend` repair it, and prints the counts by kind.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyogrio
import pyproj
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

ANY = float("inf")
CODES = Codes("code", "street")
# Reference systems with an area of use that contains the city of a variant.
PROJECTED = {"EPSG:3857": (10.0, 50.0), "EPSG:2249": (-71.1, 42.3), "EPSG:32650": (117.0, 36.6)}

Feature = dict[str, Any]


@dataclass
class City:
    """A made-up city: grids as GeoJSON features that tile a rectangle. `lon` and `lat` are its
    lower left corner.
    """

    chance: random.Random
    lon: float
    lat: float
    features: list[Feature] = field(default_factory=list)
    members: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def make(
        cls, chance: random.Random, lon: float | None = None, lat: float | None = None
    ) -> City:
        """Return a city of 4 to 20 grids, anywhere between 60° S and 65° N."""
        city = cls(
            chance,
            chance.uniform(-179, 178) if lon is None else lon,
            chance.uniform(-60, 65) if lat is None else lat,
        )
        columns, rows = chance.randint(2, 5), chance.randint(2, 4)
        corners = {(x, y): city.corner(x, y) for x in range(columns + 1) for y in range(rows + 1)}
        for x in range(columns):
            for y in range(rows):
                ring = [corners[x + dx, y + dy] for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))]
                city.features.append(grid(str(16 + x * rows + y), str(1 + y), [*ring, ring[0]]))
        return city

    def corner(self, x: int, y: int) -> list[float]:
        """Return a corner that several grids share, not quite on its lattice."""
        shift = self.chance.uniform
        return [
            round(self.lon + 0.01 * x + shift(-0.002, 0.002), 7),
            round(self.lat + 0.01 * y + shift(-0.002, 0.002), 7),
        ]

    def any_feature(self) -> Feature:
        return self.chance.choice(self.features)

    def move(self, change: Callable[[float, float], tuple[float, float]]) -> None:
        """Change all positions of the city."""
        for feature in self.features:
            rings = feature["geometry"]["coordinates"]
            feature["geometry"]["coordinates"] = [
                [list(change(*position[:2])) for position in ring] for ring in rings
            ]

    def document(self) -> dict[str, Any]:
        return {"type": "FeatureCollection", "features": self.features, **self.members}

    def write(self, path: Path, document: Any = None, encoding: str = "utf-8") -> Path:
        text = json.dumps(document or self.document(), ensure_ascii=False)
        path.write_text(text, encoding=encoding)
        return path


def grid(code: Any, street: Any, *rings: Any) -> Feature:
    """Return a feature."""
    return {
        "type": "Feature",
        "properties": {"code": code, "street": street, "name": f"Grid {code}"},
        "geometry": {"type": "Polygon", "coordinates": list(rings)},
    }


class Expected(NamedTuple):
    """The right result of a variant: the kinds that `map check` names, and what `map mend` does.

    Without `refusal` the mended map is usable, and `lost` grids are left out. With it, the reason
    contains these words.
    """

    named: tuple[str, ...] = ()
    refusal: str = ""
    lost: int = 0


class Made(NamedTuple):
    """A variant: its file, what is right, and the options of `map mend`."""

    path: Path
    expected: Expected
    crs: str | None = None
    encoding: str | None = None
    layer: str | None = None


Maker = Callable[[random.Random, Path], Made]
KINDS: dict[str, Maker] = {}


def kind(make: Maker) -> Maker:
    """Enter a kind of variant under the name of its function."""
    KINDS[make.__name__.replace("_", " ")] = make
    return make


# ── Nothing to refuse ────────────────────────────────────────────────────────────────────────────


@kind
def clean(chance: random.Random, folder: Path) -> Made:
    return Made(City.make(chance).write(folder / "map.geojson"), Expected())


@kind
def clockwise_rings(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    for feature in city.features:
        feature["geometry"]["coordinates"][0].reverse()
    return Made(city.write(folder / "map.geojson"), Expected(("winding",)))


@kind
def crs84_member(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.members = crs_member("urn:ogc:def:crs:OGC:1.3:CRS84")
    return Made(city.write(folder / "map.geojson"), Expected(("crs",)))


@kind
def heights_and_a_byte_order_mark(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    for feature in city.features:
        for position in feature["geometry"]["coordinates"][0][:-1]:
            position.append(12.5)
        ring = feature["geometry"]["coordinates"][0]
        ring[-1] = list(ring[0])
    return Made(city.write(folder / "map.geojson", encoding="utf-8-sig"), Expected())


@kind
def cut_antimeridian(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance, lon=170)
    south = chance.uniform(-50, 50)
    parts = [[[[lon, south], [lon + 1, south], [lon + 1, south + 1], [lon, south + 1],
               [lon, south]]] for lon in (179, -180)]  # fmt: skip
    feature = grid("900", "9")
    feature["geometry"] = {"type": "MultiPolygon", "coordinates": parts}
    city.features.append(feature)
    return Made(city.write(folder / "map.geojson"), Expected())


# ── Outlines ─────────────────────────────────────────────────────────────────────────────────────


@kind
def crossing_ring(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    ring = city.any_feature()["geometry"]["coordinates"][0]
    ring[1], ring[2] = ring[2], ring[1]
    return Made(city.write(folder / "map.geojson"), Expected(("self_crossing",)))


@kind
def spike(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    ring = city.any_feature()["geometry"]["coordinates"][0]
    tip = [ring[0][0] - 0.03, ring[0][1] - 0.03]
    ring[1:1] = [tip, list(ring[0])]
    return Made(city.write(folder / "map.geojson"), Expected(("self_crossing",)))


@kind
def open_ring(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.any_feature()["geometry"]["coordinates"][0].pop()
    return Made(city.write(folder / "map.geojson"), Expected(("open_ring",)))


@kind
def part_written_as_a_hole(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    far = [[x + 2 * 0.3, y] for x, y in city.features[0]["geometry"]["coordinates"][0]]
    city.features[0]["geometry"]["coordinates"].append(far[::-1])
    return Made(city.write(folder / "map.geojson"), Expected(("self_crossing",)))


@kind
def parts_that_overlap(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    feature = city.any_feature()
    ring = feature["geometry"]["coordinates"][0]
    moved = [[x + 0.001, y + 0.001] for x, y in ring]
    feature["geometry"] = {"type": "MultiPolygon", "coordinates": [[ring], [moved]]}
    return Made(city.write(folder / "map.geojson"), Expected(("self_crossing",)))


@kind
def outline_without_area(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    ring = city.features[0]["geometry"]["coordinates"][0]
    city.features[0]["geometry"]["coordinates"] = [[ring[0], ring[1], ring[0], ring[0]]]
    return Made(city.write(folder / "map.geojson"), Expected(("self_crossing",), lost=1))


@kind
def geometry_collection(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    feature = city.any_feature()
    point = {"type": "Point", "coordinates": feature["geometry"]["coordinates"][0][0]}
    feature["geometry"] = {
        "type": "GeometryCollection", "geometries": [feature["geometry"], point],
    }  # fmt: skip
    return Made(city.write(folder / "map.geojson"), Expected(("feature",)))


@kind
def null_geometry(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.any_feature()["geometry"] = None
    return Made(city.write(folder / "map.geojson"), Expected(("no_geometry",), lost=1))


@kind
def point_among_polygons(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    feature = city.any_feature()
    place = feature["geometry"]["coordinates"][0][0]
    feature["geometry"] = {"type": "Point", "coordinates": place}
    return Made(city.write(folder / "map.geojson"), Expected(("feature",), lost=1))


@kind
def uncut_antimeridian(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance, lon=170)
    south = chance.uniform(-50, 50)
    ring = [[179, south], [-179, south], [-179, south + 2], [179, south + 2], [179, south]]
    city.features.append(grid("900", "9", ring))
    named = Expected(("antimeridian",), "cut it at 180°")
    return Made(city.write(folder / "map.geojson"), named)


@kind
def uncut_antimeridian_beyond_180(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance, lon=179.985)
    named = Expected(("degrees",), "cut it at 180°")
    return Made(city.write(folder / "map.geojson"), named)


@kind
def longitudes_from_180_to_360(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance, lon=chance.uniform(190, 350))
    return Made(city.write(folder / "map.geojson"), Expected(("degrees",)))


# ── Codes ────────────────────────────────────────────────────────────────────────────────────────


@kind
def split_into_two_features(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    one = city.any_feature()
    a, b, c, d, _ = one["geometry"]["coordinates"][0]
    one["geometry"]["coordinates"] = [[a, b, c, a]]
    other = grid(one["properties"]["code"], one["properties"]["street"], [a, c, d, a])
    city.features.append(other)
    return Made(city.write(folder / "map.geojson"), Expected(("double_code",)))


@kind
def feature_twice(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.features.append(json.loads(json.dumps(city.any_feature())))
    return Made(city.write(folder / "map.geojson"), Expected(("double_code",)))


@kind
def code_in_two_streets(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.features[1]["properties"]["code"] = city.features[0]["properties"]["code"]
    city.features[1]["properties"]["street"] = "another"
    named = Expected(("double_code",), "name the streets")
    return Made(city.write(folder / "map.geojson"), named)


@kind
def codes_with_a_point(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    for feature in city.features:
        feature["properties"]["code"] = float(feature["properties"]["code"])
        feature["properties"]["street"] = float(feature["properties"]["street"])
    return Made(city.write(folder / "map.geojson"), Expected(("feature",)))


@kind
def codes_as_text_with_a_point(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    for feature in city.features:
        feature["properties"]["code"] += ".0"
    return Made(city.write(folder / "map.geojson"), Expected())


@kind
def code_is_null(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.any_feature()["properties"]["code"] = None
    return Made(city.write(folder / "map.geojson"), Expected(("code",), "it has no code"))


@kind
def property_of_another_name(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    for feature in city.features:
        feature["properties"]["Code"] = feature["properties"].pop("code")
    named = Expected(("feature",), "did you mean 'Code'?")
    return Made(city.write(folder / "map.geojson"), named)


# ── Reference systems ────────────────────────────────────────────────────────────────────────────


def crs_member(name: str) -> dict[str, Any]:
    """Return a crs member as GeoJSON of 2008 has it."""
    return {"crs": {"type": "name", "properties": {"name": name}}}


def projected_city(chance: random.Random) -> tuple[City, str]:
    """Return a city in metres or feet, and its reference system."""
    crs = chance.choice(list(PROJECTED))
    lon, lat = PROJECTED[crs]
    city = City.make(chance, lon=lon, lat=lat)
    city.move(pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform)
    return city, crs


@kind
def epsg_4326_member(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.members = crs_member(chance.choice(["EPSG:4326", "urn:ogc:def:crs:EPSG::4326"]))
    return Made(city.write(folder / "map.geojson"), Expected(("crs",)))


@kind
def latitude_first(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance, lon=chance.choice([-120.0, 117.0, 151.2]))
    city.move(lambda lon, lat: (lat, lon))
    city.members = crs_member("urn:ogc:def:crs:EPSG::4326")
    return Made(city.write(folder / "map.geojson"), Expected(("crs", "degrees")))


@kind
def projected_with_a_member(chance: random.Random, folder: Path) -> Made:
    city, crs = projected_city(chance)
    city.members = crs_member(f"urn:ogc:def:crs:{crs.replace(':', '::')}")
    return Made(city.write(folder / "map.geojson"), Expected(("crs", "degrees")))


@kind
def projected_and_named_by_an_option(chance: random.Random, folder: Path) -> Made:
    city, crs = projected_city(chance)
    return Made(city.write(folder / "map.geojson"), Expected(("degrees",)), crs=crs)


@kind
def projected_without_a_name(chance: random.Random, folder: Path) -> Made:
    city, _ = projected_city(chance)
    return Made(city.write(folder / "map.geojson"), Expected(("degrees",), "name it with --crs"))


@kind
def degrees_that_claim_to_be_projected(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.members = crs_member("EPSG:2249")
    named = Expected(("crs",), "say so with --crs OGC:CRS84")
    return Made(city.write(folder / "map.geojson"), named)


# ── Files ────────────────────────────────────────────────────────────────────────────────────────


@kind
def feature_alone(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.write(folder / "map.geojson", city.features[0])
    return Made(folder / "map.geojson", Expected(("file",)))


@kind
def geometry_alone(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.write(folder / "map.geojson", city.features[0]["geometry"])
    return Made(folder / "map.geojson", Expected(("file",), "no property 'code'"))


@kind
def latin_1(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.features[0]["properties"]["name"] = "Überlingen"
    path = city.write(folder / "map.geojson", encoding="latin-1")
    return Made(path, Expected(("file",)), encoding="latin-1")


@kind
def latin_1_without_a_name(chance: random.Random, folder: Path) -> Made:
    made = latin_1(chance, folder)
    return made._replace(expected=Expected(("file",), "name its encoding"), encoding=None)


@kind
def one_feature_a_line(chance: random.Random, folder: Path) -> Made:
    path = folder / "map.geojsonl"
    lines = [json.dumps(feature) + "\n" for feature in City.make(chance).features]
    path.write_text("".join(lines), encoding="utf-8")
    return Made(path, Expected(("file",)))


@kind
def csv_with_wkt(chance: random.Random, folder: Path) -> Made:
    path = folder / "map.csv"
    column = chance.choice(["WKT", "the_geom", "geometry"])
    rows = [
        f"{each['properties']['code']},{each['properties']['street']},"
        f'"{shape(each["geometry"]).wkt}"\n'
        for each in City.make(chance).features
    ]
    path.write_text(f"code,street,{column}\n" + "".join(rows), encoding="utf-8")
    return Made(path, Expected(("file",)))


@kind
def shapefile(chance: random.Random, folder: Path) -> Made:
    city, crs = projected_city(chance)
    return Made(write_with_gdal(city, folder / "map.shp", "ESRI Shapefile", crs), FILE)


@kind
def zipped_shapefile(chance: random.Random, folder: Path) -> Made:
    path = folder / "map.shz"
    return Made(write_with_gdal(City.make(chance), path, "ESRI Shapefile", "EPSG:4326"), FILE)


@kind
def geopackage(chance: random.Random, folder: Path) -> Made:
    city, crs = projected_city(chance)
    return Made(write_with_gdal(city, folder / "map.gpkg", "GPKG", crs), FILE)


@kind
def topojson(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    geometries = [
        {"type": "Polygon", "arcs": [[number]], "properties": feature["properties"]}
        for number, feature in enumerate(city.features)
    ]
    document = {
        "type": "Topology",
        "objects": {"wards": {"type": "GeometryCollection", "geometries": geometries}},
        "arcs": [feature["geometry"]["coordinates"][0] for feature in city.features],
    }
    return Made(city.write(folder / "map.json", document), FILE)


FILE = Expected(("file",))


def write_with_gdal(city: City, path: Path, driver: str, crs: str) -> Path:
    """Write a city in a format that GDAL writes."""
    properties = [feature["properties"] for feature in city.features]
    pyogrio.raw.write(
        path,
        np.array([shapely.to_wkb(shape(each["geometry"])) for each in city.features], dtype=object),
        [
            np.array([each[name] for each in properties], dtype=object)
            for name in ("code", "street")
        ],
        ["code", "street"],
        geometry_type="Polygon",
        crs=crs,
        driver=driver,
    )
    return path


# ── The trial ────────────────────────────────────────────────────────────────────────────────────


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


if __name__ == "__main__":
    print(report(run_trials(int(sys.argv[1]))))
