"""Districts and their reference data: added by name, checked at adoption, shown and compared."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intake.adoption import ReferenceRefused
from intake.districts import UnknownDistrict
from tests.harness.commands import invoke, read_output, run_on_database
from tests.harness.exampleville import CITY, PROFILE, changed_profile, issue
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.postgres import execute, fetch_rows

LIMIT = {"line": "*", "category": "*", "urgency": "*", "amount": 2, "unit": "days"}
NOT_YET = "exampleville: open cases move when routing runs again, for example with gridcall up"
POLICIES: dict[str, Any] = {
    "zone": "Europe/Dublin",
    "answer_within": 86_400_000_000,
    "limits": [LIMIT],
}
ADOPTED = "SELECT type, convert_from(data, 'UTF8') AS data FROM intake.log ORDER BY pos"


@pytest.fixture(scope="module")
def template(postgres: str) -> Iterator[str]:
    """Return the name of a database with Exampleville, which is copied for each test."""
    name = f"template_{secrets.token_hex(6)}"
    asyncio.run(execute(postgres, f"CREATE DATABASE {name} TEMPLATE empty"))
    url = postgres.replace("/postgres?", f"/{name}?")
    read_output(url, "district", "add", "exampleville", "--map", CITY, "--profile", PROFILE)
    yield name
    asyncio.run(execute(postgres, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def city(postgres: str, template: str) -> Iterator[str]:
    """Return a database with Exampleville."""
    name = f"test_{secrets.token_hex(6)}"
    asyncio.run(execute(postgres, f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield postgres.replace("/postgres?", f"/{name}?")
    asyncio.run(execute(postgres, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new.json"


def load(database: str, kind: str, path: Path, content: Any) -> tuple[int, str]:
    """Load reference data into Exampleville; return the exit status and all output."""
    path.write_text(json.dumps(content), encoding="utf-8")
    try:
        done = invoke(database, kind, "load", path, "--district", "exampleville")
    except ReferenceRefused as error:
        return 2, str(error)
    return done.returncode, done.stdout + done.stderr


def adopted_kinds(database: str) -> list[str]:
    return [json.loads(row["data"])["kind"] for row in fetch_rows(database, ADOPTED)]


# ── Districts ────────────────────────────────────────────────────────────────────────────────────


def test_a_district_is_added_once_and_listed(database: str) -> None:
    assert (
        "no district yet: gridcall district add CODE" in invoke(database, "district", "list").stderr
    )
    assert read_output(database, "district", "add", "licheng").startswith("licheng added\n")
    assert adopted_kinds(database) == ["decider"]
    assert "is there already; nothing changes" in read_output(
        database, "district", "add", "licheng"
    )
    assert adopted_kinds(database) == ["decider"]
    (row,) = json.loads(read_output(database, "district", "list", "--json"))
    assert (row["district"], row["number"], row["map"]) == ("licheng", 0, "")


def test_a_district_whose_adding_was_cut_off_is_completed_by_the_same_command(
    database: str,
) -> None:
    asyncio.run(execute(database, "SELECT intake.add_district('exampleville')"))
    words = ("district", "add", "exampleville", "--map", CITY, "--profile", PROFILE)
    assert read_output(database, *words).startswith("exampleville added\n")
    assert adopted_kinds(database) == ["map", "roster", "policies", "decider"]


def test_a_district_may_begin_with_the_reference_data_of_a_profile(city: str) -> None:
    assert adopted_kinds(city) == ["map", "roster", "policies", "decider"]
    (row,) = json.loads(read_output(city, "district", "list", "--json"))
    assert (row["map"], row["roster"], row["admission"]) == (
        "exampleville-2019",
        "exampleville-2019",
        "",
    )


def test_the_profile_of_another_district_is_refused(database: str) -> None:
    done = invoke(database, "district", "add", "x", "--map", CITY, "--profile", PROFILE)
    assert done.returncode == 2
    assert "is the profile of 'exampleville', not of 'x'" in done.stderr
    assert fetch_rows(database, "SELECT * FROM intake.shard") == []
    assert invoke(database, "district", "add", "x", "--map", CITY).returncode == 2


@pytest.mark.parametrize(
    "words",
    [
        ("key", "add", "--source", "a", "--line", "hotline", "--district", "examplevile"),
        ("policies", "load", "new.json", "--district", "examplevile"),
        ("map", "show", "--district", "examplevile"),
        ("tail", "intake", "--no-follow", "--district", "examplevile"),
        ("sheet", "w", "--district", "examplevile"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_typing_error_makes_no_district_and_is_answered_with_the_right_one(
    city: str, tmp_path: Path, words: tuple[str, ...]
) -> None:
    path = tmp_path / "new.json"
    path.write_text(json.dumps(POLICIES), encoding="utf-8")
    with pytest.raises(UnknownDistrict) as raised:
        invoke(city, *(path if word == "new.json" else word for word in words))
    assert str(raised.value) == (
        "no district 'examplevile': did you mean 'exampleville'? there are exampleville; "
        "to make it: gridcall district add examplevile"
    )
    assert [row["shard"] for row in fetch_rows(city, "SELECT shard FROM intake.shard")] == [
        "exampleville"
    ]
    assert fetch_rows(city, "SELECT * FROM intake.key") == []


def test_a_map_for_a_district_that_is_not_there_names_the_next_command(database: str) -> None:
    done = run_on_database(database, "map", "load", CITY, "--profile", PROFILE)
    assert done.returncode == 2
    assert "there is none yet; to make it: gridcall district add exampleville" in done.stderr


# ── Checks at adoption ───────────────────────────────────────────────────────────────────────────


def test_a_map_is_adopted_and_nothing_else(city: str, path: Path) -> None:
    roster = {
        "workers": {"0101": "w:1"},
        "receivers": [{"unit": "01", "officer": "o:1", "deputy": None}],
    }
    assert load(city, "roster", path, roster)[0] == 0
    assert load(city, "policies", path, POLICIES)[0] == 0
    before = adopted_kinds(city)
    said = read_output(city, "map", "load", CITY, "--profile", PROFILE, "--name", "map-2")
    assert said == f"exampleville: map map-2 adopted\n{NOT_YET}\n"
    assert adopted_kinds(city) == [*before, "map"]
    assert json.loads(read_output(city, "roster", "show", "--json")) == roster
    assert json.loads(read_output(city, "policies", "show", "--json")) == POLICIES


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"zone": "Asia/Jinan"}, "policies: zone: 'Asia/Jinan' is no zone of the IANA database"),
        (
            {"answer_within": -5, "limits": [{**LIMIT, "amount": -2_000_000_000_000}]},
            "-2000000000000 days is no limit: give 1 to 3,660",
        ),
        ({"limits": [{**LIMIT, "ammount": 3}]}, "/limits/0/ammount: unknown field; did you mean"),
    ],
)
def test_policies_that_would_park_every_case_are_refused_and_cases_go_on(
    city: str, path: Path, wrong: dict[str, Any], said: str
) -> None:
    before = adopted_kinds(city)
    status, output = load(city, "policies", path, POLICIES | wrong)
    assert status == 2
    assert said in output
    assert "Traceback" not in output
    assert adopted_kinds(city) == before


def test_after_refused_policies_a_new_case_is_routed(database: str, path: Path) -> None:
    key = adopt_exampleville(database)
    assert load(database, "policies", path, POLICIES | {"zone": "Asia/Jinan"})[0] == 2
    process = Process(database)
    try:
        with client(process.url, key) as api:
            answer = api.post("/issues/hotline", json=issue("P-1"), headers={"prefer": "wait=10"})
        assert answer.json()["outcome"]["declined"] is False
    finally:
        process.end()
    assert json.loads(read_output(database, "parked", "--json")) == []


def test_a_roster_of_other_grids_is_refused_with_each_reason(city: str, path: Path) -> None:
    roster = {"workers": {"101": "w:1", "0101": "w:2"}, "receivers": []}
    status, output = load(city, "roster", path, roster)
    assert status == 2
    assert "nothing is adopted in exampleville, because it does not fit" in output
    assert "refused: roster: worker of 101: '101' is not a grid of the map in force" in output
    assert "did you mean '0101'?" in output


def test_what_a_new_roster_lacks_is_reported(city: str, path: Path) -> None:
    status, output = load(city, "roster", path, {"workers": {"0101": "w:1"}, "receivers": []})
    assert status == 0
    assert "reported: roster: workers: 5 grids have no gridworker: 0102, 0201" in output
    assert "exampleville: roster new adopted" in output


def test_loading_a_roster_says_how_many_open_cases_it_moved(database: str, path: Path) -> None:
    key = adopt_exampleville(database)
    roster = {"workers": {"0101": "w:1", "0102": "w:2"}, "receivers": []}
    status, output = load(database, "roster", path, roster)
    assert NOT_YET in output
    process = Process(database)
    try:
        with client(process.url, key) as api:
            for reference, grid in (("A", "0101"), ("B", "0101"), ("C", "0102")):
                report = issue(reference, place={"grid": grid})
                answer = api.post("/issues/hotline", json=report, headers={"prefer": "wait=10"})
                assert answer.json()["outcome"]["declined"] is False
        status, output = load(database, "roster", path, change_worker(roster, "w:3"))
        assert (status, "2 of 3 open cases have another holder now\n" in output) == (0, True)
        path.write_text(json.dumps(change_worker(roster, "w:4")), encoding="utf-8")
        words = ("roster", "load", path, "--district", "exampleville", "--name", "r4", "--json")
        assert json.loads(read_output(database, *words)) | {"reported": []} == {
            "district": "exampleville",
            "adopted": [{"kind": "roster", "name": "r4"}],
            "reported": [],
            "cases": {"open": 3, "moved": 2, "parked": 0},
            "note": "",
        }
        assert "cases" not in load(database, "policies", path, POLICIES)[1]
    finally:
        process.end()


def change_worker(roster: dict[str, Any], worker: str) -> dict[str, Any]:
    """Return a roster with another worker in 0101."""
    return roster | {"workers": roster["workers"] | {"0101": worker}}


def test_policies_name_categories_of_the_admission_list_in_force(city: str, path: Path) -> None:
    rows = [{"category": "Noise", "level": "grid", "rule": "list 2026, row 1"}]
    assert load(city, "admission", path, {"rows": rows})[0] == 0
    policies = POLICIES | {"limits": [{**LIMIT, "category": "Noise!"}, LIMIT]}
    status, output = load(city, "policies", path, policies)
    assert status == 2
    assert "'Noise!' is not a category of the admission list in force; did you mean" in output


# ── Versions ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def versions(city: str, tmp_path: Path) -> str:
    """Return a database with two more versions of Exampleville's policies."""
    for name, content in (
        ("first", POLICIES),
        ("second", {**POLICIES, "limits": [{**LIMIT, "line": "hotline"}, {**LIMIT, "amount": 9}]}),
    ):
        status, output = load(city, "policies", tmp_path / f"{name}.json", content)
        assert status == 0, output
    return city


