"""`gridcall demo`: what gridcall does, told in three minutes. Every command is run as it is printed, every answer is checked.

One blocked fire lane goes all the way: posted twice, routed, missed by everybody, called for, answered, solved, counted; then
the process is killed, and nothing is lost.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from io import BufferedReader
from typing import Any
from zoneinfo import ZoneInfo

from events.instants import EPOCH, MICROSECOND, instant
from events.registry import short_type
from gridcall.demo.licheng.grid_map import grid_boxes, to_degrees
from gridcall.demo.licheng.names import STREETS_IN_ENGLISH, grid_names
from gridcall.demo.licheng.units import CODE, ZONE, streets
from gridcall.demo.presenter import Presenter
from gridcall.demo.sandbox import Sandbox, StepFailed, open_sandbox

# How much faster than ours time runs: while one reads, while one waits (an hour in 15 s), and in a hurry.
READING, WAITING, HURRY = 10, 240, 1200
REFERENCE = "story-1"
BURST, KILLED_AFTER = 30, 8
PATIENCE_SECONDS = 20
CURL = 'curl -s{more} "$DOOR{path}" -H "Authorization: Bearer ${key}"'
GO_ON = " \\\n    "


def present(telling: Presenter, waiting: float) -> None:
    """All of it. `waiting` is how fast time runs where one waits for a deadline."""
    telling.say("begins")
    with open_sandbox(READING) as place:
        story = Story(place, telling, waiting)
        for step in STEPS:
            telling.begin(step.__name__)
            step(story)
    telling.end()


# ── What is typed, and what comes back ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the door."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class Seen:
    """An event as `gridcall tail` or a log over HTTP shows it."""

    position: int
    at: datetime
    word: str
    data: dict[str, Any]

    def __str__(self) -> str:
        kept = json.dumps(shortened(self.data), ensure_ascii=False).replace('"…": "…"', "…")
        return f"{self.position:>4}  {self.at.astimezone(ZoneInfo(ZONE)):%H:%M:%S}  {self.word:17}  {kept}"


WORTH_TELLING = frozenset(
    {
        "status", "reference", "id", "tracking", "position", "time", "outcome", "declined", "because", "events", "type",
        "detail", "title", "category", "urgency", "matter", "holder", "level", "grid", "worker", "located_by", "from_level",
        "to_level", "receiver", "unit", "officer", "rule", "by", "root_cause",
    }
)  # fmt: skip


def shortened(value: Any) -> Any:
    """The fields that are told; an ellipsis for the others, and for the rest of a long id."""
    match value:
        case dict():
            kept = {
                name: shortened(inner)
                for name, inner in value.items()
                if name in WORTH_TELLING and inner is not None
            }
            return kept if len(kept) == len(value) else {**kept, "…": "…"}
        case list():
            return [shortened(inner) for inner in value]
        case str() if re.fullmatch("[0-9a-f]{32}", value):
            return value[:8] + "…"
    return value


def curl(path: str, key: str, body: Mapping[str, Any] | None = None, *, wait: int = 0) -> str:
    """The command that a person would type."""
    parts = [CURL.format(more="i" if body else "", path=path, key=key)]
    if body:
        parts.append(
            "-H 'Content-Type: application/json'" + (f" -H 'Prefer: wait={wait}'" if wait else "")
        )
        parts.append(f"-d '{json.dumps(body)}'")
    return GO_ON.join(parts)


def answer_in(said: str) -> Answer:
    """What `curl -i` printed."""
    head, _, body = said.partition("\r\n\r\n")
    try:
        return Answer(int(head.split()[1]), json.loads(body))
    except (IndexError, ValueError):
        raise StepFailed(f"the door's answer cannot be read: {said[:200]!r}") from None


TAILED = re.compile(r"^ *(\d+)  (\S+) +(\S+) +\S+ +(\{.*\})$", re.MULTILINE)


def seen_in_tail(said: str) -> list[Seen]:
    """The lines of `gridcall tail`."""
    return [
        Seen(int(position), datetime.fromisoformat(at), word, json.loads(data))
        for position, at, word, data in TAILED.findall(said)
    ]


def seen_in_log(said: str) -> list[Seen]:
    """The lines of a log over HTTP."""
    events = map(json.loads, said.splitlines())
    return [
        Seen(
            event["position"],
            datetime.fromisoformat(event["time"]),
            short_type(event["type"]),
            event["data"],
        )
        for event in events
    ]


def expect(holds: object, otherwise: str) -> None:
    """Raises StepFailed where it does not hold."""
    if not holds:
        raise StepFailed(otherwise)


def the(word: str, events: Sequence[Seen]) -> Seen:
    """The first event of a kind. Raises StepFailed where there is none."""
    found = next((event for event in events if event.word == word), None)
    if found is None:
        raise StepFailed(
            f"no {word} among {', '.join(event.word for event in events) or 'no events'}"
        )
    return found


def local(us: int) -> str:
    """An instant as a clock on a wall of the district shows it."""
    return f"{(EPOCH + us * MICROSECOND).astimezone(ZoneInfo(ZONE)):%H:%M}"


# ── The place of it ──────────────────────────────────────────────────────────────────────────────────────────────────


def a_school() -> tuple[str, str]:
    """The first dedicated grid that is a school: its code and its name."""
    return next((code, name) for code, name in grid_names() if "学校" in name)


def middle_of(grid: str) -> dict[str, float]:
    """A point in the middle of a grid."""
    x, y, width, height = grid_boxes()[grid]
    lon, lat = to_degrees(x + width // 2, y + height // 2)
    return {"lat": lat, "lon": lon}


def street_of(grid: str, lang: str) -> str:
    """The name of a grid's street, in a language."""
    name = next(street.name for street in streets() if street.code == grid[:9])
    return name if lang == "zh" else f"{STREETS_IN_ENGLISH[name]} Street"


