"""Doctor's findings, from the conditions of services: each fault, its edge, and what heals."""

from __future__ import annotations

import pytest

from eventlog.condition import (
    Condition,
    Finding,
    ParkedCase,
    Replay,
    ShardState,
    amend,
    decode_conditions,
    encode_conditions,
    findings_of,
)
from events.instants import Instant
from events.topology import DECIDER_VERSION
from gridcall.host.conditions import diagnose
from gridcall.host.examination import LATE_SECONDS, Look, examine, lasting_findings
from intake.acceptor import AHEAD_US_MAX
from intake.condition import decider_findings, duration, mistake_findings, time_findings
from intake.store import DistrictState

NOW: Instant = 1_800_000_000_000_000
SECOND = 1_000_000
SERVER = {
    "server_version": "16.2",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "read_only": "off",
}


def state(**fields: object) -> ShardState:
    values = {
        "shard": "licheng", "position": 9, "time": NOW, "applied": 9, "epoch": 3, "owner": "pod-1",
        **fields,
    }  # fmt: skip
    return ShardState(**values)  # type: ignore[arg-type]


INTAKE = Condition(
    service="intake", log="intake", clock=NOW, server=SERVER, shards=[state(owner="")]
)
ROUTING = Condition(service="routing", log="cases", stage=True, server=SERVER, shards=[state()])


def look(*conditions: Condition, seconds: float = 0.0) -> Look:
    return Look({each.service: each for each in conditions}, (), seconds)


def sentences(findings: list[Finding]) -> str:
    return "; ".join(finding.sentence for finding in findings)


def with_state(condition: Condition, **fields: object) -> Condition:
    return amend(condition, shards=[state(**fields)])


def test_a_system_that_works_has_no_finding() -> None:
    now = look(INTAKE, ROUTING)
    assert examine(now, now) == []


def test_a_condition_travels_over_http_unchanged() -> None:
    parked = ParkedCase(shard="licheng", position=7, subject="c", fault="KeyError", waiting=1)
    replay = Replay(name="cases/licheng", folded=4, rows=9)
    full = amend(
        ROUTING, parked=[parked], replays=[replay], findings=[Finding(check="x", sentence="y")]
    )
    assert decode_conditions(encode_conditions([INTAKE, full])) == [INTAKE, full]


# ── Owners, parked cases, the database ───────────────────────────────────────────────────────────


def test_a_stage_without_an_owner_is_found_and_intake_needs_none() -> None:
    (finding,) = findings_of(with_state(ROUTING, owner=""))
    assert finding.sentence == "cases/licheng has no owner: nothing is decided in it"
    assert "gridcall routing" in finding.command
    assert finding.heals


def test_a_halted_stage_is_found_with_its_reason() -> None:
    (finding,) = findings_of(with_state(ROUTING, owner="", halted="a gap after 7"))
    assert finding.sentence == "cases/licheng is halted: a gap after 7"
    assert not finding.heals


def test_parked_cases_are_counted_with_what_waits_behind_them() -> None:
    parked = [
        ParkedCase(shard="licheng", position=7, subject=subject, fault="KeyError", waiting=waiting)
        for subject, waiting in (("c1", 1), ("c2", 3))
    ]
    (finding,) = findings_of(amend(ROUTING, parked=parked))
    assert finding.sentence == "cases/licheng has 2 parked cases, with 4 waiting inputs"
    assert "gridcall retry" in finding.command


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("synchronous_commit", "off", "a crash can lose inputs that were accepted"),
        ("fsync", "off", "a crash of the machine can destroy the database"),
        ("full_page_writes", "off", "a crash of the machine can destroy the database"),
        ("read_only", "on", "is read-only"),
        ("unarchived_since", "2026-11-02T08:01:00Z", "is not archived since 2026-11-02T08:01:00Z"),
    ],
)
def test_a_setting_that_loses_inputs_is_found(setting: str, value: str, sentence: str) -> None:
    (finding,) = findings_of(amend(INTAKE, server={**SERVER, setting: value}))
    assert sentence in finding.sentence
    assert finding.check == "database"


@pytest.mark.parametrize("value", ["local", "remote_write", "on", "remote_apply"])
def test_a_commit_that_is_flushed_here_is_safe(value: str) -> None:
    assert findings_of(amend(INTAKE, server={**SERVER, "synchronous_commit": value})) == []


def test_missing_tables_are_named() -> None:
    lacking = [f"routing.table{number}" for number in range(7)]
    (finding,) = findings_of(amend(ROUTING, missing=lacking, shards=[]))
    assert "lacks routing.table0, routing.table1" in finding.sentence
    assert finding.sentence.endswith("and 2 more")


# ── Replays ──────────────────────────────────────────────────────────────────────────────────────


