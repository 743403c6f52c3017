"""Random cities: a profile, a map and files of rows with every kind of dirt."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from unicodedata import normalize

import yaml

from tests.harness.city import square
from tests.harness.small_city import feature

# Zones, each with dates on which its clock jumps, some of them at midnight.
JUMPS = {
    "Europe/Dublin": ["2019-03-31", "2019-10-27"],
    "America/New_York": ["2019-03-10", "2019-11-03"],
    "America/Santiago": ["2019-04-06", "2019-04-07", "2019-09-07", "2019-09-08"],
    "America/St_Johns": ["2010-03-14", "2010-11-06", "2010-11-07"],
    "America/Toronto": ["1919-03-30", "1919-03-31"],
    "Asia/Beirut": ["2019-03-31", "2019-10-26", "2019-10-27"],
    "Australia/Lord_Howe": ["2019-04-07", "2019-10-06"],
    "Asia/Kathmandu": ["1985-12-31", "1986-01-01"],
    "Pacific/Apia": ["2011-12-29", "2011-12-30", "2011-12-31"],
}
CODES = ("07", "12", "0112", "ŁĄKA", "b-2")
BLANKS = ("", "n/a", " ")
Cells = dict[str, str]
Write = Callable[[datetime], Cells]


@dataclass
class RandomCity:
    """The files that a run reads."""

    profile: dict[str, Any]
    features: list[Any]
    files: dict[str, bytes]
    until: str
    folder: Path = field(default_factory=Path)

    def write(self, folder: Path) -> tuple[Path, list[Path]]:
        """Write everything into a folder. Return the paths of the profile and of the files."""
        profile = folder / "profile.yaml"
        text = yaml.safe_dump(self.profile, allow_unicode=True, sort_keys=False)
        profile.write_text(text, encoding="utf-8")
        document = {"type": "FeatureCollection", "features": self.features}
        (folder / "map.geojson").write_text(json.dumps(document), encoding="utf-8")
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        return profile, [folder / name for name in self.files]


class CityMaker:
    """Makes a city of one seed."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.format_2 = self.chance.random() < 0.6
        self.dissolve, self.dedicated = (self.format_2 and self.likely(0.5) for _ in range(2))
        self.zone = self.chance.choice(list(JUMPS))
        self.moments = [self.moment() for _ in range(8)]
        self.writers: dict[str, Write] = {}

    def likely(self, share: float) -> bool:
        return self.chance.random() < share

    def some(self, options: Sequence[Any]) -> list[Any]:
        """Return some of the options, at least one, in any order."""
        return self.chance.sample(options, self.chance.randint(1, len(options)))

    def moment(self) -> datetime:
        date = datetime.fromisoformat(self.chance.choice(JUMPS[self.zone]))
        hours = self.chance.choice([0, 0, 1, 2, 3, 23, 23, 24 * 20])
        return date + timedelta(hours=hours, minutes=self.chance.choice([0, 1, 30, 59]))

    def make(self) -> RandomCity:
        profile = self.profile()
        features = self.features()
        rows = self.rows()
        cut = self.chance.randint(0, len(rows))
        files = {"one.csv": self.file(profile, rows[:cut])}
        if self.likely(0.6):
            files["two.csv"] = self.file(profile, rows[cut:])
        if self.likely(0.3):
            files["three.csv.gz"] = gzip.compress(self.file(profile, rows[cut // 2 :]))
        until = self.chance.choice(self.moments) + timedelta(days=self.chance.choice([1, 90]))
        return RandomCity(profile, features, files, until.isoformat())

    # ── The profile ──────────────────────────────────────────────────────────────────────────────

    def profile(self) -> dict[str, Any]:
        profile = {
            "profile": self.chance.choice(["small", "mała"]),
            "format": "2" if self.format_2 else "1",
            "zone": self.zone,
            "csv": {
                "delimiter": self.chance.choice([",", ";", "\t"]),
                "encoding": self.chance.choice(["utf-8", "utf-8", "utf-16"]),
                "blank": ["", "n/a"],
            },
            "reference": self.reference(),
            "line": self.line(),
            "category": self.category(),
            "reported": self.time("reported"),
            "due": self.time("due", day=self.likely(0.6)),
            "ended": self.end(),
            "place": self.some([self.point(), self.code("grid"), self.code("street")]),
            "map": {
                "district": {"code": "small", "name": "Small"},
                "grids": self.grids(),
                "streets": {"from": "street", "pad": 2},
                "overlap": {"tolerate_m2": "any"},
                "gap": {"tolerate_m2": "any"},
            },
            "workers": "one_per_grid",
            "merge": "never",
            "calls": self.chance.choice(
                ["never", *({"answer_within": within} for within in ("PT24H", "PT0S", "P1DT1H"))]
            ),
            "published": {"column": "verdict", "overdue": ["LATE"], "not_overdue": ["OK"]},
        }
        for key in ("due", "ended", "published", "place"):
            if self.likely(0.15):
                del profile[key]
        return profile

    def reference(self) -> dict[str, Any]:
        ways: list[dict[str, Any]] = [{"column": "id"}]
        if self.format_2:
            ways += [{"columns": ["id", "ward"], "join": "/"}, {"columns": ["kind", "id"]}]
            ways += [{"row": True}]
        return self.chance.choice(ways)

    def line(self) -> dict[str, Any]:
        if self.format_2 and self.likely(0.4):
            return {"value": self.chance.choice(["grid", "petition"])}
        values = {"Phone": "hotline", "App": "grid", "Głos": "sentiment", "": "petition"}
        otherwise = self.chance.choice(["refuse", "petition"])
        return {"column": "channel", "values": values, "otherwise": otherwise}

    def category(self) -> dict[str, Any]:
        if self.format_2 and self.likely(0.5):
            values = {"Lamp": "Light", "Café": "Pub", "": "None"}
            return {"column": "kind", "values": values, "otherwise": "keep"}
        return {"column": "kind"}

    def end(self) -> dict[str, Any]:
        ended = self.time("ended")
        if self.likely(0.6):
            values = {"Done": "closed", "Void": "withdrawn", "New": "open"}
            ended["state"] = {"column": "state", "values": values}
            if self.likely(0.5):
                ended["state"]["otherwise"] = self.chance.choice(["open", "closed", "withdrawn"])
        return ended

    def point(self) -> dict[str, Any]:
        point: dict[str, Any] = {"lat": "lat", "lon": "lon"}
        if self.likely(0.5):
            point |= {"decimals": "2", "unknown": [["50.06", "20.06"], ["0", "0"]]}
        return {"point": point}

    def code(self, kind: str) -> dict[str, Any]:
        column = "area" if kind == "grid" else "ward"
        ways: list[dict[str, Any]] = [
            {}, {"pad": "2"}, {"drop": r"\.0$", "pad": "2"}, {"keep": r"(\w+)$"},
            {"drop": "^x", "keep": "([^ ]*)", "pad": "4"},
        ]  # fmt: skip
        if self.format_2:
            ways += [{"table": {"7": "07", "Łąka": "ŁĄKA", "b": "b-2", "12": "?", "": "07"}}]
        return {kind: {"column": column, **self.chance.choice(ways)}}

    def time(self, name: str, *, day: bool = False) -> dict[str, Any]:
        """Return the key of a time, and remember how its cells are written."""
        if self.format_2 and self.likely(0.3):
            self.writers[name] = lambda moment: {
                f"{name} date": moment.strftime("%m/%d/%Y"),
                f"{name} hour": moment.strftime("%I:%M:%S %p"),
            }
            key: dict[str, Any] = {
                "columns": [f"{name} date", f"{name} hour"],
                "formats": ["%m/%d/%Y %I:%M:%S %p"],
            }
        else:
            forms = self.some(self.forms())
            self.writers[name] = lambda moment: {name: self.chance.choice(forms)[1](moment)}
            key = {"column": name, "formats": [form for form, _ in forms]}
        return key | ({"day": "end"} if day else {})

    def forms(self) -> list[tuple[str, Callable[[datetime], str]]]:
        """Return formats, each with a function that writes a time in it."""

        def offset(*ways: str) -> str:
            return self.chance.choice(ways)

        def seconds(moment: datetime) -> int:
            return round(moment.replace(tzinfo=UTC).timestamp())

        forms: list[tuple[str, Callable[[datetime], str]]] = [
            ("iso", lambda moment: moment.isoformat() + offset("", "", "Z", "+01:00", "-04")),
            ("%d/%m/%Y %H:%M", lambda moment: moment.strftime("%d/%m/%Y %H:%M")),
            ("%d/%m/%Y", lambda moment: moment.strftime("%d/%m/%Y")),
            (
                "%Y/%m/%d %H:%M:%S%z",
                lambda moment: f"{moment:%Y/%m/%d %H:%M:%S}" + offset("+00", "Z", "-0330", "UTC"),
            ),
            (
                "%z %Y-%m-%d, %H:%M",
                lambda moment: offset("+13", "GMT", "-03:30") + f" {moment:%Y-%m-%d, %H:%M}",
            ),
        ]
        if self.format_2:
            forms += [
                ("epoch", lambda moment: f"{seconds(moment)}" + offset("", ".5", ".1234567")),
                ("epoch_ms", lambda moment: f"{seconds(moment)}000" + offset("", ".9999")),
            ]
        return forms

    # ── The map ──────────────────────────────────────────────────────────────────────────────────

    def grids(self) -> dict[str, Any]:
        grids: dict[str, Any] = {"file": "map.geojson", "code": "no"}
        if self.dissolve:
            grids["dissolve"] = "true"
        if self.dedicated:
            grids["dedicated"] = {"property": "use", "values": ["school", "Apteka", "true"]}
        return grids

    def features(self) -> list[Any]:
        """Return squares beside each other, some of which overlap or are parts of one grid."""
        features: list[Any] = []
        for number, code in enumerate(self.some(CODES)):
            street = self.chance.choice(["1", " 1", "02", "Dół"])
            use = self.chance.choice([None, "shop", " school", "Apteka", True])
            size = 1 / 16 if self.dedicated and use else 3 / 16
            for part in range(2 if self.dissolve and self.likely(0.4) else 1):
                name = self.chance.choice([code, normalize("NFD", code), f" {code}"])
                north = self.chance.randint(0, 1) / 16 + part / 8
                outline = square(20 + number / 8, 50 + north, size)
                features.append(feature(name, street, outline, use=use))
        return features

    # ── The rows ─────────────────────────────────────────────────────────────────────────────────

    def rows(self) -> list[Cells]:
        rows: list[Cells] = []
        for number in range(self.chance.randint(0, 30)):
            if rows and self.likely(0.15):
                again = dict(self.chance.choice(rows))
                rows.append(again if self.likely(0.5) else self.soil(again, 0.1))
            else:
                rows.append(self.soil(self.row(number), 0.06))
        return rows

    def row(self, number: int) -> Cells:
        reported = self.chance.choice(self.moments)
        return {
            "id": self.chance.choice([f"R-{number}", f"ź{number}", f"R-{number // 2}"]),
            "channel": self.chance.choice(["Phone", "App", normalize("NFD", "Głos"), "Fax"]),
            "kind": self.chance.choice(["Lamp", normalize("NFD", "Café"), 'say "a,b;c"\nd', "=1"]),
            "state": self.chance.choice(["Done", "Void", "New", "Lost"]),
            "area": self.chance.choice(
                ["07", "7", "7.0", "x12", "area 07", "Łąka", normalize("NFD", "ŁĄKA"), "b", "99"]
            ),
            "ward": self.chance.choice(["1", "01", "Ward 2", "Dół", "88", "7"]),
            **self.position(),
            "verdict": self.chance.choice(["LATE", "OK", "unknown"]),
            **self.writers["reported"](reported),
            **self.writers["due"](reported + self.step()),
            **self.writers["ended"](reported + self.step()),
        }

    def position(self) -> Cells:
        """Return a point anywhere, or often the one that may mean "unknown"."""
        north, east = self.chance.randint(-1, 5), self.chance.randint(-1, 12)
        if self.likely(0.2):
            north, east = 1, 1
        return {"lat": f"{50 + north / 16}", "lon": f"{20 + east / 16}"}

    def step(self) -> timedelta:
        return timedelta(
            hours=self.chance.choice([-30, -1, 0, 1, 24, 700]),
            minutes=self.chance.choice([0, 0, -1]),
        )

    def soil(self, row: Cells, share: float) -> Cells:
        """Return a row, some of whose cells are blank or wrong."""
        wrong = (*BLANKS, *BLANKS, "soon", "31/02/2019", "1e999", "a\0b", "50.1", "20.1", "0")
        return {
            column: self.chance.choice(wrong) if self.likely(share) else cell
            for column, cell in row.items()
        }

    def file(self, profile: dict[str, Any], rows: Sequence[Cells]) -> bytes:
        """Return a file with the columns in any order, blanks, empty lines and broken rows."""
        columns = [*self.row(0), "remarks"]
        self.chance.shuffle(columns)
        text = io.StringIO()
        writer = csv.writer(text, delimiter=profile["csv"]["delimiter"], lineterminator="\r\n")
        upper = self.format_2 and self.likely(0.3)
        writer.writerow([f" {column.upper() if upper else column} " for column in columns])
        for row in rows:
            cells = [row.get(column, "-") for column in columns]
            if self.likely(0.05):
                cells = self.chance.choice([[*cells, ""], cells[:-1], cells[:2]])
            writer.writerow([cell + self.chance.choice(["", "", " "]) for cell in cells])
            if self.likely(0.05):
                text.write("\r\n")
        return text.getvalue().encode(profile["csv"]["encoding"])
