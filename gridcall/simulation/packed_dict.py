"""Many things by name, each packed while nothing is said of it: bytes take less than half of the memory of objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")
packed = msgspec.msgpack.Encoder().encode


class PackedDict(Generic[T]):
    """Things of one kind, in the order in which they came. What is new or was taken out may be changed until it is put back."""

    def __init__(self, kind: type[T]) -> None:
        self._packed: dict[str, bytes] = {}
        self._out: dict[str, T] = {}
        self._unpacked = msgspec.msgpack.Decoder(kind).decode

    def __len__(self) -> int:
        return len(self._packed)

    def __setitem__(self, name: str, thing: T) -> None:
        self._out[name] = thing

    def __getitem__(self, name: str) -> T:
        """Take a thing out. Raises KeyError where there is none."""
        if name not in self._out:
            self._out[name] = self._unpacked(self._packed[name])
        return self._out[name]

    def put_back(self) -> None:
        """Pack all that is out."""
        for name, thing in self._out.items():
            self._packed[name] = packed(thing)
        self._out.clear()

    def values(self) -> Iterator[T]:
        """A copy of each thing, one at a time. All must have been put back."""
        assert not self._out
        return map(self._unpacked, self._packed.values())

    def items(self) -> Iterator[tuple[str, T]]:
        """The same, each with its name."""
        return zip(self._packed, self.values(), strict=True)
