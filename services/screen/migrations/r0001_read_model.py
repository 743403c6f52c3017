"""The read models of districts."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "screen_0001"
down_revision = None

SCHEMA = "screen"
C = sa.Text(collation="C")
FLAGS = ("open", "running", "overdue", "calling", "queued", "parked")
FIGURES = (
    "accepted", "open", "ended", "overdue", "calling", "queued", "parked",
    "street_calls", "district_calls",
)  # fmt: skip
LISTS = (
    ("case_reference", ["reference", "id"], "reference <> ''"),
    ("case_accepted", ["line", "accepted", "id"], "accepted IS NOT NULL"),
    ("case_ended", ["ended", "id"], "ended IS NOT NULL"),
    *((f"case_{flag}", ["due", "id"], flag) for flag in FLAGS),
    *((f"case_line_{flag}", ["line", "due", "id"], flag) for flag in ("open", "overdue")),
    *(
        (f"case_grid_{flag}", ["grid", "due", "id"], flag)
        for flag in ("open", "overdue", "calling")
    ),
)


def column(name: str, kind: Any, default: str | None = None) -> sa.Column[Any]:
    """Return a column that is never null."""
    server_default = None if default is None else sa.text(default)
    return sa.Column(name, kind, nullable=False, server_default=server_default)


def upgrade() -> None:
    """Make them."""
    create_model()
    create_cases()
    create_summaries()


def create_model() -> None:
    """Make `model` and `progress`."""
    op.create_table(
        "model",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        column("shard", sa.Text),
        column("version", sa.Integer),
        column("state", sa.Text),
        column("step", sa.BigInteger, "0"),
        column("settings", sa.Text, "'{}'"),
        column("owner", sa.Text, "''"),
        column("leased_until", sa.DateTime(timezone=True), "'-infinity'"),
        column("served_at", sa.DateTime(timezone=True), "'-infinity'"),
        schema=SCHEMA,
    )
    op.create_index(
        "model_of_shard",
        "model",
        ["shard", "version", "state"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("state <> 'dropped'"),
    )
    op.create_table(
        "progress",
        column("model", sa.BigInteger),
        column("log", sa.Text),
        column("pos", sa.BigInteger),
        column("input", sa.BigInteger),
        column("ts", sa.BigInteger),
        column("generation", sa.BigInteger),
        sa.PrimaryKeyConstraint("model", "log", name="progress_pkey"),
        schema=SCHEMA,
    )
    for table in ("model", "progress"):  # Few rows, written often: keep each on its page.
        op.execute(f"ALTER TABLE {SCHEMA}.{table} SET (fillfactor = 10)")


def create_cases() -> None:
    """Make `case_file` and `call`, and an index for each list."""
    op.create_table(
        "case_file",
        column("model", sa.BigInteger),
        column("id", C),
        column("line", sa.Text),
        column("reference", C),
        sa.Column("grid", sa.Text),
        column("due", sa.BigInteger),
        sa.Column("accepted", sa.BigInteger),
        sa.Column("ended", sa.BigInteger),
        *(column(name, sa.Boolean) for name in FLAGS),
        column("file", sa.LargeBinary),
        sa.PrimaryKeyConstraint("model", "id", name="case_file_pkey"),
        schema=SCHEMA,
    )
    for name, columns, condition in LISTS:
        op.create_index(
            name,
            "case_file",
            ["model", *columns],
            schema=SCHEMA,
            postgresql_where=sa.text(condition),
        )
    op.create_table(
        "call",
        column("model", sa.BigInteger),
        column("id", C),
        column("case_id", C),
        column("level", sa.Text),
        column("due", sa.BigInteger),
        sa.PrimaryKeyConstraint("model", "id", name="call_pkey"),
        schema=SCHEMA,
    )
    op.create_index("call_case", "call", ["model", "case_id"], schema=SCHEMA)
    op.create_index("call_level", "call", ["model", "level", "due", "id"], schema=SCHEMA)


def create_summaries() -> None:
    """Make `tally` and `event`."""
    op.create_table(
        "tally",
        column("model", sa.BigInteger),
        column("of", sa.Text),
        column("code", sa.Text),
        *(column(name, sa.BigInteger, "0") for name in FIGURES),
        column("step", sa.BigInteger),
        sa.PrimaryKeyConstraint("model", "of", "code", name="tally_pkey"),
        schema=SCHEMA,
    )
    op.execute(f"ALTER TABLE {SCHEMA}.tally SET (fillfactor = 50)")
    op.create_table(
        "event",
        column("model", sa.BigInteger),
        column("ts", sa.BigInteger),
        column("log", sa.SmallInteger),
        column("pos", sa.BigInteger),
        column("start", sa.BigInteger),
        column("name", sa.Text),
        column("case_id", C),
        sa.PrimaryKeyConstraint("model", "ts", "log", "pos", name="event_pkey"),
        schema=SCHEMA,
    )
