"""The caller of a request, as the guard of its route found out."""

from __future__ import annotations

from typing import NamedTuple

from fastapi import Request


class Caller(NamedTuple):
    """The id of a key and the shard that it opens.

    None and None: one of gridcall's own services, for which all shards are open.
    """

    key: str | None = None
    shard: str | None = None


OWN_SERVICE = Caller()


def set_caller(request: Request, caller: Caller) -> None:
    """Set the caller of a request."""
    request.state.caller = caller


def caller_of(request: Request) -> Caller:
    """Return the caller of a request. A guard that knows only one key sets none."""
    caller: Caller = getattr(request.state, "caller", OWN_SERVICE)
    return caller