# ── The story ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Story:
    """Where it is told, and what was learnt on the way."""

    house: Sandbox
    telling: Presenter
    waiting: float
    grid: str = field(default_factory=lambda: a_school()[0])
    first: dict[str, Any] = field(default_factory=dict)
    due: int = 0
    position: int = 0
    ahead: list[Seen] = field(default_factory=list)
    calls: list[Seen] = field(default_factory=list)
    actions: int = 0

    @property
    def worker(self) -> str:
        return f"w-{self.grid}"

    @property
    def issue(self) -> dict[str, Any]:
        """What the hotline reports."""
        place = {"point": middle_of(self.grid)}
        return {"reference": REFERENCE, "category": "fire_lane", "urgency": "life", "place": place}

    def typed(self, command: str, meanwhile: Callable[[], None] = lambda: None) -> str:
        """Print a command, run it, give what it said."""
        self.telling.command(command)
        return self.house.run(command, meanwhile)

    def post(self, body: Mapping[str, Any], *, wait: int = 0) -> Answer:
        """Post an issue to the hotline, and show the answer."""
        answer = answer_in(self.typed(curl("/issues/hotline", "KEY", body, wait=wait)))
        self.telling.output(f"{answer.status}  {json_of(answer.body)}")
        return answer

    def act(self, kind: str, **said: Any) -> dict[str, Any]:
        """What somebody did about the case; its outcome."""
        self.actions += 1
        about = {"id": self.first["id"]}
        body = {"reference": f"act-{self.actions}", "type": kind, "issue": about, **said}
        answer = answer_in(self.typed(curl("/actions", "PEOPLE", body, wait=5)))
        outcome = answer.body.get("outcome")
        expect(
            answer.status == 200 and outcome,
            f"{kind} was answered {answer.status} without an outcome: {answer.body}",
        )
        self.telling.output(f"{answer.status}  {json_of(outcome)}")
        return dict(outcome)

    def done(self, kind: str, leads_to: str, **said: Any) -> None:
        """Somebody did something, and it had an effect."""
        outcome = self.act(kind, **said)
        words = [short_type(event["type"]) for event in outcome["events"]]
        expect(
            words == [leads_to],
            f"{kind} led to {', '.join(words)}, not to {leads_to}: {outcome['because']}",
        )

    def await_call(self, to_level: str, due: int) -> list[Seen]:
        """Ask escalation's log until it has the call to a level; what came until then. What came after it is kept."""
        command = self.polling()
        self.telling.command(command)
        until = time.monotonic() + self.house.seconds_until(due) + PATIENCE_SECONDS
        while not (calls := [event for event in self.ahead if is_call(event, to_level)]):
            expect(
                time.monotonic() < until,
                f"the limit of {local(due)} has passed, and nobody called the {to_level}",
            )
            self.ahead += seen_in_log(
                self.house.run(
                    self.polling(), lambda: self.telling.waits(self.house.seconds_until(due))
                )
            )
        upto = self.ahead.index(calls[0]) + 1
        found, self.ahead = self.ahead[:upto], self.ahead[upto:]
        self.position = found[-1].position
        self.telling.waited()
        self.telling.output(*map(str, found))
        return found

    def polling(self) -> str:
        """The command that asks for the next call events, and waits for them."""
        after = self.ahead[-1].position if self.ahead else self.position
        return curl(f"/escalation/log/{CODE}?after={after}&wait=30", "READER")


