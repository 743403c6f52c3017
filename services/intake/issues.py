"""Issues and actions as lines send them: the bytes of an item become a checked model, and a model becomes its event.

These models are the contract: what they do not name is refused. An error says where something is wrong and what would be
right; of what was sent it repeats at most the name of a field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache, reduce
from itertools import groupby
from typing import Annotated, Any, Literal, get_args
from unicodedata import combining, is_normalized, normalize

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    TypeAdapter,
    ValidationError,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails
from pydantic_core.core_schema import chain_schema, no_info_plain_validator_function, str_schema

from eventlog.codec import encoder, sorted_struct
from events.catalogue import (
    AcknowledgementGiven,
    Action,
    AnswerGiven,
    ClosingAsked,
    IssueReported,
    IssueWithdrawn,
    Line,
    PlaceNamed,
    ReopeningAsked,
    ResolutionChecked,
    ResolutionClaimed,
    VisitMade,
)
from events.instants import RFC_3339, Instant, instant_of
from events.registry import TYPE_OF
from httpedge.problems import ERRORS_MAX, FieldError, Problem, child_pointer, invalid
from httpedge.strict_json import ITEM_BYTES_MAX, check_strict
from intake.core.identity import action_id, issue_id
from intake.core.submission import Item, written
from intake.ordinary import SMALL_BYTES, Issue, claims_of, ordinary

# ── Kinds of text ────────────────────────────────────────────────────────────────────────────────────────────────────

PRINTABLE = r"^\P{Cc}*$"
UNBROKEN = r"^[^/\s\p{Cc}]*$"  # It stands in ids and addresses.
WORD = r"^[a-z0-9_]{1,64}$"
ID = r"^[0-9a-f]{32}$"
# The same for JSON Schema, which knows no \p: PRINTABLE with something in it, and UNBROKEN.
SHOWN = (
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
    r"[^\u0000-\u001f\u007f-\u009f]*$"
)
SHOWN_UNBROKEN = (
    r"^[^/\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$"
)
IN_SCHEMA = {PRINTABLE: SHOWN, UNBROKEN: SHOWN_UNBROKEN}

ACCENTS = 30  # In a row, as Unicode's stream-safe text has them. To sort 30,000 of them takes normalising seconds.


@dataclass(frozen=True)
class Chars:
    """Marks a text that is kept in NFC, trimmed, and then has 1 to `most` characters; as it came it fits `pattern`."""

    most: int
    pattern: str = PRINTABLE

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        came = str_schema(strict=True, pattern=self.pattern)
        kept = str_schema(strip_whitespace=True, min_length=1, max_length=self.most)
        return chain_schema([came, no_info_plain_validator_function(nfc), kept])

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {
            "type": "string",
            "minLength": 1,
            "maxLength": self.most,
            "pattern": IN_SCHEMA[self.pattern],
        }


def nfc(text: str) -> str:
    """A text in NFC. Raises ValueError where more than ACCENTS stand in a row."""
    if is_normalized("NFC", text):
        return text
    runs = (len(list(run)) for accents, run in groupby(text, is_accent) if accents)
    if max(runs, default=0) > ACCENTS:
        raise ValueError(f"has more than {ACCENTS} accents in a row: take them out")
    return normalize("NFC", text)


def is_accent(char: str) -> bool:
    """Whether normalising may have to sort a character: it combines, or it is one of the three that come apart into such."""
    return combining(char) > 0 or char in "\u0f73\u0f75\u0f81"


class Rfc3339:
    """Marks an instant that is written as a time of RFC 3339."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return chain_schema([str_schema(strict=True), no_info_plain_validator_function(instant_of)])

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "format": "date-time", "pattern": RFC_3339}


Text = Annotated[str, Chars(200)]
Code = Annotated[str, Chars(64)]
DistrictCode = Annotated[str, Chars(64, UNBROKEN)]
CallId = Annotated[str, Chars(80)]
Word = Annotated[str, Field(pattern=WORD)]
IssueId = Annotated[str, Field(pattern=ID)]
Due = Annotated[Instant, Rfc3339()]


