"""The records that the reports keep of each case and each call, and their packed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, get_type_hints

import msgspec

from assessment.core.facts import Fact
from casebook import Call, Case

FactsOfCase = dict[tuple[int, str], Fact]


@dataclass(slots=True)
class CaseRecord(Case):
    """A case with its facts by (episode, worker)."""

    facts: FactsOfCase = field(default_factory=dict)


@dataclass(slots=True)
class CallRecord:
    """A call, and the reference of its case."""

    call: Call
    reference: str


def field_names(kind: type[Any]) -> list[str]:
    """Return the names of a dataclass's fields without its first one, the id, which is the key."""
    return [each.name for each in fields(kind)][1:]


def decoder(kind: type[Any], *beside: Any) -> Callable[[bytes], Any]:
    """Return a decoder of the values of those fields, and of what is packed behind them."""
    hints = get_type_hints(kind)
    types = (*(hints[name] for name in field_names(kind)), *beside)
    packed: Any = tuple[types]  # type: ignore[valid-type]
    return msgspec.msgpack.Decoder(packed).decode


encode = msgspec.msgpack.Encoder().encode
case_fields = attrgetter(*field_names(CaseRecord))
call_fields = attrgetter(*field_names(Call))
decode_case = decoder(CaseRecord)
decode_call = decoder(Call, str)


def pack_case(record: CaseRecord) -> bytes:
    """Return a case as bytes, from which `unpack_case` makes an equal record."""
    return encode(case_fields(record))


def unpack_case(key: str, data: bytes) -> CaseRecord:
    """Unpack a case that `pack_case` packed."""
    return CaseRecord(key, *decode_case(data))


def pack_call(record: CallRecord) -> bytes:
    """Return a call as bytes, from which `unpack_call` makes an equal record."""
    return encode((*call_fields(record.call), record.reference))


def unpack_call(key: str, data: bytes) -> CallRecord:
    """Unpack a call that `pack_call` packed."""
    *values, reference = decode_call(data)
    return CallRecord(Call(key, *values), reference)
