"""The real year that benchmarks use: Boston in 2015, with its profile, map and inputs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from events.instants import Instant
from events.reference_data import GridMap
from gridcall.simulation.city.local_time import LocalClock
from gridcall.simulation.city.map_validation import check_map
from gridcall.simulation.city.profile import Profile
from gridcall.simulation.city.profile_loader import load_profile
from gridcall.simulation.feed import Feed, read_feed

PROFILE = Path(__file__).parent.parent / "profiles" / "boston311_2015.yaml"
DATA = Path(__file__).parent.parent.parent / "shared" / "data"
UNTIL = "2016-01-13T00:00:00"


class City(NamedTuple):
    """A city, its inputs, and the end of the time that passes."""

    profile: Profile
    grids: GridMap
    feed: Feed
    until: Instant


def city(data: Path, months: int) -> City:
    """Return the city of the profile, with its inputs."""
    profile, lines = load_profile(PROFILE)
    grids = check_map(data / "boston_geo" / "wgs84", profile.map).grids
    assert grids is not None
    until = LocalClock(profile.zone).instant(datetime.fromisoformat(UNTIL))[0]
    return City(profile, grids, read_feed(profile, lines, inputs(data, months), until), until)


def inputs(data: Path, months: int) -> list[Path]:
    """Return the files of the first months."""
    return sorted((data / "boston311_2015").glob("*.csv.gz"))[:months]
