"""A read model in memory, to compare a stored one with: `gridcall verify` and tests do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from eventlog.core.row import Row
from eventlog.core.versions import readable
from screen.core.case_file import LINE_FIGURES, Tally, limit_of
from screen.core.fold import EVENTS_MAX, Fold, ListedEvent, concerned_cases
from screen.store.packing import pack_file, unpack_file

NamedRow = tuple[str, tuple[Any, ...]]


class FoldedModel:
    """The fold of a district's rows, in batches of any size. It keeps packed files."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.tallies: Counter[Tally] = Counter()
        self.events: list[ListedEvent] = []
        self.settings: dict[str, str] = {}
        self.progress: dict[str, tuple[int, int, int]] = {}

    def apply(self, rows: Sequence[Row]) -> Fold:
        """Fold the next rows of some logs."""
        known = readable(rows)
        files = {
            name: unpack_file(self.files[name])
            for name in concerned_cases(known)
            if name in self.files
        }
        fold = Fold(files, self.settings)
        fold.apply(known)
        fold.finish()
        self.files |= {name: pack_file(file) for name, file in fold.changed.items()}
        self.tallies.update(fold.tallies)
        self.events = sorted([*self.events, *fold.events], reverse=True)[:EVENTS_MAX]
        self.settings = fold.settings
        self.progress |= {
            log: (position, fold.inputs[log], fold.times[log])
            for log, position in fold.positions.items()
        }
        return fold

    def rows(self) -> Iterator[NamedRow]:
        """Yield each row of the model with its name, as `stored_rows` yields those of a store."""
        for name, data in self.files.items():
            file = unpack_file(data)
            yield f"case {name}", (*file.keys(), data)
            for call in file.calls.values():
                yield f"call {call.id}", (name, call.to_level, limit_of(call))
        groups: dict[tuple[str, str], dict[str, int]] = {}
        for (of, code, figure), number in self.tallies.items():
            groups.setdefault((of, code), {})[figure] = number
        for (of, code), figures in groups.items():
            counts = tuple(figures.get(name, 0) for name in LINE_FIGURES)
            if any(counts):
                yield f"count of the {of} {code}", counts
        for time, log, position, *rest in self.events:
            yield f"event {time} {log}/{position}", tuple(rest)
        for name, read in self.progress.items():
            yield f"progress of {name}", read
        yield "settings", tuple(sorted(self.settings.items()))
