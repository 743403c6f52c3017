"""Packs the file of a case: an array without names, in a third of the bytes of JSON.

New fields of a case, a call or a file follow the others and have defaults. So a build reads what an
earlier one wrote.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from operator import attrgetter
from typing import Any, get_type_hints

import msgspec

from casebook import Call, Case
from screen.core.case_file import CaseFile


def packed_struct(kind: type[Any]) -> type[msgspec.Struct]:
    """Return a struct with the fields of a dataclass, written as an array."""
    hints = get_type_hints(kind)
    listed: list[Any] = [
        (each.name, hints[each.name])
        if each.default is MISSING
        else (each.name, hints[each.name], each.default)
        for each in fields(kind)
    ]
    return msgspec.defstruct(f"Packed{kind.__name__}", listed, array_like=True, gc=False)


PackedCase, PackedCall = packed_struct(Case), packed_struct(Call)


class PackedFile(msgspec.Struct, array_like=True, gc=False):
    """A file as it is packed."""

    case: PackedCase  # type: ignore[valid-type]  # It is made above.
    calls: list[PackedCall]  # type: ignore[valid-type]
    life: dict[str, list[int]]
    opened: bool


case_values = attrgetter(*(each.name for each in fields(Case)))
call_values = attrgetter(*(each.name for each in fields(Call)))
encode = msgspec.msgpack.Encoder(order="sorted").encode
decode = msgspec.msgpack.Decoder(PackedFile).decode


def pack_file(file: CaseFile) -> bytes:
    """Return a file as bytes, the same for the same file."""
    calls = [PackedCall(*call_values(call)) for _, call in sorted(file.calls.items())]
    case = PackedCase(*case_values(file.case))
    return encode(PackedFile(case, calls, file.life, file.opened))


def unpack_file(data: bytes) -> CaseFile:
    """Return a file that was packed."""
    packed = decode(data)
    calls = [Call(*msgspec.structs.astuple(call)) for call in packed.calls]
    case = Case(*msgspec.structs.astuple(packed.case))
    return CaseFile(case, {call.id: call for call in calls}, packed.life, packed.opened)
