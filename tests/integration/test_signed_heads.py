"""Heads that an operator signed are found in the chain later, or verify says what is gone."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import pytest

from eventlog.kafka.publisher import Publisher
from eventlog.kafka.relay import Relay
from eventlog.kafka.topics import Cluster, Headers, Mark, read_mark
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import open_database
from events.topology import WRITER
from gridcall.verify.chain import check_chain
from intake.store import RecordStore
from tests.contract.log_contract import SHARD, row_at, visit
from tests.harness.commands import read_output, run_on_database
from tests.harness.exampleville import issue
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.postgres import execute
from tests.harness.requirements import require

OPERATOR = "dispatch@exampleville"


class Desk(NamedTuple):
    """An operator's key, and the file that names the operator as an allowed signer."""

    key: Path
    signers: Path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    require(shutil.which("ssh-keygen") is not None, "no ssh-keygen: apt-get install openssh-client")
    return make_desk(tmp_path, OPERATOR)


def make_desk(folder: Path, name: str) -> Desk:
    key, signers = folder / f"{name}.key", folder / f"{name}.signers"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)]
    subprocess.run(command, check=True)
    public = key.with_suffix(".key.pub").read_text()
    signers.write_text(f"{name} {public}")
    return Desk(key, signers)


@pytest.fixture
def city(database: str) -> Iterator[tuple[str, Process, str]]:
    """Return a running city: its database, its process and a key."""
    key = adopt_exampleville(database)
    process = Process(database)
    yield database, process, key
    process.end()


def post(city: tuple[str, Process, str], *references: str) -> None:
    _, process, key = city
    with client(process.url, key) as api:
        for reference in references:
            answer = api.post("/issues/grid", json=issue(reference), headers={"prefer": "wait=10"})
            assert answer.status_code == 200


def test_a_signed_head_is_found_in_the_chain_later_and_not_after_a_change(
    city: tuple[str, Process, str], desk: Desk, tmp_path: Path
) -> None:
    database = city[0]
    post(city, "H-1", "H-2")
    head = tmp_path / "head.txt"
    head.write_text(read_output(database, "sign-head", "--key", desk.key))
    post(city, "H-3")
    words = ("verify", "--head", head, "--signers", desk.signers)
    done = run_on_database(database, *words)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stdout + done.stderr
    assert f"signed by {OPERATOR}" in done.stderr
    assert "the chain is whole up to 7" in done.stdout

    status = json.loads(read_output(database, "status", "--json"))["shards"]
    (now,) = [shard["head"] for shard in status if shard["log"] == "intake"]
    assert now in done.stdout
    assert {shard["head"] for shard in status if shard["log"] != "intake"} == {""}

    asyncio.run(execute(database, "UPDATE intake.shard SET head = sha256('')"))
    refused = run_on_database(database, "sign-head", "--key", desk.key)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "nothing is signed" in refused.stderr


def test_openssh_alone_checks_the_signature_of_a_head(
    city: tuple[str, Process, str], desk: Desk, tmp_path: Path
) -> None:
    content = read_output(city[0], "sign-head", "--key", desk.key)
    text, begin, rest = content.partition("-----BEGIN SSH SIGNATURE-----")
    signature = tmp_path / "signature"
    signature.write_text(begin + rest)
    words = ["-Y", "verify", "-f", str(desk.signers), "-I", OPERATOR, "-n", "gridcall-head"]
    done = subprocess.run(
        ["ssh-keygen", *words, "-s", str(signature)], input=text.encode(), check=False
    )
    assert done.returncode == 0
    (mark,) = map(json.loads, text.splitlines())
    assert (mark["log"], mark["shard"], mark["pos"], len(mark["head"])) == (
        "intake",
        "exampleville",
        4,
        64,
    )


def test_a_head_that_was_changed_or_that_a_stranger_signed_is_refused(
    city: tuple[str, Process, str], desk: Desk, tmp_path: Path
) -> None:
    database = city[0]
    content = read_output(database, "sign-head", "--key", desk.key)
    changed, foreign = tmp_path / "changed.txt", tmp_path / "foreign.txt"
    changed.write_text(content.replace('"pos":4', '"pos":3'))
    foreign.write_text(
        read_output(database, "sign-head", "--key", make_desk(tmp_path, "stranger").key)
    )
    for path in (changed, foreign):
        done = run_on_database(database, "verify", "--head", path, "--signers", desk.signers)
        assert done.returncode == 2, done.stdout
        assert "ssh-keygen" in done.stderr
    unnamed = run_on_database(database, "verify", "--head", foreign)
    assert unnamed.returncode == 2
    assert "--signers" in unnamed.stderr


def test_an_announced_head_is_a_head_and_names_what_was_removed(
    city: tuple[str, Process, str], tmp_path: Path
) -> None:
    database = city[0]
    post(city, "H-1")
    status = json.loads(read_output(database, "status", "--json"))["shards"]
    (shard,) = [each for each in status if each["log"] == "intake"]
    mark = {"generation": 1, "log": "intake", "pos": 5, "shard": "exampleville", "w": 0}
    stored = tmp_path / "marks.txt"
    others = json.dumps(mark | {"log": "cases"})  # Of another log, and without a head.
    stored.write_text(f"{others}\n{json.dumps(mark | {'head': shard['head']})}\n")
    assert run_on_database(database, "verify", "--head", stored).returncode == 0
    stored.write_text(json.dumps(mark | {"head": shard["head"], "pos": 9}))
    done = run_on_database(database, "verify", "--head", stored)
    assert done.returncode == 1
    assert "not in the chain, which ends at 5: later inputs are gone" in done.stdout
    stored.write_text("no mark")
    assert run_on_database(database, "verify", "--head", stored).returncode == 2


class Recorder:
    """A publisher that stores what it is given."""

    cluster = Cluster("")

    def __init__(self) -> None:
        self.marks: list[Mark] = []

    async def publish(
        self,
        topic: str,
        partition: int,
        records: Sequence[tuple[bytes, bytes]],
        headers: Headers,
        traces: object = (),
    ) -> None:
        self.marks += [read_mark(value) for _, value in records if topic == self.cluster.time]


async def test_a_relay_announces_the_head_of_the_log_that_has_a_chain(database: str) -> None:
    async with open_database(database) as db:
        intake, cases = (
            PostgresLog(log, WRITER[log], db, Notifier(), "a") for log in ("intake", "cases")
        )
        await intake.append(SHARD, [visit(number, number) for number in range(3)])
        await cases.lease(SHARD)
        await cases.commit(SHARD, [row_at(cases, 1, 5)])
        heads = []
        for log in (intake, cases):
            recorder = Recorder()
            relay = Relay(log, SHARD, 0, cast(Publisher, recorder))
            while not recorder.marks:
                await relay.step()
            heads += [mark.head for mark in recorder.marks]
        chain = await check_chain(RecordStore(db), SHARD, ())
        assert heads == [chain.head.hex(), ""]