def test_history_lists_the_versions_with_their_position(versions: str) -> None:
    rows = json.loads(read_output(versions, "policies", "history", "--json"))
    assert [(row["version"], row["name"], row["in_force"]) for row in rows] == [
        (1, "exampleville-2019", "no"),
        (2, "first", "no"),
        (3, "second", "yes"),
    ]
    assert [row["position"] for row in rows] == [3, 5, 6]
    assert len(rows[0]["digest"]) == 64
    assert "second" in read_output(versions, "policies", "history")


def test_show_prints_a_version_by_number_or_name_as_it_can_be_loaded(
    versions: str, tmp_path: Path
) -> None:
    assert json.loads(read_output(versions, "policies", "show", "first", "--json")) == POLICIES
    shown = read_output(versions, "policies", "show", "--json")
    assert json.loads(shown)["limits"][1]["amount"] == 9
    again = tmp_path / "second.json"
    again.write_text(shown, encoding="utf-8")
    assert "nothing new" in read_output(
        versions, "policies", "load", again, "--district", "exampleville"
    )
    assert "limit */*/*" in read_output(versions, "policies", "show", "2")
    done = invoke(versions, "policies", "show", "third")
    assert done.returncode == 2
    assert "versions: 1 (exampleville-2019), 2 (first), 3 (second)" in done.stderr


