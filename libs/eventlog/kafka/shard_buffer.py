"""The rows of one shard that were received and wait for their reader."""

from __future__ import annotations

from collections import deque
from time import monotonic

from eventlog.core.row import Generation, Row, Watermark
from events.errors import GridcallError
from events.instants import BEGINNING

ROWS_MAX = 5_000  # Rows that wait for their reader; the broker keeps the rest.
SILENCE_SECONDS = 5.0


class ShardBuffer:
    """The rows of a shard that wait, without a gap, up to position `last`.

    `read_up_to` is the last position that the reader has, and `fault` what it must learn, once.
    """

    def __init__(self, name: str, after: int) -> None:
        self.name = name
        self.generation = Generation(0)
        self.rows: deque[Row] = deque()
        self.last = after
        self.read_up_to = after
        self.mark = Watermark(0, BEGINNING)
        self.received_at = self.read_at = monotonic()
        self.has_gap = False
        self.fault: GridcallError | None = None

    def add(self, row: Row) -> bool:
        """Add the next row; drop one that was added before; note a gap before any other."""
        if row.position <= self.last:
            return False
        if row.position > self.last + 1:
            self.has_gap = True
            return False
        self.rows.append(row)
        self.last, self.has_gap = row.position, False
        self.received_at = monotonic()
        return True

    def restart(self, after: int) -> None:
        """Begin after a position: the reader has all rows up to it from the writer."""
        self.rows.clear()
        self.last = self.read_up_to = after
        self.mark = Watermark(0, BEGINNING)

    def take_fault(self) -> GridcallError:
        """Return what the reader must learn, and forget it."""
        fault, self.fault = self.fault, None
        assert fault is not None, "there is no fault"
        return fault

    def accepts(self, generation: int, position: int) -> bool:
        """Tell whether a record is of the writer's log.

        A later generation than the known one is a gap, so that the writer is asked about it.
        """
        known = self.generation
        self.has_gap = self.has_gap or generation > known.number
        return generation == known.number or (
            generation == known.previous and position <= known.forked_at
        )

    @property
    def is_full(self) -> bool:
        """Tell whether no more rows are taken before some are read."""
        return len(self.rows) >= ROWS_MAX

    @property
    def is_silent(self) -> bool:
        """Tell whether the writer must be asked: there is a gap, or nothing came for long."""
        silence = monotonic() - self.received_at
        return not self.is_full and (self.has_gap or silence >= SILENCE_SECONDS)