class Strict(BaseModel):
    """An object of the contract: its fields are all that there are. null says the same as leaving an optional field out."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )


# ── An issue ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class PointIn(Strict):
    """A point in degrees of WGS 84."""

    lat: Annotated[float, Field(ge=-90, le=90)]
    lon: Annotated[float, Field(ge=-180, le=180)]
    crs: Literal["WGS84"] = "WGS84"


class PlaceIn(Strict):
    """What a line knows of the place: a point, the code of a grid, the code of a street, or several of them."""

    point: PointIn | None = None
    grid: Code | None = None
    street: Code | None = None


class IssueIn(Strict):
    """An issue; `reference` is the line's own name for it, `due` the deadline that the line promised."""

    reference: Text
    category: Text
    urgency: Literal["normal", "urgent", "life"] = "normal"
    due: Due | None = None
    place: PlaceIn | None = None
    district: DistrictCode | None = None

    def kept(self) -> Issue:
        """What is kept of it."""
        claims = (
            claims_of(self.place.point, self.place.grid, self.place.street) if self.place else ()
        )
        return Issue(self.reference, self.category, self.urgency, self.due, claims, self.district)


Reported: Any = sorted_struct(IssueReported)
REPORTED = TYPE_OF[IssueReported].name


def issue_item(issue: Issue, district: str, source: str, line: str) -> Item:
    """The event of an issue that a source sends through a line of a district, as the door takes it."""
    name = issue_id(district, source, line, issue.reference)
    event = Reported(
        category=issue.category,
        claims=issue.claims,
        due=issue.due,
        issue=name,
        line=line,
        reference=issue.reference,
        rules=() if issue.due is not None else ("no_due",),
        source=source,
        urgency=issue.urgency,
    )
    return written(name, REPORTED, encoder.encode(event))


# ── An action ────────────────────────────────────────────────────────────────────────────────────────────────────────

BY_ID, BY_LINE = "issue by id", "issue by line"


class IssueById(Strict):
    """The issue that an action is about, by the id that the door gave it."""

    id: IssueId

    def resolved(self, district: str, source: str) -> str:
        """The id of the issue."""
        return self.id


class IssueByLine(Strict):
    """The issue that an action is about, by its line and by the line's own reference."""

    line: Line
    reference: Text

    def resolved(self, district: str, source: str) -> str:
        """The id of the issue, if the same source sent it."""
        return issue_id(district, source, self.line, self.reference)


def way_to_name(issue: Any) -> str:
    """By which of the two an issue is named."""
    return (
        BY_ID
        if isinstance(issue, IssueById) or (isinstance(issue, dict) and "id" in issue)
        else BY_LINE
    )


IssueNamed = Annotated[
    Annotated[IssueById, Tag(BY_ID)] | Annotated[IssueByLine, Tag(BY_LINE)],
    Discriminator(way_to_name),
]


class ActionItem(Strict):
    """What every action has; `reference` is the sender's own name for it."""

    reference: Text
    issue: IssueNamed
    district: DistrictCode | None = None

    def event(self, action: str, issue: str) -> Action:
        """Its event, given its own id and the id of its issue."""
        raise NotImplementedError


class ActionBy(ActionItem):
    """An action of a person: `by` is the code of a worker or an officer."""

    by: Code


class PlaceNamedIn(ActionBy):
    """A dispatcher says where an issue lies that could not be located."""

    type: Literal["place_named"]
    grid: Code

    def event(self, action: str, issue: str) -> Action:
        return PlaceNamed(action=action, issue=issue, by=self.by, grid=self.grid)


class VisitMadeIn(ActionBy):
    """Somebody went there."""

    type: Literal["visit_made"]

    def event(self, action: str, issue: str) -> Action:
        return VisitMade(action=action, issue=issue, by=self.by)


class ResolutionClaimedIn(ActionBy):
    """Somebody says that the matter is solved."""

    type: Literal["resolution_claimed"]
    root_cause: Word

    def event(self, action: str, issue: str) -> Action:
        return ResolutionClaimed(action=action, issue=issue, by=self.by, root_cause=self.root_cause)


class ResolutionCheckedIn(ActionBy):
    """Somebody looked whether a claimed resolution holds."""

    type: Literal["resolution_checked"]
    holds: bool

    def event(self, action: str, issue: str) -> Action:
        return ResolutionChecked(action=action, issue=issue, by=self.by, holds=self.holds)


class ClosingAskedIn(ActionBy):
    """Somebody asks to close the case."""

    type: Literal["closing_asked"]

    def event(self, action: str, issue: str) -> Action:
        return ClosingAsked(action=action, issue=issue, by=self.by)


class ReopeningAskedIn(ActionItem):
    """The matter flared up again, or its reporter was not satisfied."""

    type: Literal["reopening_asked"]
    because: Literal["recurrence", "unsatisfied"]

    def event(self, action: str, issue: str) -> Action:
        return ReopeningAsked(action=action, issue=issue, because=self.because)


class IssueWithdrawnIn(ActionItem):
    """The line takes its issue back; `because` is a code."""

    type: Literal["issue_withdrawn"]
    because: Word

    def event(self, action: str, issue: str) -> Action:
        return IssueWithdrawn(action=action, issue=issue, because=self.because)


