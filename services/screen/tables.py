"""The screen's tables: the models of each district, and what they know of cases and calls.

A model is one read model of one district. `live` says that it had read all logs once; another one
may be built beside it. Each row of the other tables belongs to a model. `step` counts the commits
of a model, and fences them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.schema import Identity, MetaData

from eventlog.postgres.tables import NEVER, NO_TEXT, column

METADATA = MetaData(schema="screen")

MODEL = Table(
    "model",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    column("shard", Text),
    column("version", Integer),
    column("state", Text),
    column("step", BigInteger, "0"),
    column("settings", Text, "'{}'::text"),
    column("owner", Text, NO_TEXT),
    column("leased_until", DateTime(timezone=True), NEVER),
    column("served_at", DateTime(timezone=True), NEVER),
)
Index(
    "model_of_shard",
    *(MODEL.c.shard, MODEL.c.version, MODEL.c.state),
    unique=True,
    postgresql_where=text("state <> 'dropped'"),
)
Table(
    "progress",
    METADATA,
    column("model", BigInteger),
    column("log", Text),
    column("pos", BigInteger),
    column("input", BigInteger),
    column("ts", BigInteger),
    column("generation", BigInteger),
    PrimaryKeyConstraint("model", "log", name="progress_pkey"),
)
CASE_FILE = Table(
    "case_file",
    METADATA,
    column("model", BigInteger),
    column("id", Text(collation="C")),
    column("line", Text),
    column("reference", Text(collation="C")),
    Column("grid", Text),
    column("due", BigInteger),
    Column("accepted", BigInteger),
    Column("ended", BigInteger),
    *(
        column(name, Boolean)
        for name in ("open", "running", "overdue", "calling", "queued", "parked")
    ),
    column("file", LargeBinary),
    PrimaryKeyConstraint("model", "id", name="case_file_pkey"),
)
CALL = Table(
    "call",
    METADATA,
    column("model", BigInteger),
    column("id", Text(collation="C")),
    column("case_id", Text(collation="C")),
    column("level", Text),
    column("due", BigInteger),
    PrimaryKeyConstraint("model", "id", name="call_pkey"),
)
Table(
    "tally",
    METADATA,
    column("model", BigInteger),
    column("of", Text),
    column("code", Text),
    *(
        column(name, BigInteger, "0")
        for name in (
            "accepted", "open", "ended", "overdue", "calling", "queued", "parked",
            "street_calls", "district_calls",
        )
    ),
    column("step", BigInteger),
    PrimaryKeyConstraint("model", "of", "code", name="tally_pkey"),
)  # fmt: skip
Table(
    "event",
    METADATA,
    column("model", BigInteger),
    column("ts", BigInteger),
    column("log", SmallInteger),
    column("pos", BigInteger),
    column("start", BigInteger),
    column("name", Text),
    column("case_id", Text(collation="C")),
    PrimaryKeyConstraint("model", "ts", "log", "pos", name="event_pkey"),
)

# One index for each list of cases, in its order, with the cases of that list alone.
for _name, _columns, _condition in (
    ("case_reference", ("reference", "id"), "reference <> ''"),
    ("case_accepted", ("line", "accepted", "id"), "accepted IS NOT NULL"),
    ("case_ended", ("ended", "id"), "ended IS NOT NULL"),
    ("case_open", ("due", "id"), "open"),
    ("case_running", ("due", "id"), "running"),
    ("case_overdue", ("due", "id"), "overdue"),
    ("case_calling", ("due", "id"), "calling"),
    ("case_queued", ("due", "id"), "queued"),
    ("case_parked", ("due", "id"), "parked"),
    ("case_line_open", ("line", "due", "id"), "open"),
    ("case_line_overdue", ("line", "due", "id"), "overdue"),
    ("case_grid_open", ("grid", "due", "id"), "open"),
    ("case_grid_overdue", ("grid", "due", "id"), "overdue"),
    ("case_grid_calling", ("grid", "due", "id"), "calling"),
):
    Index(
        _name,
        CASE_FILE.c.model,
        *(CASE_FILE.c[each] for each in _columns),
        postgresql_where=text(_condition),
    )
Index("call_case", CALL.c.model, CALL.c.case_id)
Index("call_level", CALL.c.model, CALL.c.level, CALL.c.due, CALL.c.id)
