"""A campaign of chaos: clients that retry, faults, and checks at its end."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import httpx

from gridcall.host.migrations import prepare
from tests.harness.commands import read_output, run_on_database
from tests.harness.live import adopt_exampleville
from tools.checker.examination import check
from tools.checker.report import Violation

PER_SECOND = 230
CLIENTS = 100
REPEATED, EARLY = 0.05, 0.05
OFTEN = {"GRIDCALL_CHECKPOINT_SECONDS": "1"}  # So that new owners begin with state rows.
LINES = ("grid", "sentiment", "hotline", "petition")


@dataclass
class Findings:
    """The observations of a campaign. `wrong` counts faults that the checker does not see."""

    receipts: list[dict[str, Any]] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    violations: list[Violation] = field(default_factory=list)
    verified: str = ""
    lag_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    wrong: int = 0


class Campaign:
    """A run with clients that post, with faults, and with checks at its end. The seed decides."""

    def __init__(self, database: str, seconds: float, seed: int) -> None:
        self.database = database
        self.seconds = seconds
        self.chance = random.Random(seed)
        self.findings = Findings()
        self.key = ""
        self.over = asyncio.Event()  # The load ends.

    async def run(self) -> Findings:
        """Run the campaign and return its findings."""
        await prepare(self.database, forget=True)
        await self._prepare()
        async with self.run_processes():
            async with asyncio.TaskGroup() as group:
                group.create_task(self._do_harm_and_end())
                group.create_task(self.add_load())
                for number in range(CLIENTS):
                    group.create_task(self._post(number))
            started_at = time.monotonic()
            await self.catch_up()
            self.findings.lag_seconds = time.monotonic() - started_at
        service_databases = self.service_databases()
        self.findings.violations = await check(
            self.database, self.findings.receipts, service_databases
        )
        words = [
            word
            for service, url in service_databases.items()
            for word in ("--service-database", f"{service}={url}")
        ]
        done = await asyncio.to_thread(run_on_database, self.database, "verify", *words)
        self.findings.verified = done.stdout + done.stderr
        self.findings.wrong += done.returncode
        return self.findings

    def run_processes(self) -> AbstractAsyncContextManager[None]:
        """Run the processes until the end of the block."""
        raise NotImplementedError

    def intakes(self) -> list[str]:
        """Return the addresses of every intake, also of those that are dead."""
        raise NotImplementedError

    async def do_harm(self) -> None:
        """Cause faults for `seconds`, and for longer if a fault is left that has not happened."""
        raise NotImplementedError

    async def _do_harm_and_end(self) -> None:
        """End the load a little later than the faults, so that processes recover under load."""
        await self.do_harm()
        await asyncio.sleep(3)
        self.over.set()

    async def catch_up(self) -> None:
        """Wait until every log was read to its end."""
        raise NotImplementedError

    async def add_load(self) -> None:
        """Add load beside the clients' posts."""

    def service_databases(self) -> dict[str, str]:
        """Return the databases of the services that have one of their own."""
        return {}

    async def _prepare(self) -> None:
        """Adopt a city whose calls must be answered in five seconds, so that streets are silent."""
        self.key = await asyncio.to_thread(adopt_exampleville, self.database)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"zone": "Europe/Dublin", "answer_within": 5_000_000, "limits": []}, file)
            file.flush()
            await asyncio.to_thread(
                read_output,
                self.database,
                "policies",
                "load",
                file.name,
                "--district",
                "exampleville",
            )

    # Clients

    async def _post(self, number: int) -> None:
        """Post at an even rate, and the same again until it is answered."""
        chance, pace = random.Random(f"{self.chance.random()} {number}"), CLIENTS / PER_SECOND
        inputs, due = self._inputs(number, chance), time.monotonic()
        headers = {"Authorization": f"Bearer {self.key}"}
        # No address is https. To load certificates for 100 clients takes seconds.
        async with httpx.AsyncClient(headers=headers, timeout=5, verify=False) as client:
            while not self.over.is_set():
                batch = [next(inputs) for _ in range(chance.choice((1, 1, 2, 10)))]
                await self._post_until_answered(client, batch, chance)
                due += pace * len(batch)
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    def _inputs(self, number: int, chance: random.Random) -> Iterator[tuple[str, dict[str, Any]]]:
        """Return issues and actions. Some come again, and some actions come before their report."""
        sent: list[tuple[str, dict[str, Any]]] = []
        for count in range(sys.maxsize):
            line, reference = chance.choice(LINES), f"c{number}-{count}"
            issue = (f"/issues/{line}", self._issue(reference, chance))
            action = ("/actions", self._action(f"{reference}a", line, reference, chance))
            order = (
                [action, issue]
                if chance.random() < EARLY
                else [issue, action]
                if chance.random() < 0.4
                else [issue]
            )
            sent += order
            yield from order
            if chance.random() < REPEATED:
                yield chance.choice(sent)

    def _issue(self, reference: str, chance: random.Random) -> dict[str, Any]:
        due = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + chance.uniform(-3, 40)))
        point = {"lat": chance.uniform(53.32, 53.36), "lon": chance.uniform(-6.3, -6.25)}
        issue = {"reference": reference, "category": "Noise", "place": {"point": point}}
        return {**issue, "due": due} if chance.random() < 0.8 else issue

    def _action(self, reference: str, line: str, of: str, chance: random.Random) -> dict[str, Any]:
        named = {"reference": reference, "issue": {"line": line, "reference": of}}
        kinds: tuple[dict[str, Any], ...] = (
            {"type": "visit_made", "by": "w1"},
            {"type": "issue_withdrawn", "because": "mistake"},
            {"type": "closing_asked", "by": "w1"},
            {"type": "place_named", "by": "d1", "grid": "0101"},
            {"type": "answer_given", "by": "o1", "call": "x/1"},
        )
        return {**named, **chance.choice(kinds)}

    async def _post_until_answered(
        self,
        client: httpx.AsyncClient,
        batch: list[tuple[str, dict[str, Any]]],
        chance: random.Random,
    ) -> None:
        """Post each run of one path together, to any intake, until there is an answer."""
        while batch:
            path = batch[0][0]
            count = next((at for at, (other, _) in enumerate(batch) if other != path), len(batch))
            items, batch = [item for _, item in batch[:count]], batch[count:]
            for result, item in zip(
                await self._send_until_answered(client, path, items, chance), items, strict=True
            ):
                self.findings.receipts.append(self._receipt(path, item, result))

    async def _send_until_answered(
        self,
        client: httpx.AsyncClient,
        path: str,
        items: list[dict[str, Any]],
        chance: random.Random,
    ) -> list[dict[str, Any]]:
        while True:
            address = chance.choice(self.intakes())
            with suppress(httpx.HTTPError):
                answer = await client.post(f"{address}{path}", json=items)
                if answer.status_code in (200, 202, 207):
                    return list(answer.json()["results"])
                assert answer.status_code == 503, answer.text
            self.findings.retries += 1
            await asyncio.sleep(0.1)

    def _receipt(self, path: str, item: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        kind, line = ("action", None) if path == "/actions" else ("issue", path.rpartition("/")[2])
        return receipt(kind, "test", line, item["reference"], result)


def receipt(
    kind: str, source: str, line: str | None, reference: str, result: dict[str, Any]
) -> dict[str, Any]:
    """Return the receipt of an answer, as the checker reads it."""
    return {
        "district": "exampleville",
        "kind": kind,
        "source": source,
        "line": line,
        "reference": reference,
        "status": result["status"],
        "id": result.get("id"),
        "pos": result.get("position"),
        "answered": time.time(),
    }


def summary(findings: Findings, seconds: float) -> str:
    """Return the findings as text."""
    statuses = Counter(receipt["status"] for receipt in findings.receipts)
    count, lag = len(findings.receipts), findings.lag_seconds
    lines = [
        f"{count:,} answers in {seconds:.0f} s ({count / seconds:.0f}/s): {dict(statuses)}",
        f"faults: {dict(findings.faults)}; requests sent again: {findings.retries:,}",
        f"lag was zero {lag:.1f} s after the end",
        f"checker: {len(findings.violations)} violations",
        *(f"  {violation.kind}: {violation.sentence}" for violation in findings.violations[:20]),
        f"verify: {findings.verified.strip()}",
        *findings.notes,
    ]
    return "\n".join(lines)


def arguments(about: str | None, seconds: float) -> argparse.ArgumentParser:
    """Return the parser with the options of every campaign."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--seconds", type=float, default=seconds)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    return parser


def finish(chosen: argparse.Namespace, run: Callable[[Path], Findings]) -> NoReturn:
    """Run in a temporary folder, print the findings, and exit."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        print(f"seed {chosen.seed}, in {folder}", flush=True)
        findings = run(Path(folder))
        print(summary(findings, chosen.seconds))
    sys.exit(1 if findings.violations or findings.wrong else 0)