def is_call(event: Seen, to_level: str) -> bool:
    """Whether an event is a call to a level."""
    return event.word == "call-raised" and event.data["to_level"] == to_level


def json_of(value: Any) -> str:
    """Shortened JSON, as it is shown."""
    return json.dumps(shortened(value), ensure_ascii=False).replace('"…": "…"', "…")


def post(story: Story) -> None:
    """A post with `Prefer: wait` is answered by what became of it."""
    answer = story.post(story.issue, wait=5)
    story.first = answer.body
    outcome = answer.body.get("outcome") or {}
    words = [short_type(event["type"]) for event in outcome.get("events", [])]
    expect(
        answer.status == 200 and words == ["case-reported", "case-routed"],
        f"the post led to {words or answer.body}",
    )
    story.telling.result(position=answer.body["position"])


def repeat(story: Story) -> None:
    """The same again is the first answer; other content under the same reference is refused."""
    again = story.post(story.issue)
    changed = [
        name
        for name in ("id", "tracking", "position", "time")
        if again.body.get(name) != story.first[name]
    ]
    expect(
        again.status == 200 and not changed,
        f"the second answer ({again.status}) differs in {', '.join(changed)}",
    )
    other = story.post({**story.issue, "category": "noise"})
    expect(
        other.status == 409,
        f"other content under the same reference was answered {other.status}, not 409",
    )
    story.telling.result()


def follow(story: Story) -> None:
    """Where it went, why here, and until when."""
    case = story.first["id"]
    cases = seen_in_tail(story.typed(f"gridcall tail cases --no-follow --after 0 --subject {case}"))
    story.telling.output(*map(str, cases))
    routed = the("case-routed", cases).data
    expect(
        routed["holder"]["grid"] == story.grid,
        f"it went to {routed['holder']['grid']}, not to {story.grid}",
    )
    expect(
        routed["holder"]["worker"] == story.worker,
        f"{routed['holder']['worker']} has it, not {story.worker}",
    )
    calls = seen_in_tail(story.typed(f"gridcall tail calls --no-follow --after 0 --subject {case}"))
    story.telling.output(*map(str, calls))
    clock = the("clock-started", calls)
    story.due, story.position = clock.data["due"], clock.position
    street = street_of(story.grid, story.telling.lang)
    facts = {
        "grid": story.grid,
        "called": a_school()[1],
        "street": street,
        "rule": clock.data["rule"],
    }
    story.telling.result(worker=story.worker, due=local(story.due), **facts)


def climb(story: Story) -> None:
    """A missed deadline calls the street; a silent street calls the district."""
    story.house.set_speed(story.waiting)
    to_street = story.await_call("street", story.due)
    missed, street = the("deadline-missed", to_street), the("call-raised", to_street)
    expect(
        instant(missed.at) == story.due,
        f"the miss is dated {missed.at}, and was due {local(story.due)}",
    )
    answer_due = street.data["answer_due"]
    story.telling.result("street", officer=street.data["receiver"]["officer"], by=local(answer_due))
    to_district = story.await_call("district", answer_due)
    district = the("call-raised", to_district)
    expect(
        district.data["because"] == "silence",
        f"the district was called because of {district.data['because']}",
    )
    story.calls = [street, district]
    story.house.set_speed(READING)
    story.telling.result("district", officer=district.data["receiver"]["officer"])


def answer(story: Story) -> None:
    """A call ends by an answer only."""
    call, officer = (story.calls[0].data[name] for name in ("call", "receiver"))
    story.done("acknowledgement_given", "call-acknowledged", call=call, by=officer["officer"])
    story.done("answer_given", "call-answered", call=call, by=officer["officer"])
    story.telling.result()


def solve(story: Story) -> None:
    """Visited, resolved, verified by somebody else, closed."""
    story.done("visit_made", "case-visited", by=story.worker)
    story.done("resolution_claimed", "case-resolved", by=story.worker, root_cause="parked_cars")
    refused = story.act("resolution_checked", by=story.worker, holds=True)
    expect(refused["declined"], "whoever resolved the case could verify it")
    story.done("resolution_checked", "case-verified", by=f"{story.grid[:9]}-verifier", holds=True)
    story.done("closing_asked", "case-closed", by=story.worker)
    calls = seen_in_tail(story.typed(f"gridcall tail calls --no-follow --after {story.position}"))
    story.telling.output(*map(str, calls))
    withdrawn = the("call-withdrawn", calls).data["call"]
    expect(
        withdrawn == story.calls[1].data["call"],
        f"call {withdrawn} was withdrawn, not the district's",
    )
    story.telling.result(because=refused["because"])


