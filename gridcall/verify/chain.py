"""The chain of a district: each input beside its hash, its identity, its sender and its content."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from eventlog.codec import NO_EVENT, Entry, decode_event
from eventlog.core.decider import REFERENCE
from eventlog.core.row import Sender
from events.catalogue import ReferenceAdopted
from events.instants import BEGINNING, Instant
from events.registry import latest
from gridcall.verify.differences import Contradiction
from intake.core.chain import BEGINNING as NO_HASH
from intake.core.chain import GenerationLink, InputLink, hash_generation, hash_input
from intake.core.submission import content_digest
from intake.store.record import (
    DistrictEnd,
    InputIdentity,
    RecordStore,
    StoredGeneration,
    StoredInput,
)

CHUNK = 1000
IDENTITY = re.compile("[0-9a-f]{32}")


class KnownHead(NamedTuple):
    """A head that was announced or signed: the hash up to a position, in a generation."""

    district: str
    generation: int
    position: int
    hash: bytes


class CheckedChain(NamedTuple):
    """A chain that was checked: its last position and hash, and the first contradiction."""

    position: int
    head: bytes
    contradiction: Contradiction | None


async def check_chain(
    record: RecordStore,
    district: str,
    contents: Collection[str],
    heads: Sequence[KnownHead] = (),
    progress: Callable[[int], None] = lambda inputs: None,
) -> CheckedChain:
    """Compute the chain of a district again, and find each of `heads` in it.

    `contents` are the digests of stored contents. Ends at the first contradiction.
    """
    end = await record.end(district)
    if end is None:
        missing = Contradiction("intake", 0, "the district has no row of a shard")
        return CheckedChain(0, NO_HASH, missing)
    if end.number is None or end.tracking_key is None:
        return CheckedChain(0, NO_HASH, Contradiction("district", 0, "the district is not listed"))
    if end.tracking_key != await record.tracking_key():
        because = "the key of tracking codes is missing, or not the one of the district"
        return CheckedChain(0, NO_HASH, Contradiction("tracking_key", 0, because))
    walk = ChainWalk(
        district,
        end.number,
        end.tracking_key,
        await record.generations(district),
        await record.key_owners(),
        contents,
        [head for head in heads if head.district == district],
    )
    async for inputs, identities in pages(record, district):
        for stored in inputs:
            contradiction = walk.take(stored, identities.get(stored.entry.subject))
            if contradiction:
                return CheckedChain(walk.position, walk.hash, contradiction)
        progress(len(inputs))
    contradiction = walk.finish(end) or await surplus(record, district)
    return CheckedChain(walk.position, walk.hash, contradiction)


async def pages(
    record: RecordStore, district: str
) -> AsyncIterator[tuple[list[StoredInput], dict[str, InputIdentity]]]:
    """Yield the inputs of a district in order, each page with the identities of its inputs."""
    after = 0
    while inputs := await record.inputs(district, after, CHUNK):
        names = (each.entry.subject for each in inputs)
        ids = [name for name in names if IDENTITY.fullmatch(name)]
        yield inputs, await record.identities(ids)
        after = inputs[-1].entry.position


async def surplus(record: RecordStore, district: str) -> Contradiction | None:
    """Return the contradiction of an identity without its input."""
    extra = await record.surplus_identity(district)
    if extra is None:
        return None
    name, position = extra
    return Contradiction("identity", position, f"the input of identity {name} is not there")


class ChainWalk:
    """The chain as it is computed, input after input."""

    def __init__(
        self,
        district: str,
        district_number: int,
        tracking_key: bytes,
        generations: Sequence[StoredGeneration],
        keys: Mapping[str, tuple[str, str]],
        contents: Collection[str],
        heads: Sequence[KnownHead],
    ) -> None:
        self.position = 0
        self.hash = NO_HASH
        self._district = district
        self._number, self._tracking_key = district_number, tracking_key.hex()
        self._time: Instant = BEGINNING
        self._adoptions = 0
        self._generation = StoredGeneration(0, 0, 0)
        self._to_come = list(reversed(generations))
        self._keys = keys
        self._contents = contents
        self._sought: defaultdict[int, set[KnownHead]] = defaultdict(set)
        for head in heads:
            self._sought[head.position].add(head)

    def take(self, stored: StoredInput, identity: InputIdentity | None) -> Contradiction | None:
        """Take the next input. Returns what contradicts it."""
        entry, sender, digest = stored
        self._begin_generations()
        because = self._order_fault(entry) or self._sender_fault(sender)
        if because:
            return Contradiction("intake", entry.position, because)
        if identity and (because := self._identity_fault(entry, identity)):
            return Contradiction("identity", entry.position, because)
        content = str(identity.content) if identity else ""
        self._continue(entry.position, hash_input(self.hash, self._link(entry, sender, content)))
        if digest != self.hash:
            missing = "" if identity else "its identity is missing, or "
            because = (
                f"its hash is another one: {missing}the input, its sender or a generation was "
                "changed"
            )
            return Contradiction("intake", entry.position, because)
        if entry.subject == REFERENCE and (because := self._content_fault(entry)):
            return Contradiction("content", entry.position, because)
        self._time = entry.time
        return None

    def finish(self, end: DistrictEnd) -> Contradiction | None:
        """Compare the end of the chain with the shard's row, and with the heads to be found."""
        self._begin_generations()
        for name, computed, stored in (
            ("position", self.position, end.position),
            ("number of adoptions", self._adoptions, end.adoptions),
            ("generation", self._generation, end.generation),
            ("head", self.hash.hex(), end.head.hex()),
        ):
            if computed != stored:
                because = f"the {name} of the shard's row is {stored}; its chain has {computed}"
                return Contradiction("intake", self.position, because)
        if self._to_come:
            because = f"{self._to_come[-1]} begins after the end of the log"
            return Contradiction("generation", self.position, because)
        if end.time < self._time:
            because = f"the time of the shard's row is {end.time}, before its last input's"
            return Contradiction("intake", self.position, because)
        return self._head_fault()

    def _continue(self, position: int, digest: bytes) -> None:
        """Take the next hash, and find the heads that have it."""
        self.position, self.hash = position, digest
        present = {head for head in self._sought[position] if head.hash == digest}
        self._sought[position] -= present

    def _begin_generations(self) -> None:
        """Link the generations that begin after the position at which the chain is."""
        while self._to_come and self._to_come[-1].start <= self.position:
            number, before, start = self._generation = self._to_come.pop()
            link = GenerationLink(
                self._district, start, number, before, self._number, self._tracking_key
            )
            self._continue(self.position, hash_generation(self.hash, link))

    def _link(self, entry: Entry, sender: Sender, content: str) -> InputLink:
        return InputLink(
            self._district,
            entry.position,
            entry.time,
            entry.subject,
            entry.sequence,
            entry.type,
            content,
            sender.credential,
            sender.source,
            entry.data,
        )

    def _order_fault(self, entry: Entry) -> str | None:
        """Return what is wrong with the place of an input in the order of its district."""
        self._adoptions += entry.subject == REFERENCE
        sequence = self._adoptions if entry.subject == REFERENCE else 1
        if entry.position != self.position + 1:
            return f"it follows position {self.position}"
        if entry.time < self._time:
            return f"it is at {entry.time}, the input before it at {self._time}"
        if (entry.input, entry.step, entry.cause) != (0, 1, ""):
            return "it names an input, a step or a cause, and came from outside"
        if entry.sequence != sequence:
            return f"it is number {entry.sequence} of {entry.subject}, and should be {sequence}"
        return None

    def _sender_fault(self, sender: Sender) -> str | None:
        """Return what is wrong with the sender of an input."""
        kind, _, name = sender.credential.partition(":")
        if kind == "key" and self._keys.get(name) != (self._district, sender.source):
            return f"there is no key {name} of {sender.source} for {self._district}"
        return None

    def _identity_fault(self, entry: Entry, identity: InputIdentity) -> str | None:
        """Return what is wrong with the identity of an input."""
        place = (identity.district, identity.position, identity.time)
        if place != (self._district, entry.position, entry.time):
            return f"identity {entry.subject} names another place: {place}"
        if identity.content.bytes != content_digest(entry.type, entry.data):
            return f"the content of identity {entry.subject} has another digest"
        return None

    def _content_fault(self, entry: Entry) -> str | None:
        """Return what is wrong with the content that an adoption names."""
        try:
            event = latest(decode_event(entry.type, entry.data))
        except NO_EVENT as fault:
            return f"it is no adoption: {fault}"
        if isinstance(event, ReferenceAdopted) and event.digest not in ("", *self._contents):
            return f"the content {event.digest} of {event.kind} {event.name} is not stored"
        return None

    def _head_fault(self) -> Contradiction | None:
        """Return the contradiction of a head that is not in the chain."""
        for head in (head for position in sorted(self._sought) for head in self._sought[position]):
            place = f"head {head.hash.hex()} of generation {head.generation} is not in the chain"
            if head.position > self.position:
                why = f"which ends at {self.position}: later inputs are gone"
            else:
                why = "so that an input up to there is another one"
            if head.generation != self._generation.number:
                number, _, start = self._generation
                why += f"; generation {number} began after position {start} (restore accept)"
            return Contradiction("intake", head.position, f"{place}, {why}")
        return None


def changed_contents(contents: Mapping[str, bytes]) -> Contradiction | None:
    """Return the contradiction of a content whose digest is another one."""
    for digest, body in sorted(contents.items()):
        if sha256(body).hexdigest() != digest:
            return Contradiction("content", 0, f"the content {digest} was changed")
    return None
