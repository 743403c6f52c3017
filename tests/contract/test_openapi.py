"""The OpenAPI document is valid, and the intake API does what it says, whatever it is sent."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis

from tests.harness.commands import environment, read_verification
from tests.harness.live import Process, adopt_exampleville
from tests.harness.postgres import execute

NDJSON = "application/x-ndjson"
# All that schemathesis looks for, and what it only warns of. A key is for one district, which is
# the one to ask for.
CONFIG = """
warnings.fail-on = [
  "missing_auth",
  "missing_deserializer",
  "method_not_allowed",
  "unsupported_regex",
  "unresolvable_reference",
]
parameters."path.shard" = "exampleville"
checks.max_response_time = 5.0
"""
OPTIONS = "--checks all --max-examples 25 --seed 1 --generation-database none --continue-on-failure"


@schemathesis.serializer(NDJSON)
def serialize(context: Any, value: Any) -> bytes:
    """Return items line by line; nothing for what is no array."""
    return b"".join(
        json.dumps(item).encode() + b"\n" for item in (value if isinstance(value, list) else [])
    )


@schemathesis.deserializer(NDJSON)
def deserialize(context: Any, response: schemathesis.Response) -> list[Any]:
    """Return the lines of an answer as an array."""
    return [json.loads(line) for line in response.content.splitlines()]


@schemathesis.hook
def before_call(context: Any, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """A reader of a log that would wait for half a minute waits for a moment."""
    with suppress(TypeError, ValueError):  # What is no number is sent as it is.
        if 0.1 < float(case.query.get("wait", 0)) <= 30:
            case.query["wait"] = 0.1


@pytest.fixture(scope="module")
def live(postgres: str) -> Iterator[tuple[Process, str]]:
    """The intake API in a process of its own."""
    asyncio.run(execute(postgres, "CREATE DATABASE openapi TEMPLATE empty"))
    url = postgres.replace("/postgres?", "/openapi?")
    key = adopt_exampleville(url)
    process = Process(url)
    yield process, key
    assert process.end() == 0
    assert "rows are equal" in read_verification(url)


def test_schemathesis_finds_nothing(live: tuple[Process, str], tmp_path: Path) -> None:
    process, key = live
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    program = [sys.executable, "-m", "schemathesis.cli"]
    config = ["--config-file", tmp_path / "schemathesis.toml"]
    header = ["--header", f"Authorization: Bearer {key}"]
    run = ["run", f"{process.url}/openapi.json", *header, "--no-color", *OPTIONS.split()]
    hooks = {**environment(), "SCHEMATHESIS_HOOKS": "tests.contract.test_openapi"}
    command = [str(word) for word in (*program, *config, *run)]
    done = subprocess.run(
        command, cwd=tmp_path, env=hooks, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