FIGURES = {
    "reported": 1,
    "ended": 1,
    "due": 1,
    "in_time": 0,
    "missed": 1,
    "calls_raised": 2,
    "calls_answered": 1,
}


def count(story: Story) -> None:
    """The figures of the gridworker, and the events of each."""
    command = f"gridcall sheet {story.worker}"
    story.telling.command(command)
    until = time.monotonic() + PATIENCE_SECONDS
    while (
        figures_in(said := story.house.run(command)) != FIGURES
    ):  # Time has to pass the last event before it counts.
        expect(
            time.monotonic() < until, f"the sheet has {figures_in(said)}, and should have {FIGURES}"
        )
    story.telling.output(*said.splitlines())
    missed = re.search(r"^missed .*calls/(\d+)$", said, re.MULTILINE)
    expect(missed, "the figure `missed` names no event")
    story.telling.result()


def figures_in(sheet: str) -> dict[str, int]:
    """The figures of a printed sheet; where it has several months, their sums."""
    found = dict.fromkeys(FIGURES, 0)
    for name, figure in re.findall(r"^(\w+) +(\d+)\b", sheet, re.MULTILINE):
        if name in found:
            found[name] += int(figure)
    return found


def crash(story: Story) -> None:
    """Killed while it is being posted to. What was answered is there; what was not is posted again."""
    burst, kill = burst_command(), f"kill -9 {story.house.pid}"
    before = killed_meanwhile(story, burst, kill)
    story.telling.command("gridcall up &")
    story.house.kill()  # It is dead; only its end was not waited for yet.
    story.house.start()
    after = story.typed(burst).split()
    story.telling.output(" ".join(after))
    known, new = after.count("200"), after.count("202")
    expect(
        known >= before.count("202") and known + new == BURST,
        f"of {BURST} posts {known} were known and {new} new",
    )
    count_command = curl(f"/log/{CODE}", "READER") + ' | grep -c \'"reference":"burst-\''
    stored = int(story.typed(count_command))
    story.telling.output(str(stored))
    expect(stored == BURST, f"intake's log has {stored} of the {BURST} issues")
    again = story.post(story.issue)
    expect(
        again.body.get("tracking") == story.first["tracking"],
        "the first issue has another tracking code now",
    )
    story.telling.result(answered=before.count("202"), known=known, new=new)


def burst_command() -> str:
    """Thirty issues, one after the other."""
    body = json.dumps(
        {"reference": "burst-'$n'", "category": "noise", "place": {"street": streets()[1].code}}
    )
    post = CURL.format(more=" -o /dev/null -w '%{http_code} '", path="/issues/hotline", key="KEY")
    parts = [
        f"for n in $(seq {BURST}); do {post}",
        "-H 'Content-Type: application/json'",
        f"-d '{body}'; done; true",
    ]
    return GO_ON.join(parts)


def killed_meanwhile(story: Story, burst: str, kill: str) -> list[str]:
    """The statuses of a burst in the middle of which the process is killed."""
    story.telling.command(burst)
    said = b""
    with story.house.start_command(burst) as process:
        assert isinstance(process.stdout, BufferedReader)
        while said.count(b" ") < KILLED_AFTER and (more := process.stdout.read1()):
            said += more
        story.house.run(kill)
        rest = process.stdout.read()
    story.telling.output(f"{said.decode()}...")
    story.telling.command(kill)
    story.telling.output(f"... {rest.decode()}")
    statuses = (said + rest).decode().split()
    expect(
        "202" in statuses and "000" in statuses,
        f"the process was not killed in the middle: {' '.join(statuses)}",
    )
    return statuses


def verify(story: Story) -> None:
    """The inputs, folded again, are what the services wrote."""
    until = time.monotonic() + PATIENCE_SECONDS
    while any(
        shard["lag"] for shard in json.loads(story.house.run("gridcall status --json"))["shards"]
    ):
        expect(
            time.monotonic() < until,
            "a stage is behind its input after the restart; gridcall status says which",
        )
    said = story.typed("gridcall verify")
    story.telling.output(said.strip())
    expect("are equal" in said, f"the fold differs: {said}")
    story.telling.result()


STEPS = (post, repeat, follow, climb, answer, solve, count, crash, verify)
