"""`gridcall map`: a map of grids is checked, mended and adopted."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from eventlog.content_codec import encode_content
from events.catalogue import ReferenceAdopted
from gridcall.cli.city_files import counts_of_findings, read_map, read_profile
from gridcall.cli.options import json_option, profile_option
from gridcall.cli.reference_data import adopt_and_report
from gridcall.cli.reference_versions import version_commands
from gridcall.cli.terminal import NOTHING_RAN, emit, fail, one_line, say
from gridcall.simulation.city.map_findings import Change, Finding
from gridcall.simulation.city.map_mending import Codes, MendedMap, mend_map
from gridcall.simulation.city.map_reading import UnreadableMap, read_map_file
from gridcall.simulation.city.map_validation import check_map
from gridcall.simulation.city.profile import Profile
from gridcall.simulation.reports.files import as_json

folder_argument = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))


@click.group("map")
def map_group() -> None:
    """Check, mend and adopt the map of the grids."""


@map_group.command("check")
@folder_argument
@profile_option
@json_option
def map_check(folder: Path, profile_path: Path, json_output: bool) -> None:
    """Check a map, and print every finding with its feature, place and measure.

    \b
    Exit status: 0 usable, 2 refused.
    Example:     gridcall map check maps/ --profile profiles/exampleville.yaml
    """
    profile, _ = read_profile(profile_path)
    checked = check_map(folder, profile.map)
    if json_output:
        emit(as_json([finding.as_json() for finding in checked.findings]))
    else:
        emit("".join(f"{one_line(finding)}\n" for finding in checked.findings).encode())
    say(f"{folder}: {counts_of_findings(checked)}", err=True)
    sys.exit(NOTHING_RAN if checked.refusals else 0)


@map_group.command("load")
@folder_argument
@profile_option
@click.option("--name", help="The version's name. Without it: the profile's.")
@json_option
def map_load(folder: Path, profile_path: Path, name: str | None, json_output: bool) -> None:
    """Adopt a map for the profile's district, and nothing else.

    Open cases go where the map puts them (docs/reference-data.md).
    What is in force and does not fit the new map is reported.

    \b
    Exit status: 0 adopted, or in force already · 2 refused
    Example:     gridcall map load maps/ --profile profiles/exampleville.yaml
    """
    profile, _ = read_profile(profile_path)
    digest, body = encode_content(read_map(folder, profile))
    event = ReferenceAdopted(kind="map", name=name or profile.profile, digest=digest)
    adopt_and_report(profile.map.district.code, event, {digest: body}, json_output=json_output)


@map_group.command("mend")
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--profile",
    "profile_path",
    type=click.Path(path_type=Path),
    help="Mend the codes and streets that it names, and check the result with it.",
)
@click.option("--code", metavar="PROPERTY", help="The property of the code, without a profile.")
@click.option("--street", metavar="PROPERTY", help="The property of the street, likewise.")
@click.option("--crs", metavar="NAME", help="The reference system, for example EPSG:2249.")
@click.option("--layer", metavar="NAME", help="The layer of a file that has several.")
@click.option("--encoding", metavar="NAME", help="Of texts, for example latin-1.")
@json_option
def map_mend(
    source: Path,
    target: Path,
    profile_path: Path | None,
    code: str | None,
    street: str | None,
    crs: str | None,
    layer: str | None,
    encoding: str | None,
    json_output: bool,
) -> None:
    """Write a map of another form as GeoJSON that `map check` takes, or say why that is impossible.

    IN is GeoJSON, a shapefile, TopoJSON, GeoPackage, KML or CSV with WKT. Every change is printed,
    with the area before and after.

    \b
    Exit status: 0 written and usable, 2 refused
    Example:     gridcall map mend wards.shp maps/wards.geojson --code ward_id
    """
    profile = read_profile(profile_path)[0] if profile_path else None
    codes = codes_of(profile, code, street)
    if target.exists():
        fail(NOTHING_RAN, f"{target} is there; nothing is overwritten: name a new file")
    try:
        mended = mend_map(read_map_file(source, layer, encoding), codes, crs)
    except UnreadableMap as error:
        fail(NOTHING_RAN, str(error))
    if mended.document is not None:
        write_document(target, mended.document)
    refused = [] if profile is None or mended.document is None else refusals_of(target, profile)
    findings: list[Change | Finding] = [*mended.changes, *refused]
    if json_output:
        emit(as_json([finding.as_json() for finding in findings]))
    else:
        emit("".join(f"{one_line(finding)}\n" for finding in findings).encode())
    report_mending(mended, target, refused, codes)
    sys.exit(NOTHING_RAN if mended.document is None or refused else 0)


def codes_of(profile: Profile | None, code: str | None, street: str | None) -> Codes:
    """Return the properties of code and street, from the options or the profile."""
    if profile is None:
        return Codes(code, street)
    return Codes(code or profile.map.grids.code, street or profile.map.streets.from_)


def write_document(target: Path, document: dict[str, Any]) -> None:
    """Write a GeoJSON document beside its place, and rename it."""
    unfinished = target.with_name(f"{target.name}.unfinished")
    unfinished.write_text(
        json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
    unfinished.replace(target)


def refusals_of(target: Path, profile: Profile) -> list[Finding]:
    """Return what the map check refuses in a mended file."""
    grids = profile.map.grids.model_copy(update={"file": target.name})
    files = profile.map.model_copy(update={"grids": grids})
    return check_map(target.parent, files).refusals


def report_mending(
    mended: MendedMap, target: Path, refused: Sequence[Finding], codes: Codes
) -> None:
    """Print on stderr what was written, and what remains to be done."""
    if mended.document is None:
        say("nothing was written, because of what is refused", err=True)
        return
    count = len(mended.document["features"])
    then = "; what is refused is a decision of yours" if refused else ""
    say(f"{target}: {count:,} feature{'s' if count > 1 else ''}{then}", err=True)
    if not codes.code:
        say("codes were not looked at: --profile or --code names their property", err=True)


for version_command in version_commands("map"):
    map_group.add_command(version_command)


COMMANDS = {"map": map_group}
