"""The AsyncAPI document is made from the catalogue, is valid, and matches what is published."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog.codec import envelope
from eventlog.core.log import MemoryLog
from eventlog.core.row import Draft, Row
from eventlog.kafka.topics import Cluster
from events.catalogue import LINES
from events.registry import CATALOGUE, TYPE_OF
from gridcall.host.topics import system_topics
from tests.harness.histories import drafts_of, histories, run
from tests.harness.paths import GOLDEN, ROOT
from tests.harness.published_schema import payload_validator
from tests.harness.requirements import require
from tools.asyncapi import document, render

FOLDER = ROOT / "tests" / "contract" / "asyncapi"
EVENTS = [json.loads(line) for line in GOLDEN.read_bytes().splitlines()]


# ── The document ───────────────────────────────────────────────────────────────────────────────


def test_the_document_is_made_from_the_catalogue() -> None:
    assert (ROOT / "docs" / "asyncapi.json").read_text(encoding="utf-8") == render(), (
        "docs/asyncapi.json is old: make docs"
    )


@pytest.fixture(scope="session")
def parser() -> Path:
    """Install AsyncAPI's own parser and return the program that calls it."""
    missing = " and ".join(name for name in ("node", "npm") if shutil.which(name) is None)
    require(not missing, f"no AsyncAPI parser without {missing}: apt-get install nodejs npm")
    lock, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(
            words, cwd=FOLDER, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr
    return FOLDER / "faults.mjs"


def faults(parser: Path, file: Path, least: str) -> str:
    done = subprocess.run(
        ["node", parser, file, least], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_asyncapis_own_parser_finds_nothing(parser: Path) -> None:
    assert faults(parser, ROOT / "docs" / "asyncapi.json", "hint") == ""


def test_asyncapis_own_parser_finds_what_is_wrong(parser: Path, tmp_path: Path) -> None:
    wrong = json.loads(render())
    wrong["channels"]["intake"]["bindings"]["kafka"]["topicConfiguration"]["retention.ms"] = (
        "for ever"
    )
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps(wrong), encoding="utf-8")
    assert "retention.ms" in faults(parser, file, "error")


def test_every_log_has_a_topic_with_its_events_and_no_others() -> None:
    channels = document()["channels"]
    for log in {log for kind in CATALOGUE.values() for log in kind.logs}:
        assert channels[log]["address"] == f"gridcall.{log}"
        assert list(channels[log]["messages"]) == [
            kind.name for kind in CATALOGUE.values() if log in kind.logs
        ]


def test_every_line_has_a_topic_for_its_issues_and_one_for_their_receipts() -> None:
    made = document()
    does = {
        name_of(operation["channel"]): operation["action"]
        for operation in made["operations"].values()
    }
    assert set(does) == set(made["channels"])
    for line in LINES:
        for kind, action in (("inbound", "receive"), ("receipts", "send")):
            assert made["channels"][f"{kind}-{line}"]["address"] == f"{kind}.{line}"
            assert does[f"{kind}-{line}"] == action


def test_every_topic_is_described_as_it_is_made() -> None:
    described = {
        channel["address"]: channel["bindings"]["kafka"]
        for channel in document()["channels"].values()
    }
    made = {topic.name: topic for topic in system_topics(Cluster(""), 7)}
    assert set(described) == set(made)
    for name, topic in made.items():
        assert described[name].get("partitions", 7) == topic.partitions
        for setting, value in described[name]["topicConfiguration"].items():
            assert topic.settings[setting] == (value[0] if isinstance(value, list) else str(value))


def name_of(reference: dict[str, str]) -> str:
    return reference["$ref"].rpartition("/")[2]


# ── What is published ──────────────────────────────────────────────────────────────────────────


@settings(max_examples=60, deadline=None)
@given(histories, st.booleans())
def test_every_event_of_any_history_is_as_the_document_says(
    history: list[Any], strict: bool
) -> None:
    drafts = drafts_of(history, strict=strict)
    for row in [*accept(drafts), *run(drafts)]:
        payload_validator(TYPE_OF[type(row.event)].name).validate(json.loads(envelope(row)))


def accept(drafts: list[Draft]) -> list[Row]:
    """The rows of intake's log."""
    return list(asyncio.run(MemoryLog("intake").append("city", drafts)))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["type"])
def test_an_event_of_every_kind_is_as_the_document_says(event: dict[str, Any]) -> None:
    payload_validator(event["type"]).validate(event)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["type"])
def test_an_event_with_a_changed_field_is_not_as_the_document_says(event: dict[str, Any]) -> None:
    for changed in changes(event):
        assert not payload_validator(event["type"]).is_valid(changed), changed


def changes(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the event with one field missing, of another kind, or too many, at every level."""
    for path in objects(event):
        yield alter(event, [*path, "surplus"], 1)
        for name in value_at(event, path):
            yield alter(event, [*path, name], [[]])
            if name != "causationid":
                yield alter(event, [*path, name], MISSING)
    for name in ("dataclassification", "dataschema", "id", "source", "specversion", "time", "type"):
        yield {**event, name: f"{event[name]}-"}
    yield {**event, "position": 0}


MISSING = object()
OPEN = (
    "gridcall.action-waits.v1",
    ["data", "data"],
)  # The one object that may have any field: an action, taken apart.


def objects(event: dict[str, Any]) -> list[list[Any]]:
    """The paths of all objects in an event that are closed."""
    paths: list[list[Any]] = [[]]
    for path in paths:  # It grows as it is walked.
        inside = value_at(event, path)
        named = inside.items() if isinstance(inside, dict) else enumerate(inside)
        paths += [
            [*path, name]
            for name, value in named
            if isinstance(value, dict | list) and (event["type"], [*path, name]) != OPEN
        ]
    return [path for path in paths if isinstance(value_at(event, path), dict)]


def value_at(event: Any, path: list[Any]) -> Any:
    for name in path:
        event = event[name]
    return event


def alter(event: dict[str, Any], path: list[Any], value: object) -> dict[str, Any]:
    """Return a copy of the event with another value at a path, or none."""
    copy: dict[str, Any] = json.loads(json.dumps(event))
    inside = value_at(copy, path[:-1])
    if value is MISSING:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return copy


@pytest.mark.parametrize("watermark", [-62_135_596_800_000_000, 1_420_089_609_000_000])
def test_a_watermark_is_as_the_document_says(watermark: int) -> None:
    mark = {"generation": 1, "log": "intake", "pos": 0, "shard": "city", "w": watermark}
    assert payload_validator("watermark").is_valid(mark)
    assert not payload_validator("watermark").is_valid({**mark, "log": "unknown"})
    assert not payload_validator("watermark").is_valid({**mark, "more": 1})