class AcknowledgementGivenIn(ActionBy):
    """The receiver of a call says that it was heard."""

    type: Literal["acknowledgement_given"]
    call: CallId

    def event(self, action: str, issue: str) -> Action:
        return AcknowledgementGiven(action=action, issue=issue, call=self.call, by=self.by)


class AnswerGivenIn(ActionBy):
    """The receiver of a call answers it."""

    type: Literal["answer_given"]
    call: CallId

    def event(self, action: str, issue: str) -> Action:
        return AnswerGiven(action=action, issue=issue, call=self.call, by=self.by)


ActionIn = Annotated[
    PlaceNamedIn
    | VisitMadeIn
    | ResolutionClaimedIn
    | ResolutionCheckedIn
    | ClosingAskedIn
    | ReopeningAskedIn
    | IssueWithdrawnIn
    | AcknowledgementGivenIn
    | AnswerGivenIn,
    Field(discriminator="type"),
]


def action_event(action: ActionIn, district: str, source: str) -> Action:
    """The event of an action that a source sends to a district."""
    return action.event(
        action_id(district, source, action.reference), action.issue.resolved(district, source)
    )


# ── Reading them ─────────────────────────────────────────────────────────────────────────────────────────────────────

PARTS = 5_000  # Members and containers of an item. The largest has some 20; to say what is wrong with 60,000 takes 0.1 s.
ISSUE: TypeAdapter[IssueIn] = TypeAdapter(IssueIn)
ACTION: TypeAdapter[ActionIn] = TypeAdapter(ActionIn)
read_issue = (
    ISSUE.validator.validate_json
)  # What the adapter's own method calls; that one costs a tenth more.
read_action = ACTION.validator.validate_json
REFERENCE: TypeAdapter[str] = TypeAdapter(Text)


def reference_of(text: str) -> str | None:
    """A reference as it is kept; None where there can be none like it."""
    try:
        return REFERENCE.validate_python(text)
    except ValidationError:
        return None


def check_parts(item: bytes) -> None:
    """Raises Problem 422 for an item of crumbs, before anybody looks at each."""
    if (
        SMALL_BYTES < len(item) <= ITEM_BYTES_MAX
        and item.count(b",") + item.count(b"{") + item.count(b"[") > PARTS
    ):
        raise invalid(
            f"The item has more than {PARTS:,} parts, which no issue or action has: see what it may have."
        )


def issue_of(item: bytes) -> Issue:
    """The issue that an item is. Raises Problem 422 (413 for its size) with everything that is wrong."""
    return ordinary(item) or examined(item)


def examined(item: bytes) -> Issue:
    """The same of any item, in some ten times the time: it finds everything that is wrong."""
    check_parts(item)
    check_strict(item, "issue or action")
    try:
        issue: IssueIn = read_issue(item)
    except ValidationError as error:
        problem = problem_of("issue", error)
    else:
        return issue.kept()
    raise problem  # Outside of `except`, or it would carry the input along.


def action_of(item: bytes) -> ActionIn:
    """The action that an item is. Raises Problem 422 (413 for its size) with everything that is wrong."""
    check_parts(item)
    check_strict(item, "issue or action")
    try:
        action: ActionIn = read_action(item)
    except ValidationError as error:
        problem = problem_of("action", error)
    else:
        return action
    raise problem


# ── What is wrong with them ──────────────────────────────────────────────────────────────────────────────────────────

LEGIBLE = 64  # Characters of an unknown field's name that are looked at; the caches below keep no more of it.
GUESSES = 2  # Unknown fields of an item for which the nearest name is looked up: that is slow.

# Words in a field's name that tell of personal data, or of free text, which may hold some.
WORDS = """
name surname forename firstname lastname fullname nickname username reporter caller citizen resident person people
petitioner complainant applicant author sender contact owner victim witness
phone phonenumber telephone tel mobile mobilephone cell cellphone fax email mail wechat weixin qq weibo account
address home residence household room plate ip
idcard idnumber identity passport ssn gender sex age birth birthday birthdate dob nationality ethnicity religion party
text title subject summary description desc message content body detail details comment note notes remark remarks memo
photo photos picture pictures image images video audio voice recording file files attachment attachments signature
"""
PERSONAL = frozenset(WORDS.split())
PERSONAL_IN_CHINESE = re.compile(
    "姓名|名字|称呼|电话|手机|邮箱|邮件|微信|地址|住址|身份证|证件|性别|年龄|生日|民族|描述|内容|备注|照片|图片|视频|录音|附件|签名"
)
PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")