def test_diff_prints_what_differs_between_two_versions(versions: str, tmp_path: Path) -> None:
    assert json.loads(read_output(versions, "policies", "diff", "--json")) == [
        {"part": "limit */*/*", "change": "changed", "before": "2 days", "after": "9 days"},
        {"part": "limit hotline/*/*", "change": "added", "before": "", "after": "2 days"},
    ]
    assert read_output(versions, "policies", "diff", "3", "3") == ""
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**POLICIES, "zone": "Europe/Paris"}), encoding="utf-8")
    rows = json.loads(read_output(versions, "policies", "diff", "2", "--file", other, "--json"))
    assert rows == [
        {
            "part": "zone",
            "change": "changed",
            "before": "Europe/Dublin",
            "after": "Europe/Paris",
        }
    ]


def test_a_map_is_shown_as_geojson_that_a_profile_can_load(city: str, tmp_path: Path) -> None:
    document = json.loads(read_output(city, "map", "show", "--json"))
    assert [each["properties"]["code"] for each in document["features"]][:2] == ["0101", "0102"]
    assert document["features"][0]["properties"]["kind"] == "basic"
    assert "street 01, basic" in read_output(city, "map", "show")


def test_the_dedicated_grids_of_a_profile_are_loaded(city: str, tmp_path: Path) -> None:
    profile = changed_profile(
        tmp_path,
        "code: area_id}",
        "code: area_id, dedicated: {property: area_id, values: ['0302']}}",
    )
    profile.write_text(profile.read_text().replace("format: 1", "format: 2"), encoding="utf-8")
    said = read_output(city, "map", "load", CITY, "--profile", profile, "--name", "map-2")
    assert said == f"exampleville: map map-2 adopted\n{NOT_YET}\n"
    (row,) = json.loads(read_output(city, "map", "diff", "--json"))
    assert row["part"] == "grid 0302"
    assert ", basic, " in row["before"]
    assert row["after"] == row["before"].replace(", basic, ", ", dedicated, ")


def test_a_kind_that_was_never_adopted_names_the_next_command(city: str) -> None:
    done = invoke(city, "admission", "show")
    assert done.returncode == 2
    assert "exampleville has no admission yet: gridcall admission load" in done.stderr
    assert "nothing was adopted yet: gridcall names load" in invoke(city, "names", "history").stderr
