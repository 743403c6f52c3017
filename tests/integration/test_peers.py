"""The peers of the benchmarks do what they are compared for, and short forms measure them."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from benchmarks.durable import measure
from benchmarks.intake_api import peer, throughput
from benchmarks.peers.environment import PYTHON
from benchmarks.report import Line
from benchmarks.separate import service_host
from benchmarks.servers import own_server
from benchmarks.streams import STREAMS_FOLDER, measure_routing
from embedded.server import PostgresServer
from tests.harness.broker import missing_programs
from tests.harness.exampleville import issue
from tests.harness.requirements import require


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    require(PYTHON.exists(), "the packages that only benchmarks use are missing. Run: make peers")
    with own_server() as started:
        yield started


def post(url: str, content: object) -> object:
    answer = httpx.post(url, json=content, trust_env=False)
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_the_peer_of_intake_stores_an_issue_once(server: PostgresServer) -> None:
    with peer(server) as program:
        address, before = program.requests.address.geturl(), program.count_stored()
        first = post(f"{address}/issues/hotline", issue("P-1"))
        assert post(f"{address}/issues/hotline", issue("P-1")) == first
        batch = post(f"{address}/issues/hotline/batch", [issue("P-1"), issue("P-2")])
        assert isinstance(batch, list)
        assert batch[0] == first
        assert batch[1]["reference"] == "P-2"
        assert program.count_stored() - before == 2


def test_intake_and_its_peer_are_measured_with_single_issues_and_arrays(
    server: PostgresServer,
) -> None:
    lines = throughput(server, rounds=1, part=0.02)
    assert len(lines) == 4
    assert all(is_measured(line) for line in lines)


def test_decisions_and_replay_are_measured_beside_eventsourcing(server: PostgresServer) -> None:
    lines = measure(server, {1: 5, 100: 200}, rounds=1)
    kinds = ["1 in a commit", "100 in a commit", "rows replayed", "rows replayed and states stored"]
    assert [kind in line.name for kind, line in zip(kinds, lines, strict=True)] == [True] * 4
    assert all(is_measured(line) for line in lines)


def test_routing_over_kafka_is_measured_beside_stream_processors() -> None:
    require(not missing_programs(), "Kafka needs Java and Maven")
    has_packages = PYTHON.exists() and (STREAMS_FOLDER / "target" / "libs").is_dir()
    require(has_packages, "the packages that only benchmarks use are missing. Run: make peers")
    with service_host() as system:
        lines = measure_routing(system, rounds=1, count=200)
    rates, costs = lines[:4], lines[4:]
    assert all(is_measured(line) for line in rates)
    assert [line.name.partition(", and ")[2] for line in costs] == [
        line.name.partition(", and ")[2] for line in rates
    ]


def is_measured(line: Line) -> bool:
    return line.ours > 0 and line.peer is not None and line.peer > 0
