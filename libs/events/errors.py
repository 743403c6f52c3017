"""The tree of errors: each is named by what its reader must do.

GridcallError
├── Invalid       the input is malformed: say field, value and reason; store nothing
├── Conflict      somebody else wrote first: load again and try again
├── Unavailable   the store cannot be reached: nothing was lost; wait and try again
├── Truncated     the log no longer keeps these rows: ask its archive
└── Halted        the shard stops before this position until an operator has acted

Anything else that a decider raises is a fault of one case: the case is parked, the shard goes on
(stage.py).
"""


class GridcallError(Exception):
    """The root: everything that gridcall raises on purpose."""


class Invalid(GridcallError):
    """A malformed input. `field` and `value` say where, `reason` says what is wrong with it."""

    def __init__(self, field: str, value: str, reason: str) -> None:
        super().__init__(f"{field}: {reason} (got {value!r})")
        self.field = field
        self.value = value
        self.reason = reason


class Conflict(GridcallError):
    """The log is not where its writer believed it to be: load again and try again."""


class Unavailable(GridcallError):
    """The store cannot be reached, or is too busy. Whether what was asked happened must be read
    from it.
    """


class Truncated(GridcallError):
    """Rows were asked for that every reader had passed, so that the log dropped them."""


class Halted(GridcallError):
    """A shard cannot be carried on without an operator, for example by a decider that lacks the
    adopted version.
    """
