"""`gridcall doctor`: finds what an operator must know, in all services, and names the next step."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import click

from embedded.server import data_folder, server_url
from eventlog.condition import Finding, server_summary, summary_of
from events.errors import Unavailable
from gridcall.cli.options import json_option, services_option
from gridcall.cli.terminal import UNREACHABLE, emit, one_line
from gridcall.host.conditions import diagnose, diagnose_database, look_at_services
from gridcall.host.examination import Look
from gridcall.simulation.reports.files import as_json
from intake.acceptor import now_us

FREE_MIB_MIN = 500


class CheckResult(NamedTuple):
    """A line of the doctor: `result` is ok, note or FAIL. `command` is the next step, if any."""

    check: str
    result: str
    text: str
    command: str = ""


@click.command("doctor")
@services_option
@json_option
def doctor_command(services: bool, json_output: bool) -> None:
    """Check all services and their database, and say what to do about a failure.

    \b
    Nothing is written. What may be over in seconds is looked at up to three times.
    With --services each service is asked at its own address, with GRIDCALL_SERVICE_KEY.
    Exit status: 0 every check is ok, or a note · 3 a check failed
    Example:     gridcall doctor
    """
    results = check_services() if services else check_home()
    if json_output:
        emit(as_json([result._asdict() for result in results]))
    else:
        emit("".join(lines_of(result) for result in results).encode())
    sys.exit(UNREACHABLE if any(result.result == "FAIL" for result in results) else 0)


def lines_of(result: CheckResult) -> str:
    """Return a result as text; its command has a line of its own."""
    line = f"{result.check:10} {result.result:5} {one_line(result.text)}\n"
    return f"{line}{'':16} → {result.command}\n" if result.command else line


# ── One database ─────────────────────────────────────────────────────────────────────────────────


def check_home() -> list[CheckResult]:
    """Return the results for the data folder and for the database of all services."""
    folder = check_folder()
    if not os.environ.get("GRIDCALL_DATABASE_URL") and not (data_folder() / "postgres").exists():
        text = f"none yet in {data_folder()}"
        return [folder, CheckResult("database", "note", text, "gridcall up makes it")]
    try:
        look, findings = asyncio.run(diagnose_database(server_url(create=False)))
    except (Unavailable, OSError) as fault:
        failure = CheckResult("database", "FAIL", str(fault), "see GRIDCALL_DATABASE_URL")
        return [folder, failure]
    where = "GRIDCALL_DATABASE_URL" if os.environ.get("GRIDCALL_DATABASE_URL") else "embedded"
    return [folder, *results_of(look, findings, f"{where}: ")]


def check_folder() -> CheckResult:
    """Return the result for the data folder. It must be writable and have room."""
    folder = data_folder()
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    if not os.access(existing, os.W_OK):
        text = f"{folder} is not writable"
        return CheckResult("folder", "FAIL", text, "name another folder in GRIDCALL_HOME")
    stat = os.statvfs(existing)
    free_mib = stat.f_bavail * stat.f_frsize // 2**20
    text = f"{folder}, {free_mib:,} MiB free"
    if free_mib < FREE_MIB_MIN:
        command = "make room, or name another folder in GRIDCALL_HOME"
        return CheckResult("folder", "FAIL", text, command)
    return CheckResult("folder", "ok", text)


# ── Each service ─────────────────────────────────────────────────────────────────────────────────


def check_services() -> list[CheckResult]:
    """Return the results for services that run separately, each asked at its own address."""
    key = os.environ.get("GRIDCALL_SERVICE_KEY", "")
    if not key:
        text = "GRIDCALL_SERVICE_KEY is not set: services answer nobody without it"
        return [CheckResult("services", "FAIL", text, "set it as the services have it")]
    look, findings = asyncio.run(diagnose(lambda: look_at_services(key)))
    return results_of(look, findings)


def results_of(look: Look, findings: Sequence[Finding], where: str = "") -> list[CheckResult]:
    """Return the findings check by check, and an ok for each check without a failure."""
    results: list[CheckResult] = []
    for check, text in ok_texts(look, where):
        of_check = [finding for finding in findings if finding.check == check]
        if all(finding.note for finding in of_check):
            results.append(CheckResult(check, "ok", text))
        results += [result_of(finding) for finding in of_check]
    checks = {result.check for result in results}
    return results + [result_of(each) for each in findings if each.check not in checks]


def result_of(finding: Finding) -> CheckResult:
    """Return a finding as a line."""
    result = "note" if finding.note else "FAIL"
    return CheckResult(finding.check, result, finding.sentence, finding.command)


def ok_texts(look: Look, where: str) -> Iterator[tuple[str, str]]:
    """Yield each check with what it says if nothing is wrong."""
    intake = look.conditions.get("intake")
    servers = {name: each.server for name, each in look.conditions.items() if each.server}
    response = f"; response in {look.took:.1f} s" if look.took else ""
    texts = [
        f"{where or f'{name}: '}{server_summary(server)}{response}"
        for name, server in servers.items()
    ]
    if texts:
        yield "database", "; ".join(dict.fromkeys(texts))
    if intake and intake.clock:
        yield "clock", f"{(intake.clock - now_us()) / 1e6:+,.3f} s beside this machine's"
        yield "districts", ", ".join(state.shard for state in intake.shards) or "none yet"
    for name, condition in look.conditions.items():
        yield name, summary_of(condition)


COMMANDS = {"doctor": doctor_command}