def stage_in_replay(folded: int) -> Condition:
    """Return a stage that is late and behind, because it replays 100 rows."""
    behind = with_state(ROUTING, applied=5, time=NOW - 7200 * SECOND)
    return amend(behind, replays=[Replay(name="cases/licheng", folded=folded, rows=100)])


def test_a_replay_is_a_note_and_explains_all_else() -> None:
    before, now = look(INTAKE, stage_in_replay(42)), look(INTAKE, stage_in_replay(43))
    for findings in (examine(now), examine(now, before)):
        assert sentences(findings) == "cases/licheng: replaying, 43 %"
        assert findings[0].note


def test_a_replay_that_does_not_advance_is_a_failure() -> None:
    now = look(INTAKE, stage_in_replay(43))
    (finding,) = examine(now, now)
    assert finding.sentence == "cases/licheng: replaying, 43 %, and it does not advance"
    assert not finding.note


def test_another_district_is_examined_during_a_replay() -> None:
    other = state(shard="huaiyin", time=NOW - 7200 * SECOND)
    intake = amend(INTAKE, shards=[*INTAKE.shards, state(shard="huaiyin", owner="")])
    stage = stage_in_replay(43)
    findings = examine(look(intake, amend(stage, shards=[*stage.shards, other])))
    assert "the time of cases/huaiyin does not advance" in sentences(findings)
    assert "the time of cases/licheng" not in sentences(findings)


@pytest.mark.parametrize(
    ("folded", "rows", "percent"), [(0, 0, 0), (0, 9, 0), (1, 3, 33), (998, 1000, 99), (9, 9, 99)]
)
def test_a_replay_that_goes_on_is_never_complete(folded: int, rows: int, percent: int) -> None:
    assert Replay(name="cases/licheng", folded=folded, rows=rows).percent == percent


# ── Time ─────────────────────────────────────────────────────────────────────────────────────────

LATE = round(LATE_SECONDS * SECOND)


def test_time_that_does_not_advance_is_found_just_past_the_edge() -> None:
    assert examine(look(with_state(INTAKE, owner="", time=NOW - LATE))) == []
    (finding,) = examine(look(with_state(INTAKE, owner="", time=NOW - LATE - 1)))
    assert "the time of intake/licheng does not advance" in finding.sentence
    assert "no deadline passes" in finding.sentence


def test_an_old_watermark_of_a_stage_is_found() -> None:
    (finding,) = examine(look(INTAKE, with_state(ROUTING, time=NOW - 7200 * SECOND)))
    assert "the time of cases/licheng does not advance" in finding.sentence
    assert "2 h behind the clock" in finding.sentence


def test_only_the_first_log_that_is_late_is_named() -> None:
    late = {"time": NOW - 3600 * SECOND}
    findings = examine(look(with_state(INTAKE, owner="", **late), with_state(ROUTING, **late)))
    assert [finding.check for finding in findings] == ["intake"]


def test_a_stage_that_catches_up_is_a_note() -> None:
    before = look(INTAKE, with_state(ROUTING, time=NOW - 90 * SECOND))
    (finding,) = examine(look(INTAKE, with_state(ROUTING, time=NOW - 60 * SECOND)), before)
    assert finding.note
    assert "catches up" in finding.sentence


def test_a_demo_whose_clock_is_faster_is_not_late() -> None:
    demo = amend(with_state(INTAKE, owner="", time=NOW - 60 * SECOND), speed=60.0)
    assert examine(look(demo)) == []


def test_a_district_whose_time_is_ahead_is_not_late() -> None:
    assert examine(look(with_state(INTAKE, owner="", time=NOW + LATE))) == []


# ── Rows ─────────────────────────────────────────────────────────────────────────────────────────


def test_inputs_that_wait_in_both_looks_are_found() -> None:
    now = look(INTAKE, with_state(ROUTING, applied=5))
    assert examine(now) == [], "a moment later they may be applied"
    (finding,) = examine(now, now)
    assert finding.sentence == "cases/licheng is 4 behind"
    assert not finding.note


def test_inputs_of_which_some_were_applied_meanwhile_are_a_note() -> None:
    before = look(INTAKE, with_state(ROUTING, applied=4))
    (finding,) = examine(look(INTAKE, with_state(ROUTING, applied=5)), before)
    assert finding.note


def test_what_healed_between_two_looks_is_no_finding() -> None:
    orphan = look(INTAKE, with_state(ROUTING, owner=""))
    healed = look(INTAKE, ROUTING)
    assert lasting_findings(examine(orphan), examine(healed)) == []
    assert lasting_findings(examine(healed), examine(orphan)) == [], "it may have just begun"
    assert len(lasting_findings(examine(orphan), examine(orphan))) == 1


