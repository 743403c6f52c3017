"""simulate over a real Kafka: the same bytes as in memory, although processes are killed."""

from __future__ import annotations

import asyncio
import json
import random
import re
import secrets
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from events.topology import WRITER
from httpedge.ports import free_ports
from tests.harness.broker import SCRIPT, Broker
from tests.harness.commands import environment
from tests.harness.paths import ROOT
from tests.harness.simulation import command, read_files, run_command, wait_for_rows
from tests.harness.waiting import wait_until

IDENTITY = re.compile(rb'"id":"(\w+/[^"]+)"')
LOGS = ("intake", "cases", "calls")


def over_kafka(broker: Broker, *more: object) -> tuple[object, ...]:
    return ("--kafka", broker.address, *more)


def count_positions(broker: Broker, topic: str) -> int:
    """Return the number of positions on a topic, by Kafka's own tool. Repeats count once."""
    segments = sorted((broker.folder / "data" / f"{topic}-0").glob("*.log"))
    tool = (
        "tool",
        "org.apache.kafka.tools.DumpLogSegments",
        "--print-data-log",
        "--files",
        ",".join(map(str, segments)),
    )
    running = subprocess.Popen([SCRIPT, *tool], env=broker.environment, stdout=subprocess.PIPE)
    assert running.stdout
    positions = {match[1] for line in running.stdout if (match := IDENTITY.search(line))}
    assert running.wait() == 0
    return len(positions)


def assert_same_as_in_memory(data: Path, broker: Broker, folder: Path, months: int) -> None:
    """Compare files and topics with a run in memory, to the byte."""
    assert (
        run_command(command(folder / "memory", "memory", data=data, months=months)).returncode == 0
    )
    assert read_files(folder / "kafka") == read_files(folder / "memory")
    logs = json.loads((folder / "kafka" / "summary.json").read_bytes())["log"]
    for log in LOGS:
        assert (
            count_positions(broker, f"simulate_boston311-2015.{log}") == logs[log]["positions"]
        ), log


def services_of(pid: int) -> list[int]:
    """The services among the processes that a process has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    words = {
        int(child): Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0") for child in children
    }
    return [
        child
        for child, said in words.items()
        if {service.encode() for service in WRITER.values()} & set(said)
    ]


def test_no_two_processes_are_given_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = free_ports(2)
    drawn = iter([first, first, second])
    monkeypatch.setattr(secrets, "randbelow", lambda _: next(drawn) - 20_000)
    assert free_ports(2) == [first, second]


def killed_on_the_way(words: list[str], seconds: float, seed: int) -> int:
    """Run, and kill a random service so often; how many were killed."""
    chance, kills = random.Random(seed), 0
    with subprocess.Popen(
        words, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as running:
        while True:
            with suppress(subprocess.TimeoutExpired):
                _, said = running.communicate(timeout=seconds)
                assert running.returncode == 0, said.decode()
                return kills
            if services := services_of(running.pid):
                subprocess.run(
                    ["kill", "-9", str(chance.choice(services))], check=False
                )  # It may have ended by now.
                kills += 1


def test_january_has_the_same_bytes_over_kafka(data: Path, broker: Broker, tmp_path: Path) -> None:
    done = run_command(command(tmp_path / "kafka", "kafka", *over_kafka(broker), data=data))
    assert done.returncode == 0, done.stderr
    assert_same_as_in_memory(data, broker, tmp_path, months=1)
    verify = re.search(r"gridcall (verify .*)", done.stderr)
    assert verify
    said = subprocess.run(
        f".venv/bin/gridcall {verify[1]}",
        shell=True,
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "rows are equal" in said.stdout


def is_ended(pid: int) -> bool:
    """Return True when a process has ended."""
    return (
        not Path(f"/proc/{pid}/stat").exists()
        or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    )


def test_a_run_that_is_killed_takes_its_services_with_it_and_is_gone_on_with(
    data: Path, broker: Broker, postgres: str, tmp_path: Path
) -> None:
    routed = postgres.replace("/postgres?", "/simulate_boston311-2015_routing?")
    words = command(tmp_path / "kafka", "kafka", *over_kafka(broker, "--batch", 100), data=data)
    with subprocess.Popen(
        words, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        wait_until(
            lambda: len(services_of(running.pid)) == len(WRITER)
        )  # From here on the databases are those of this run.
        assert asyncio.run(wait_for_rows(routed, 5000, running))
        services = services_of(running.pid)
        running.kill()
    wait_until(lambda: all(map(is_ended, services)))
    assert run_command(words).returncode == 0
    assert_same_as_in_memory(data, broker, tmp_path, months=1)


def test_january_has_the_same_bytes_when_replicas_are_killed(
    data: Path, broker: Broker, tmp_path: Path
) -> None:
    words = command(
        tmp_path / "kafka", "kafka", *over_kafka(broker, "--replicas", 3, "--batch", 100), data=data
    )
    assert killed_on_the_way(words, seconds=1, seed=6) >= 3
    assert_same_as_in_memory(data, broker, tmp_path, months=1)


@pytest.mark.long
def test_the_year_has_the_same_bytes_when_replicas_are_killed(
    data: Path, broker: Broker, tmp_path: Path
) -> None:
    words = command(
        tmp_path / "kafka", "kafka", *over_kafka(broker, "--replicas", 3), data=data, months=12
    )
    assert killed_on_the_way(words, seconds=10, seed=6) >= 4
    assert_same_as_in_memory(data, broker, tmp_path, months=12)
