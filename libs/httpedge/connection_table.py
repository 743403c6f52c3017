"""The connections of a server: how many there may be, and which of them end.

A connection waits for a request, or works on one. It may wait for a limited time only, and the one
that has waited longest ends as soon as another one needs its place. One that works stays, because a
key has been checked or will be at once. A connection whose client does not read is watched.

Nothing here knows sockets or a clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from httpedge.request_body import BODY_BYTES_PER_SECOND_MIN


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of the connections of a server. A default suits a server with or without a proxy.

    `per_address` of 0 is half of all connections. A network of IPv6 with 64 bits counts as one
    address.
    """

    connections: int = 4000
    per_address: int = 0
    head_seconds: float = 10.0  # For a first byte, and from there for the whole head.
    idle_seconds: float = 15.0  # Between a response and the next request.
    linger_seconds: float = 2.0  # To read the last response, while what still comes is ignored.
    stall_seconds: float = 15.0  # In which a client must read STALL_BYTES_MIN of its response.

    @property
    def share(self) -> int:
        """Return how many connections one address may have."""
        return min(self.per_address or max(self.connections // 2, 1), self.connections)


STALL_BYTES_MIN = 16 * 1024
UNREAD_BYTES_MAX = 256 * 2**20  # Of responses that clients do not read, of all connections.


class Ending(Enum):
    """The reason for which a connection ends."""

    TOO_LATE = "late"
    ROOM = "room"
    STALLED = "stalled"


class Refusal(Enum):
    """The reason for which there is no place for a connection."""

    ADDRESS = "its address has its share"
    ALL = "all places are taken"


class Member(Protocol):
    """A connection as the table knows it."""

    @property
    def unread_bytes(self) -> int:
        """Return how many bytes of responses wait for the client."""

    def end(self, ending: Ending) -> None:
        """End the connection at once."""


@dataclass(slots=True)
class Lingering:
    """The end of a connection: what still comes is ignored, up to so many bytes and an instant.

    A slow line has as much time for a body that is refused as for another one.
    """

    bytes_left: int
    until: float

    def ignore(self, count: int) -> None:
        """Ignore the next bytes."""
        self.bytes_left -= count
        self.until += count / BODY_BYTES_PER_SECOND_MIN


@dataclass(slots=True)
class Stall:
    """A client that does not read: since when it is watched, and how much it had not read then."""

    since: float
    unread_bytes: int


class ConnectionTable:
    """All connections of a server. Times are seconds of any one clock.

    Invariants: each member waits until a time, or works. A member that waits, or whose client does
    not read, ends in a limited time. There is at most one member more than the limits allow.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._networks: dict[Member, str] = {}
        self._sizes: dict[str, int] = {}
        self._waiting: dict[Member, float] = {}  # Until when; who has waited longest comes first.
        self._waiting_of: dict[str, dict[Member, None]] = {}
        self._stalls: dict[Member, Stall] = {}  # The longest first.

    def __len__(self) -> int:
        return len(self._networks)

    def admit(self, member: Member, network: str, now: float) -> Refusal | None:
        """Enter a connection, which makes another one end if there are too many.

        Return why it must be refused, if none waits that could end.
        """
        is_full = len(self._networks) >= self._limits.connections
        has_share = self._sizes.get(network, 0) >= self._limits.share
        refusal = None
        if has_share or is_full:
            has_room = self._make_room(self._waiting_of[network] if has_share else self._waiting)
            refusal = None if has_room else Refusal.ALL if is_full else Refusal.ADDRESS
        self._networks[member] = network
        self._sizes[network] = self._sizes.get(network, 0) + 1
        self._waiting_of.setdefault(network, {})
        self.wait(member, now + self._limits.head_seconds)
        return refusal

    def _make_room(self, waiting: Iterable[Member]) -> bool:
        longest = next(iter(waiting), None)
        if longest is None:
            return False
        self.remove(longest)
        longest.end(Ending.ROOM)
        return True

    def remove(self, member: Member) -> None:
        """Forget a connection, if it is still known."""
        network = self._networks.pop(member, None)
        if network is None:
            return
        self._waiting.pop(member, None)
        self._waiting_of[network].pop(member, None)
        self._stalls.pop(member, None)
        self._sizes[network] -= 1
        if not self._sizes[network]:
            del self._sizes[network], self._waiting_of[network]

    def wait(self, member: Member, until: float) -> None:
        """Note that a connection waits from now on, for its client and until a time."""
        network = self._networks.get(member)
        if network is None:
            return
        self._waiting.pop(member, None)
        self._waiting[member] = until
        of_network = self._waiting_of[network]
        of_network.pop(member, None)
        of_network[member] = None

    def work(self, member: Member) -> None:
        """Note that a connection works on a request."""
        self._waiting.pop(member, None)
        if (network := self._networks.get(member)) is not None:
            self._waiting_of[network].pop(member, None)

    def watch(self, member: Member, now: float) -> None:
        """Watch whether a client reads, because a response waits for it.

        If too much waits for all such clients, the connection that is watched longest ends.
        """
        if member in self._networks and member not in self._stalls:
            self._stalls[member] = Stall(now, member.unread_bytes)
        unread_bytes = sum(each.unread_bytes for each in self._stalls)
        while unread_bytes > UNREAD_BYTES_MAX and self._stalls:
            longest = next(iter(self._stalls))
            unread_bytes -= longest.unread_bytes
            self._stall_out(longest)

    def unwatch(self, member: Member) -> None:
        """Note that a client has read what waited."""
        self._stalls.pop(member, None)

    def sweep(self, now: float) -> None:
        """End each connection that waited too long, or whose client does not read."""
        for member, until in list(self._waiting.items()):
            if until <= now:
                self.work(member)  # So that it ends once.
                member.end(Ending.TOO_LATE)
        for member, stall in list(self._stalls.items()):
            if stall.since + self._limits.stall_seconds > now:
                continue
            if stall.unread_bytes - member.unread_bytes >= STALL_BYTES_MIN:
                self._stalls[member] = Stall(now, member.unread_bytes)
            else:
                self._stall_out(member)

    def _stall_out(self, member: Member) -> None:
        self.remove(member)
        member.end(Ending.STALLED)