SENTENCES = {
    "missing": "is missing: add it",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "string_type": "must be text, in quotes",
    "string_too_short": "is empty: fill it in",
    "string_too_long": "may have {max_length} characters: shorten it",
    "literal_error": "must be {expected}",
    "float_type": "must be a number, without quotes",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "bool_type": "must be true or false",
    "value_error": "{error}",
    "json_invalid": "is not JSON: {error}",
}
PATTERNS = {
    PRINTABLE: "has a control character (a tab, a line break …): take it out",
    UNBROKEN: "must be a code, without slash, white space and control characters",
    WORD: "must be a code, 1 to 64 of a-z, 0-9 and _, never free text",
    ID: "must be an id, 32 of 0-9 and a-f",
}
NO_TYPE = ("union_tag_not_found", "union_tag_invalid")
CRS = "must be WGS84: convert the point to WGS 84 first; points of GCJ-02 and BD-09 lie 100-700 m off, and others further"

Loc = tuple[
    int | str, ...
]  # Where pydantic found an error: keys, and between them the alternatives that it took.


def names(model: type[BaseModel]) -> tuple[str, ...]:
    """The fields of a model."""
    return tuple(model.model_fields)


ACTIONS: dict[str, type[ActionItem]] = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in get_args(get_args(ActionIn)[0])
}
KNOWN: dict[Loc, tuple[str, ...]] = {
    (): names(IssueIn),
    ("place",): names(PlaceIn),
    ("place", "point"): names(PointIn),
    **{(name,): names(model) for name, model in ACTIONS.items()},
    **{(name, "issue", BY_ID): names(IssueById) for name in ACTIONS},
    **{(name, "issue", BY_LINE): names(IssueByLine) for name in ACTIONS},
}


def problem_of(what: Literal["issue", "action"], error: ValidationError) -> Problem:
    """The Problem that lists everything that pydantic found."""
    count = error.error_count()
    if count > ERRORS_MAX:  # No slip of a pen; and to list them would cost more than they did.
        return invalid(
            f"{count:,} fields of this {what} are wrong or unknown: see what an {what} may have."
        )
    found = error.errors(include_url=False, include_input=False)
    extra = [each["loc"] for each in found if each["type"] == "extra_forbidden"]
    guessed = [loc for loc in extra if not is_personal(str(loc[-1])[:LEGIBLE])][:GUESSES]
    errors = [
        FieldError(pointer_of(what, each), sentence_of(each, guess=each["loc"] in guessed))
        for each in found
    ]
    return invalid(
        f"This {what} is not valid: correct what errors lists, and send it again.", *errors
    )


def pointer_of(what: Literal["issue", "action"], error: ErrorDetails) -> str:
    """Where an error stands in the item that was sent."""
    if error["type"] in NO_TYPE:
        return "/type"
    steps = (
        error["loc"]
        if what == "issue"
        else [step for step in error["loc"][1:] if step not in (BY_ID, BY_LINE)]
    )
    return reduce(child_pointer, map(str, steps), "")


def sentence_of(error: ErrorDetails, *, guess: bool) -> str:
    """What is wrong, and what would be right."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown(error["loc"], guess=guess)
    if kind == "string_pattern_mismatch":
        return PATTERNS[context["pattern"]]
    if kind in NO_TYPE:
        return f"must be one of {', '.join(ACTIONS)}"
    if error["loc"][-1:] == ("crs",):
        return CRS
    return SENTENCES.get(kind, "is not valid").format(**context)


def unknown(loc: Loc, *, guess: bool) -> str:
    """Why a field that the contract does not have is refused."""
    place, key = loc[:-1], str(loc[-1])[:LEGIBLE]
    if is_personal(key):
        return f"personal data is not taken here yet: leave `{key}` out"
    if BY_ID in place and key in names(IssueByLine):
        return "name the issue by its id, or by line and reference, not by both"
    known = KNOWN[place]
    near = nearest(key, known) if guess else None
    return (
        f"unknown field; did you mean `{near}`?"
        if near
        else f"unknown field; known here are {', '.join(known)}"
    )


@lru_cache(maxsize=1024)
def is_personal(key: str) -> bool:
    """Whether the name of a field tells of personal data: by one of its words, by all together, or in Chinese."""
    parts = [part.lower() for part in PART.findall(key)]
    return (
        not PERSONAL.isdisjoint([*parts, "".join(parts)])
        or PERSONAL_IN_CHINESE.search(key) is not None
    )


@lru_cache(maxsize=1024)  # Whoever errs, errs in each item of a request alike.
def nearest(key: str, known: tuple[str, ...]) -> str | None:
    """The name that is most like an unknown one, if any is."""
    return next(iter(get_close_matches(key, known, n=1)), None)
