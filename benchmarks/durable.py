"""Measure durable decisions per second, beside the package eventsourcing on the same Postgres.

python -m benchmarks.durable

A decision of ours is one issue of intake's log: read from there, located, decided, and committed
with its events, in batches of 1,000. One of the peer is an aggregate that is made, with its one
event, and saved: by itself, or 500 in one save. The peer's Postgres module needs psycopg. Without
it, ours is measured alone.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg

from benchmarks.report import Line, print_lines
from benchmarks.servers import own_server, settings
from embedded.server import PostgresServer
from eventlog.core.row import Draft
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import open_database
from eventlog.runner import BATCH
from events.catalogue import IssueReported, PlaceClaim
from events.topology import WRITER
from gridcall.host.migrations import prepare
from gridcall.simulation.city.map_validation import check_map
from gridcall.simulation.city.profile_loader import load_profile
from gridcall.simulation.driver import first_adoptions
from httpedge.server import collect_seldom
from intake.core.identity import issue_id
from intake.store import IntakeStore
from routing.contents import Contents
from routing.stage import routing_stages

CITY = Path(__file__).parent.parent / "profiles" / "exampleville"
DISTRICT = "exampleville"
DECISIONS, ROUNDS = 60_000, 5
ALONE, TOGETHER = "eventsourcing, one save each", "eventsourcing, 500 in a save"
START, HOUR_US = 1_767_225_600_000_000, 3_600_000_000  # 2026.


# ── Ours ─────────────────────────────────────────────────────────────────────────────────────────


def issues() -> Iterator[Draft]:
    """Yield issues at places all over the made-up city, one a second."""
    chance = random.Random(1)
    for number in range(DECISIONS):
        reference, at = f"D-{number:06}", START + number * 1_000_000
        point = PlaceClaim(
            by="point", lat=chance.uniform(53.32, 53.36), lon=chance.uniform(-6.3, -6.25)
        )
        name = issue_id(DISTRICT, "benchmark", "hotline", reference)
        event = IssueReported(
            issue=name,
            source="benchmark",
            line="hotline",
            reference=reference,
            category="Noise",
            urgency="normal",
            due=at + 48 * HOUR_US,
            claims=(point,),
            rules=(),
        )
        yield Draft(at, name, event)


async def fill(url: str) -> None:
    """Fill a database's intake with its reference data and all issues."""
    profile, _ = load_profile(CITY.with_suffix(".yaml"))
    grids = check_map(CITY, profile.map).grids
    assert grids is not None
    drafts, contents = first_adoptions(profile, grids, START)
    await prepare(url, forget=True)
    async with open_database(url) as database:
        print(await settings(database), flush=True)
        await IntakeStore(database).add_contents(contents)
        log, drafts = PostgresLog("intake", "intake", database, Notifier()), [*drafts, *issues()]
        for start in range(0, len(drafts), BATCH):
            await log.append(DISTRICT, drafts[start : start + BATCH])


async def decisions_per_second(server: PostgresServer, template: str) -> float:
    """Decide all issues in a copy of a database. Adoptions are decided before the clock starts."""
    name = f"{template}_copy"
    await on_server(
        server,
        f"DROP DATABASE IF EXISTS {name}",
        f"CREATE DATABASE {name} TEMPLATE {template}",
        "CHECKPOINT",
    )
    async with open_database(server.get_uri(name)) as database:
        logs = {
            log: PostgresLog(log, WRITER[log], database, Notifier(), "benchmark")
            for log in ("intake", "cases")
        }
        contents = Contents(IntakeStore(database).contents)
        runner = routing_stages(contents, contents.fetch).processor(DISTRICT, logs, BATCH)
        stage = runner.stage
        assert await logs["cases"].lease(DISTRICT)
        await runner.step()
        begun, before = time.perf_counter(), stage.input
        while await runner.step():
            pass
        return (stage.input - before) / (time.perf_counter() - begun)


async def on_server(server: PostgresServer, *statements: str) -> None:
    """Run statements that concern no single database."""
    connection = await asyncpg.connect(server.get_uri("postgres"))
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


# ── The peer ─────────────────────────────────────────────────────────────────────────────────────


class Peer:
    """An application of the package eventsourcing, with its own recorder on the same server."""

    def __init__(self, url: str) -> None:
        from eventsourcing.application import Application
        from eventsourcing.domain import Aggregate

        class Issue(Aggregate):
            def __init__(
                self, reference: str, category: str, due: int, lat: float, lon: float
            ) -> None:
                self.reference = reference
                self.category = category
                self.due = due
                self.lat = lat
                self.lon = lon

        parts = urlsplit(url)
        environment = {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": parts.path[1:],
            "POSTGRES_PORT": "5432",
            "POSTGRES_HOST": parse_qs(parts.query)["host"][0],
            "POSTGRES_USER": "postgres",
            "POSTGRES_PASSWORD": "none",
        }
        self._application: Application[Any] = Application(environment)
        self._issue = Issue
        self.save(1)

    def save(self, count: int) -> None:
        """Make so many aggregates, and save them at once."""
        made = [
            self._issue(f"D-{number:06}", "Noise", START, 53.335, -6.285) for number in range(count)
        ]
        self._application.save(*made)

    def close(self) -> None:
        """Close its connections."""
        self._application.close()


def saved_per_second(peer: Peer, saves: int, count: int) -> float:
    """Return the aggregates per second, with `count` in each save."""
    begun = time.perf_counter()
    for _ in range(saves):
        peer.save(count)
    return saves * count / (time.perf_counter() - begun)


def peer_of(server: PostgresServer) -> Peer | None:
    """Return the peer, or None without its driver."""
    if not (find_spec("psycopg") and find_spec("psycopg_pool")):
        print(
            "eventsourcing's Postgres module needs psycopg, which is not installed:",
            "pip install 'psycopg[binary,pool]'",
        )
        return None
    asyncio.run(on_server(server, "CREATE DATABASE peer"))
    return Peer(server.get_uri("peer"))


# ── Both ─────────────────────────────────────────────────────────────────────────────────────────


def measure(server: PostgresServer) -> list[Line]:
    """Measure ours and the peer, in turns."""
    asyncio.run(fill(server.get_uri("decisions")))
    peer, ours = peer_of(server), list[float]()
    theirs: dict[str, list[float]] = {ALONE: [], TOGETHER: []}
    for _ in range(ROUNDS):
        ours.append(asyncio.run(decisions_per_second(server, "decisions")))
        if peer:
            theirs[ALONE].append(saved_per_second(peer, 2_000, 1))
            theirs[TOGETHER].append(saved_per_second(peer, 40, 500))
        print(
            f"gridcall {ours[-1]:,.0f}/s",
            *(f"{name} {rates[-1]:,.0f}/s" for name, rates in theirs.items() if rates),
            sep="; ",
        )
    if peer:
        peer.close()
    rate = statistics.median(ours)
    if not peer:
        return [Line("durable decisions/s", rate, None, None)]
    return [
        Line(f"durable decisions/s beside {name}", rate, statistics.median(theirs[name]), goal)
        for name, goal in ((ALONE, 80), (TOGETHER, 3.5))
    ]


def main() -> None:
    """Print all figures. The garbage collector runs as seldom as in a service."""
    collect_seldom()
    with own_server() as server:
        print_lines(measure(server))


if __name__ == "__main__":
    main()