@pytest.mark.parametrize(
    ("owners", "looks", "count"),
    [
        (["pod-1"], 1, 0),
        (["", "pod-2"], 2, 0),  # Another process took over.
        (["", ""], 2, 1),
        (["pod-1", "", ""], 1, 0),
        (["", "pod-2", ""], 2, 0),
    ],
)
async def test_doctor_looks_again_for_what_may_heal(
    owners: list[str], looks: int, count: int
) -> None:
    seen = iter(owners)
    used = []

    async def look_again() -> Look:
        used.append(next(seen))
        return look(INTAKE, with_state(ROUTING, owner=used[-1]))

    _, findings = await diagnose(look_again, pause_seconds=0)
    assert (len(used), len(findings)) == (looks, count)


async def test_a_stage_that_was_killed_between_two_looks_is_found_by_a_third() -> None:
    parked = ParkedCase(shard="licheng", position=7, subject="c", fault="KeyError", waiting=1)
    looks = iter(
        [
            look(INTAKE, with_state(ROUTING, applied=5)),
            look(INTAKE, amend(with_state(ROUTING, owner=""), parked=[parked])),
            look(INTAKE, with_state(ROUTING, owner="")),
        ]
    )

    async def look_again() -> Look:
        return next(looks)

    _, (finding,) = await diagnose(look_again, pause_seconds=0)
    assert "has no owner" in finding.sentence


def test_what_does_not_heal_is_a_finding_of_the_second_look_alone() -> None:
    halted = look(INTAKE, with_state(ROUTING, halted="a gap"))
    assert len(lasting_findings(examine(look(INTAKE, ROUTING)), examine(halted))) == 1


# ── Intake ───────────────────────────────────────────────────────────────────────────────────────


def district(**fields: object) -> DistrictState:
    values = {
        "code": "licheng", "position": 9, "time": NOW, "held_until": 0, "has_map": True,
        "decider": DECIDER_VERSION,
        "keys": ("k1",), **fields,
    }  # fmt: skip
    return DistrictState(**values)  # type: ignore[arg-type]


def test_a_district_that_is_decided_by_a_version_which_this_build_lacks_is_found() -> None:
    assert decider_findings(district()) == []
    assert decider_findings(district(decider=None)) == []
    (finding,) = decider_findings(district(decider="2027-02"))
    says = f"licheng is decided by 2027-02, and this build has {DECIDER_VERSION}: its stages halt"
    assert finding.sentence.startswith(says)
    assert not finding.note


def test_a_district_is_ahead_just_past_a_minute() -> None:
    assert time_findings(district(time=NOW + AHEAD_US_MAX), NOW) == []
    (finding,) = time_findings(district(time=NOW + AHEAD_US_MAX + 1), NOW)
    assert "ahead of the clock, which leapt: nothing is accepted" in finding.sentence
    assert "gridcall clock hold --district licheng" in finding.command
    assert not finding.note


def test_a_held_district_is_shown_until_the_clock_is_there() -> None:
    ahead = district(time=NOW + 3600 * SECOND, held_until=NOW + 3600 * SECOND)
    (finding,) = time_findings(ahead, NOW)
    assert finding.note
    assert "it goes on in 60 min" in finding.sentence
    assert time_findings(ahead, ahead.time) == []


def test_a_hold_is_for_one_leap() -> None:
    (finding,) = time_findings(
        district(time=NOW + 7200 * SECOND, held_until=NOW + 3600 * SECOND), NOW
    )
    assert not finding.note


def test_a_district_made_by_a_typing_error_is_found_with_the_one_that_was_meant() -> None:
    mistake = district(code="licehng", has_map=False, position=3, keys=("k2",))
    (finding,) = mistake_findings([district(), mistake], [])
    assert finding.sentence == (
        "licehng has no map, and 3 inputs: its issues are located nowhere; was licheng meant?"
    )
    assert "gridcall key revoke k2" in finding.command


def test_a_district_without_a_map_that_is_like_no_other_is_found_without_a_guess() -> None:
    (finding,) = mistake_findings([district(), district(code="huaiyin", has_map=False)], [])
    assert "meant" not in finding.sentence


def test_a_key_of_a_district_that_does_not_exist_is_found() -> None:
    (finding,) = mistake_findings([district()], [("k3", "lichen", "12345")])
    assert finding.sentence == (
        "key k3 of 12345 is for lichen, which does not exist; was licheng meant?"
    )
    assert finding.command == "gridcall key revoke k3"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "5 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 days")],
)
def test_a_length_of_time_has_its_largest_unit(seconds: int, text: str) -> None:
    assert duration(seconds * SECOND) == text


def test_a_stage_that_is_further_than_its_input_is_found() -> None:
    (finding,) = examine(look(INTAKE, with_state(ROUTING, applied=12)))
    assert "cases/licheng has applied 12 rows of intake, which now has 9" in finding.sentence
    assert "gridcall restore accept" in finding.command
