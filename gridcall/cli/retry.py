"""`gridcall retry`: a parked case is decided again."""

from __future__ import annotations

import secrets
from typing import NamedTuple

import click

from eventlog.core.row import Row
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import Database
from events.catalogue import CaseParked, RetryAsked
from events.registry import latest
from events.topology import WRITER
from gridcall.cli.options import SeenText
from gridcall.cli.queries import change_database
from gridcall.cli.terminal import NOTHING_RAN, REJECTED, UNREACHABLE, fail, say
from gridcall.host.status import parked
from gridcall.operator import SOURCE, operator_sender
from intake.acceptor import Acceptor
from intake.core.identity import action_id
from intake.item_codec import item_of
from intake.outcomes import Outcomes

OUTCOME_SECONDS = 10


class Retry(NamedTuple):
    """A retry of a case in one log, and its outcome if there is one yet."""

    log: str
    outcome: Row | None


@click.command("retry")
@click.argument("case", metavar="CASE")
@click.option(
    "--by",
    default="operator",
    show_default=True,
    type=SeenText(),
    metavar="CODE",
    help="The person who requests it, as the log will have it.",
)
def retry_command(case: str, by: str) -> None:
    """Decide a parked case again, with all inputs that wait behind it.

    \b
    Exit status: 0 the case goes on · 1 it is parked again · 2 it is not parked · 3 no outcome yet
    Example:     gridcall retry 0b6cf6bd6ec3e7b0a1f6f7a3c5d1e2f4
    """
    retries = change_database(lambda database: retry_case(database, case, by))
    if not retries:
        fail(NOTHING_RAN, f"case {case!r} is not parked; gridcall parked lists those that are")
    for retry in retries:
        report(case, retry)


async def retry_case(database: Database, case: str, by: str) -> list[Retry]:
    """Request a retry in each log in which a case is parked, and wait for the outcomes."""
    notifier = Notifier()
    cases, calls = (PostgresLog(log, WRITER[log], database, notifier) for log in ("cases", "calls"))
    acceptor = Acceptor(database, notifier)
    outcomes = Outcomes(cases, calls, notifier)
    retries = []
    for row in await parked(database):
        if row["case"] != case:
            continue
        district, log = row["district"], row["log"]
        action = action_id(district, SOURCE, secrets.token_hex(16))
        request = RetryAsked(action=action, issue=case, log=log, by=by)
        (accepted,) = await acceptor.accept(district, [item_of(request, operator_sender())])
        rows = await outcomes.wait(district, accepted.position, OUTCOME_SECONDS)
        retries.append(Retry(log, rows[0] if rows else None))
    return retries


def report(case: str, retry: Retry) -> None:
    """Print the outcome of a retry. End the program unless the case goes on."""
    log, outcome = retry
    if outcome is None:
        fail(
            UNREACHABLE,
            f"the retry in {log} is accepted, but has no outcome yet. Does gridcall run? "
            "gridcall status",
        )
    event = latest(outcome.event)
    if isinstance(event, CaseParked):
        fail(REJECTED, f"parked again in {log}: {event.fault}")
    say(f"case {case} goes on in {log}, from position {outcome.position}")


COMMANDS = {"retry": retry_command}
