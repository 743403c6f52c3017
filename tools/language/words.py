"""The word lists of the checks. To ban or to allow a word, edit a row here."""

import re
from dataclasses import dataclass


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


# A docstring that begins so asks a question or points back, instead of naming what it describes.
OPENINGS = word_set("""
    What Whether Where When Which Why How Who Whom Whose It They So Until As
    Whoever Whatever Somebody Nobody Something
""")

# Participles without `-ed` or `-ing`.
IRREGULAR = word_set("""
    asleep become been begun bitten born bought bound broken brought built caught chosen done drawn
    driven eaten fallen fed felt fled flown forgiven forgotten fought found frozen given gone gotten
    grown heard held hidden kept known laid lain led left lent lost made meant met mistaken paid
    risen rung said seen sent shaken shown shrunk slept sold sought spent spoken stolen stood struck
    stuck sung sunk sworn taken taught thought thrown told torn understood unheard untold unwritten
    woken won worn written
""")

# Words that look like participles and are verbs, nouns, or the field's own terms.
NOT_PARTICIPLES = word_set("""
    bleed breed embed exceed feed heed need proceed red seed shed sled speed succeed weed
    bring cling fling king ping ring sing sling spring sting string swing thing
    anything everything nothing something
    building ceiling closing evening finding heading meaning morning
    accounting billing docstring encoding framing hashing indexing logging mapping padding parsing
    pooling rendering routing ruling scheduling setting spacing timing tracing tracking versioning
    warning
    declined given parked
""")

# Single words that are neither a verb nor a noun.
NEITHER_VERB_NOR_NOUN = word_set("""
    after again alone also anything apart at before beneath beside beyond both down elsewhere
    everything however nothing of off on once out over same since something soon still there through
    together twice under until up upon where whether while whole whose why with within without
""")

IDENTIFIER = "identifier"
PROSE = "prose"
NAME_WORD = "word of an identifier"


@dataclass(frozen=True, slots=True)
class BannedWord:
    """A word of the old dialect: where it is banned, the word to write, and what stays allowed."""

    pattern: re.Pattern[str]
    scope: str
    instead: str
    allowed_phrases: re.Pattern[str] | None = None
    allowed_paths: tuple[str, ...] = ()

    def hits(self, text: str) -> list[tuple[int, str]]:
        """Return the offset and text of each banned use in `text`."""
        spared = self._allowed_spans(text)
        return [
            (hit.start(), hit.group())
            for hit in self.pattern.finditer(text)
            if not any(start <= hit.start() < end for start, end in spared)
        ]

    def _allowed_spans(self, text: str) -> list[tuple[int, int]]:
        if self.allowed_phrases is None:
            return []
        return [phrase.span() for phrase in self.allowed_phrases.finditer(text)]


def prose(
    words: str, instead: str, *, allowed: str | None = None, case: bool = False
) -> BannedWord:
    """Ban `words` in comments, docstrings, messages and documents, except in `allowed` phrases."""
    flags = re.NOFLAG if case else re.IGNORECASE
    phrases = re.compile(allowed, re.IGNORECASE) if allowed else None
    return BannedWord(
        re.compile(rf"(?<![\w./-])(?:{words})(?![\w/])", flags), PROSE, instead, phrases
    )


def identifier(names: str, instead: str) -> BannedWord:
    """Ban whole identifiers."""
    return BannedWord(re.compile(rf"^_*(?:{names})_*$"), IDENTIFIER, instead)


def name_word(word: str, instead: str, *, paths: tuple[str, ...] = ()) -> BannedWord:
    """Ban a word inside identifiers, except below `paths`."""
    return BannedWord(re.compile(rf"^(?:{word})$"), NAME_WORD, instead, allowed_paths=paths)


POLYGON_CODE = (
    "gridcall/simulation/city/",
    "gridcall/demo/licheng/",
    "services/routing/spatial/",
    "services/intake/",
    "services/screen/",
    "libs/",
    "tests/",
    "benchmarks/",
)

BANNED_WORDS: tuple[BannedWord, ...] = (
    # Prose: comments, docstrings, messages, documents.
    prose("anew", "again, new, replaced"),
    prose("elsewhere", "name the other place"),
    prose(
        "apart",
        "separate, separately",
        allowed=r"apart from|\d+ ?(m|metres|meters|µs|ms|s) apart|far apart|taken apart|--apart",
    ),
    prose("--apart", "--service-database"),
    prose("whoever|whomever", "who, a client, anyone who", allowed="Whoever resolved a case"),
    prose("bells?", "notifier"),
    prose("rings? (the|a|its|his|for)|rung|to ring", "notify"),
    prose("doors?", "intake, the intake API", allowed=r"front doors?|next door|door to door"),
    prose("heard", "received, or input"),
    prose("unheard", "the initial state"),
    prose("told", "reported, sent, or name it", allowed=r"told in writing"),
    prose("keepers?", "supervisor"),
    prose("shelf|shelves", "packed dictionary"),
    prose("house", "sandbox, or layout", allowed=r"in[- ]house|house (number|rule)s?"),
    prose("ILL", "FAIL", case=True),
    prose("all is well|is well|are well|: well", "ok"),
    prose(
        "lies?|lay",
        "is, are",
        allowed=r"lay(s|ing)? out|lies? about|lies outside|say where it lies|lie \d+-\d+ m off",
    ),
    prose(
        "stands?",
        "is, are, remains",
        allowed=r"stands? (for|still|in for|by|alone|out|here twice)|as it stands"
        r"|stand-(in|alone|by)s?",
    ),
    # Whole identifiers.
    identifier("heard", "input_, or received"),
    identifier("unheard", "initial_state"),
    identifier("unadopted", "initial_reference"),
    identifier("adopt|adopted", "decide_reference, evolve_reference"),
    identifier("recall|recalled", "replay"),
    identifier("pass_time", "advance_time"),
    identifier("kept", "stored"),
    identifier("held", "deferred"),
    identifier("asked", "requested"),
    identifier("found", "result, or what it is"),
    identifier("told", "to_payload, progress, or what it is"),
    identifier("taken_apart|put_together", "to_fields, from_fields"),
    identifier("word_of", "short_type"),
    identifier(
        "Away|Forgotten|CannotGoOn|MadeAnew", "Unavailable, Truncated, Halted, TopicReplaced"
    ),
    identifier("Keeper|Follows", "ShardSupervisor, Processor"),
    identifier("Heard|Passed", "Input, Progress"),
    identifier("Shelf|House|Telling|NotAsTold", "PackedDict, Sandbox, Presenter, StepFailed"),
    identifier("Elsewhere", "Peers"),
    identifier("Limit|Holder|Receiver|Matter", "DeadlineRule, Assignment, OnCall, CaseFacts"),
    identifier("pos|ts|seq", "position, time, sequence"),
    # Words inside identifiers.
    name_word("anew", "again, or new"),
    name_word("elsewhere", "peers, other"),
    name_word("apart", "separate, services"),
    name_word("whoever", "client, sender"),
    name_word("bell|bells", "notifier"),
    name_word("ring|rings|rung", "notify", paths=POLYGON_CODE),
    name_word("door|doors", "intake, acceptor, intake_api"),
    name_word("heard|unheard", "input, received"),
    name_word("told|untold", "payload, progress, reported"),
    name_word("keeper|keepers", "supervisor"),
    name_word("shelf|shelves", "packed"),
    name_word("house", "sandbox"),
    name_word("lies|stands", "is, at"),
)
