"""The records that the reports keep of each case and each call, and their packed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, get_type_hints

import msgspec

from assessment.core.facts import Fact
from casebook import Call, Case

FactsOfCase = dict[tuple[int, str], Fact]


@dataclass(slots=True)
class CaseRecord:
    """A case, and its facts by (episode, worker)."""

    case: Case
    facts: FactsOfCase


@dataclass(slots=True)
class CallRecord:
    """A call, and the reference of its case."""

    call: Call
    reference: str


def field_names(kind: type[Any]) -> list[str]:
    """Return the names of a dataclass's fields without its first one, the id, which is the key."""
    return [field.name for field in fields(kind)][1:]


def decoder(kind: type[Any], beside: Any) -> Callable[[bytes], tuple[list[Any], Any]]:
    """Return a decoder of a pair: the values of those fields, and what is packed beside them."""
    hints = get_type_hints(kind)
    values: Any = tuple[tuple(hints[name] for name in field_names(kind))]  # type: ignore[misc]
    pair: Any = tuple[values, beside]
    return msgspec.msgpack.Decoder(pair).decode


encode = msgspec.msgpack.Encoder().encode
case_fields = attrgetter(*field_names(Case))
call_fields = attrgetter(*field_names(Call))
decode_case = decoder(Case, FactsOfCase)
decode_call = decoder(Call, str)


def pack_case(record: CaseRecord) -> bytes:
    """Return a case as bytes, from which `unpack_case` makes an equal record."""
    return encode((case_fields(record.case), record.facts))


def unpack_case(key: str, data: bytes) -> CaseRecord:
    """Unpack a case that `pack_case` packed."""
    values, facts = decode_case(data)
    return CaseRecord(Case(key, *values), facts)


def pack_call(record: CallRecord) -> bytes:
    """Return a call as bytes, from which `unpack_call` makes an equal record."""
    return encode((call_fields(record.call), record.reference))


def unpack_call(key: str, data: bytes) -> CallRecord:
    """Unpack a call that `pack_call` packed."""
    values, reference = decode_call(data)
    return CallRecord(Call(key, *values), reference)
