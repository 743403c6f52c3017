"""Looks at the services: at one database that has them all, or at each service over HTTP."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from time import monotonic

import assessment.app
import escalation.app
import routing.app
from eventlog.condition import Condition, Finding, amend
from eventlog.peers import ask_conditions
from eventlog.postgres.inspection import inspect_service
from eventlog.postgres.pool import Database, open_database
from events.catalogue import PARKING
from events.errors import Unavailable
from events.topology import SERVICES, STAGES
from gridcall.host.examination import Look, examine, lasting_findings
from intake.condition import intake_condition

SETTLE_SECONDS = 4.0  # Longer than a lease, which another process takes over.
LOOKS_MAX = 3
TABLES = {
    "routing": routing.app.TABLES,
    "escalation": escalation.app.TABLES,
    "assessment": assessment.app.TABLES,
}


async def look_at_database(database: Database) -> Look:
    """Return the conditions of all services with a log, whose schemas are in one database."""
    started = monotonic()
    conditions = {"intake": await intake_condition(database)}
    for stage in STAGES:
        parking = PARKING if stage.name != "assessment" else None
        condition = await inspect_service(
            database, stage.name, stage.log or "", TABLES[stage.name], parking=parking
        )
        # The server is that of intake, and is examined once.
        conditions[stage.name] = amend(condition, server={})
    return Look(conditions, (), monotonic(), monotonic() - started)


async def look_at_services(key: str) -> Look:
    """Return the conditions of all services, each asked at its own address."""
    urls = service_urls()
    answers = await asyncio.gather(
        *(ask_conditions(service, url, key) for service, url in urls.items()),
        return_exceptions=True,
    )
    conditions: dict[str, Condition] = {}
    unreachable = []
    for service, answer in zip(urls, answers, strict=True):
        if isinstance(answer, Unavailable):
            unreachable.append(unreachable_finding(service, answer))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            conditions |= {each.service: each for each in answer}
    return Look(conditions, unreachable, monotonic())


def service_urls() -> dict[str, str]:
    """Return the address of each service: GRIDCALL_INTAKE_URL and so on, else this machine."""
    return {
        service.name: os.environ.get(url_variable(service.name))
        or f"http://127.0.0.1:{service.port}"
        for service in SERVICES
    }


def url_variable(service: str) -> str:
    """Return the environment variable that names the address of a service."""
    return f"GRIDCALL_{service.upper()}_URL"


def unreachable_finding(service: str, fault: Unavailable) -> Finding:
    """Return that a service does not answer."""
    return Finding(
        check=service,
        sentence=str(fault),
        command=f"start it: gridcall {service}; {url_variable(service)} names its address",
        heals=f"{service} is unreachable",
    )


async def diagnose(
    look: Callable[[], Awaitable[Look]], pause_seconds: float = SETTLE_SECONDS
) -> tuple[Look, list[Finding]]:
    """Return the last look, and what is wrong in it.

    Look again while something new is found that may be over in seconds. What was seen once is no
    finding: it healed, or it began a moment ago.
    """
    now = await look()
    findings = examine(now, now)
    seen_once = [finding for finding in findings if finding.heals]
    for _ in range(LOOKS_MAX - 1):
        if not seen_once:
            break
        await asyncio.sleep(pause_seconds)
        before, now = now, await look()
        known, findings = findings, examine(now, before)
        proven = lasting_findings(known, findings)
        seen_once = [finding for finding in findings if finding not in proven]
    return now, [finding for finding in findings if finding not in seen_once]


async def diagnose_database(url: str) -> tuple[Look, list[Finding]]:
    """Return the last look at a database, and what is wrong. Raises Unavailable."""
    async with open_database(url, size=2) as database:
        return await diagnose(lambda: look_at_database(database))
