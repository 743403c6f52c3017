"""For any history: legal transitions only, a call for each missed deadline, equal batches."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from assessment.core.facts import Fact, Key, merge_into
from eventlog.codec import envelope, read_envelope
from eventlog.core.decider import REFERENCE
from eventlog.core.row import Row
from eventlog.core.stage import Stage
from events import catalogue as e
from tests.harness.histories import END, PIPELINE, drafts_of, histories, run

ROUTING, ESCALATION, _ = PIPELINE


@given(histories, st.booleans(), st.integers(0, 2**32))
def test_splitting_a_history_into_batches_changes_nothing(
    history: list[Any], strict: bool, seed: int
) -> None:
    drafts = drafts_of(history, strict=strict)
    assert run(drafts, random.Random(seed)) == run(drafts)


LEGAL: dict[type[Any], tuple[type[Any] | None, ...]] = {
    e.CaseReported: (None,),
    e.CaseRouted: (e.CaseReported, e.CaseQueued),
    e.CaseWithheld: (e.CaseReported, e.CaseQueued),
    e.CaseQueued: (e.CaseReported,),
    e.CaseVisited: (e.CaseRouted, e.CaseWithheld, e.CaseReopened),
    e.CaseResolved: (e.CaseVisited, e.ResolutionRejected),
    e.ResolutionRejected: (e.CaseResolved,),
    e.CaseVerified: (e.CaseResolved,),
    e.CaseClosed: (e.CaseVerified,),
    e.CaseReopened: (e.CaseClosed, e.CaseEndedAtSource),
}
ATTENDED = (e.CaseVisited, e.CaseResolved, e.ResolutionRejected, e.CaseVerified)
ENDINGS = (e.CaseClosed, e.CaseWithdrawn, e.CaseEndedAtSource)
SAYS_NOTHING = (
    e.ActionWaits, e.ActionExpired, e.InputDeclined, e.AcknowledgementPassedOn, e.AnswerPassedOn
)  # fmt: skip


@given(histories, st.booleans())
def test_no_illegal_transition_is_reachable(history: list[Any], strict: bool) -> None:
    last: dict[str, type[Any] | None] = defaultdict(lambda: None)
    for row in run(drafts_of(history, strict=strict)):
        if row.log != "cases" or row.subject == REFERENCE or isinstance(row.event, SAYS_NOTHING):
            continue
        assert not isinstance(row.event, e.CaseParked)
        before, kind = last[row.subject], type(row.event)
        if kind is e.CaseReassigned:
            assert before is not None
            assert before not in ENDINGS
            if not row.event.queued or before in ATTENDED:
                continue  # Its stage stays.
            kind = e.CaseQueued
        elif kind in LEGAL:
            assert before in LEGAL[kind], f"{kind} after {before}"
        else:
            assert kind in (e.CaseWithdrawn, e.CaseEndedAtSource)
            assert before is not None
            assert before not in ENDINGS
        last[row.subject] = kind


@given(histories, st.booleans())
def test_every_input_has_its_outcome(history: list[Any], strict: bool) -> None:
    drafts = drafts_of(history, strict=strict)
    rows = [row for row in run(drafts) if row.log == "cases"]
    answered = {int(row.cause.rpartition("/")[2]) for row in rows}
    assert answered == set(range(1, len(drafts) + 1))
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    assert [row.time for row in rows] == sorted(row.time for row in rows)
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in sequences(rows).values())


@given(histories, st.booleans())
def test_a_report_has_two_rows_and_each_other_input_one_though_it_had_to_wait(
    history: list[Any], strict: bool
) -> None:
    drafts = drafts_of(history, strict=strict)
    rows = [row for row in run(drafts) if row.log == "cases" and row.subject != REFERENCE]
    waits = {row.cause: row for row in rows if isinstance(row.event, e.ActionWaits)}
    expired = {row.event.input: row for row in rows if isinstance(row.event, e.ActionExpired)}
    assert all(row.cause.startswith("clock/") for row in expired.values())
    outcomes: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row not in waits.values() and row not in expired.values():
            outcomes[row.cause].append(row)
    for cause, of_one in outcomes.items():
        assert len(of_one) == (2 if isinstance(of_one[0].event, e.CaseReported) else 1)
        assert of_one[0].is_late == (cause in waits)
    assert not outcomes.keys() & expired.keys()


@given(histories, st.booleans())
def test_an_early_action_is_decided_by_its_instant_or_expires_at_it_or_still_waits(
    history: list[Any], strict: bool
) -> None:
    rows = [row for row in run(drafts_of(history, strict=strict)) if row.log == "cases"]
    expired = {row.event.input: row for row in rows if isinstance(row.event, e.ActionExpired)}
    late = {row.cause: row for row in rows if row.is_late}
    reported = {row.subject for row in rows if isinstance(row.event, e.CaseReported)}
    for row in rows:
        if not isinstance(row.event, e.ActionWaits):
            continue
        if row.cause in expired:
            assert expired[row.cause].time == row.event.expires
        elif row.cause in late:
            assert row.event.expires is None or late[row.cause].time <= row.event.expires
        else:
            assert row.subject not in reported
            assert row.event.expires is None or row.event.expires >= END


def sequences(rows: list[Row]) -> dict[str, list[int]]:
    of: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        of[row.subject].append(row.sequence)
    return of


@given(histories, st.booleans())
def test_a_call_exists_exactly_where_a_deadline_was_missed_or_a_street_was_silent(
    history: list[Any], strict: bool
) -> None:
    everything = run(drafts_of(history, strict=strict))
    decision = {row.position: row.input for row in everything if row.log == "cases"}
    rows = [row for row in everything if row.log == "calls"]
    open_calls: dict[str, e.CallRaised] = {}
    running: dict[str, tuple[int, int]] = {}
    caused: Counter[str] = Counter()
    for row in rows:
        event = row.event
        assert not isinstance(event, e.CaseParked)
        match event:
            case e.ClockStarted():
                running[event.case] = (event.due, decision[row.input])
            case e.ClockStopped():
                due, began = running.pop(event.case, (END, 0))
                assert (
                    due >= row.time or began == decision[row.input]
                )  # In time, or in the decision that started it.
            case e.DeadlineMissed():
                assert running.pop(event.case)[0] == event.due < END
                assert row.time >= event.due
                caused[row.cause] += 1
            case e.CallRaised():
                same_level = [
                    call
                    for call in open_calls.values()
                    if (call.case, call.to_level) == (event.case, event.to_level)
                ]
                assert same_level == []
                if event.because == "silence":
                    silent = [
                        call
                        for call in open_calls.values()
                        if call.case == event.case and call.to_level == "street"
                    ]
                    assert [call.answer_due for call in silent] == [row.time]
                else:
                    assert caused[row.cause] == 1
                open_calls[event.call] = event
            case e.CallAnswered() | e.CallWithdrawn():
                del open_calls[event.call]
    assert all(due >= END for due, _ in running.values())
    assert all(count == 1 for count in caused.values())
    missed = sum(isinstance(row.event, e.DeadlineMissed) for row in rows)
    by_deadline = sum(
        isinstance(row.event, e.CallRaised) and row.event.because == "deadline" for row in rows
    )
    assert missed == by_deadline
    still_silent = [
        call
        for call in open_calls.values()
        if call.to_level == "street" and (call.answer_due or END) < END
    ]
    silences = {
        row.event.case
        for row in rows
        if isinstance(row.event, e.CallRaised) and row.event.because == "silence"
    }
    assert all(call.case in silences for call in still_silent)


def memory_of(stage: Stage[Any, Any]) -> dict[str, Any]:
    """Return what a stage knows of each aggregate that has rows."""
    return {
        name: (each.state, each.sequence, each.keys, each.deferred)
        for name, each in stage.aggregates.by_name.items()
        if each.sequence
    }


@given(histories, st.booleans(), st.randoms(use_true_random=False))
def test_a_stage_that_recalls_its_own_rows_goes_on_as_if_nothing_had_happened(
    history: list[Any], strict: bool, chance: random.Random
) -> None:
    rows = run(drafts_of(history, strict=strict))
    inputs = [row for row in rows if row.log == "cases"]
    live = ESCALATION.make("city")
    done = live.apply(inputs[: chance.randint(0, len(inputs))])
    replayed = ESCALATION.make("city")
    replayed.replay([read_envelope(envelope(row)) for row in done])
    assert memory_of(replayed) == memory_of(live)
    assert replayed.reference == live.reference
    left = inputs[live.input :]
    replayed.input = live.input  # Inputs that it had nothing to say about.
    assert replayed.apply(left) + replayed.advance_time(END) == live.apply(
        left
    ) + live.advance_time(END)


@given(histories, st.booleans())
def test_routings_state_is_the_fold_of_its_own_published_rows(
    history: list[Any], strict: bool
) -> None:
    rows = [row for row in run(drafts_of(history, strict=strict)) if row.log == "cases"]
    one, other = ROUTING.make("city"), ROUTING.make("city")
    one.replay(rows)
    other.replay([read_envelope(envelope(row)) for row in rows])
    assert memory_of(one) == memory_of(other)
    assert one.reference == other.reference


@given(histories, st.randoms(use_true_random=False))
def test_facts_merged_in_any_order_are_equal(history: list[Any], chance: random.Random) -> None:
    rows = run(drafts_of(history, strict=False))
    expected: dict[Key, Fact] = {}
    merge_into(expected, rows)
    chance.shuffle(rows)
    shuffled: dict[Key, Fact] = {}
    merge_into(shuffled, rows)
    assert shuffled == expected
