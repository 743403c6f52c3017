"""The tree of errors: each is named by what its reader must do.

GridcallError
├── Invalid      the input is malformed: name field, value and reason, and store nothing.
├── Conflict     another writer was first: load again and try again.
├── Unavailable  the store cannot be reached: nothing was lost, so wait and try again.
│   └── Unusable the store refuses until an operator has acted: a program does not start with it.
├── Truncated    the log has dropped these rows: ask its archive.
└── Halted       the shard stops before this position until an operator has acted.
    └── Outdated the position was written by a newer build: install that one.

Any other error of a decider is a fault of one case: the case is parked, and the shard goes on.
"""

DATABASE = "the database"  # As outages name it.


class GridcallError(Exception):
    """The root: every error that gridcall raises on purpose."""


class Invalid(GridcallError):
    """A malformed input: the `field`, its `value`, and the `reason`."""

    def __init__(self, field: str, value: str, reason: str) -> None:
        super().__init__(f"{field}: {reason} (got {value!r})")
        self.field = field
        self.value = value
        self.reason = reason


class Conflict(GridcallError):
    """The log is not at the position that its writer believed: load again and try again."""


class Unavailable(GridcallError):
    """The store cannot be reached, or is too busy. The result of a write must be read from it.

    `about` names the neighbour that is unavailable: the database, Kafka, or another service.
    """

    def __init__(self, sentence: str = "", about: str = DATABASE) -> None:
        super().__init__(sentence)
        self.about = about


class Unusable(Unavailable):
    """The store answers and refuses, for example because its disk is full or a right is missing.

    A running service waits as for any unavailable store. One that starts ends with the sentence.
    """


class Truncated(GridcallError):
    """The requested rows are gone, because every reader had acknowledged them."""


class Halted(GridcallError):
    """The shard needs an operator, for example because this code lacks the adopted decider."""


class Outdated(Halted):
    """The row was written for a newer build. Raised before anything was changed by it."""


# They are no fault of one case: they stop the shard. All others park the case that they are about.
SHARD_FAULTS = (MemoryError, TimeoutError, OSError, Halted)
