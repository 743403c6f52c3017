"""The search of the page: by the id of a case, its tracking code, or the start of its reference."""

from __future__ import annotations

import re
from typing import Protocol
from unicodedata import normalize

import msgspec

from eventlog.peers import Peers
from screen.core.case_file import CaseFile
from screen.store import ListStore

RESULTS_MAX = 50
TEXT_CHARS_MAX = 200
IDENTITY = re.compile("[0-9a-f]{32}")  # Of an id and of a tracking code.


class TrackedInput(Protocol):
    """An accepted input."""

    @property
    def id(self) -> str:
        """The id of the input, which is that of the case if it is an issue."""

    @property
    def district(self) -> str:
        """The district that accepted it."""


class TrackingCodes(Protocol):
    """Intake, which alone can read tracking codes."""

    async def find_by_code(self, code: str) -> TrackedInput | None:
        """Return the input of a tracking code. Raises Unavailable."""


class PeerInput(msgspec.Struct):
    """An accepted input, as intake answers over HTTP."""

    id: str
    district: str


class PeerCodes:
    """Intake, asked over HTTP."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    async def find_by_code(self, code: str) -> PeerInput | None:
        """Return the input of a tracking code. Raises Unavailable."""
        body = await self._peers.ask("intake", "tracking-codes", code)
        return msgspec.json.decode(body, type=PeerInput | None)


class CaseSearch:
    """The search in the read model of a district."""

    def __init__(self, lists: ListStore, codes: TrackingCodes) -> None:
        self._lists = lists
        self._codes = codes

    async def find(self, model: int, district: str, text: str) -> list[CaseFile]:
        """Return the cases that a text names, at most RESULTS_MAX. Raises Unavailable."""
        text = normalize("NFC", text.strip())  # As references are stored.
        if not text or len(text) > TEXT_CHARS_MAX:
            return []
        named = await self._find_named(model, district, text.lower())
        return named or await self._lists.cases_of_reference(model, text, RESULTS_MAX)

    async def _find_named(self, model: int, district: str, name: str) -> list[CaseFile]:
        """Return the case of an id or of a tracking code, if it is one."""
        if not IDENTITY.fullmatch(name):
            return []
        file = await self._lists.case(model, name)
        if file is None:
            tracked = await self._codes.find_by_code(name)
            if tracked is not None and tracked.district == district:
                file = await self._lists.case(model, tracked.id)
        return [file] if file else []
