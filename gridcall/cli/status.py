"""`gridcall status`: the progress of every service, the open cases and calls, and what is wrong."""

from __future__ import annotations

import asyncio
import os

import click

from gridcall.cli.options import json_option, services_option
from gridcall.cli.queries import run_on_database
from gridcall.cli.terminal import emit, print_rows
from gridcall.host.status import services_status, status
from gridcall.simulation.reports.files import as_json

HEAD_DIGITS = 16  # Enough to compare by eye; --json has all of them.


@click.command("status")
@services_option
@json_option
def status_command(services: bool, json_output: bool) -> None:
    """Show position, lag and owner of every service in every district, and what is open.

    `head` is the hash that covers all inputs of a district: see gridcall sign-head.

    \b
    Replays and what is wrong follow: gridcall doctor says more about it.
    With --services each service is asked, and the screen shows what is open.
    Example:     gridcall status --json
    """
    if services:
        current = asyncio.run(services_status(os.environ.get("GRIDCALL_SERVICE_KEY", "")))
    else:
        current = run_on_database(status)
    if json_output:
        emit(as_json(current))
        return
    print_rows(
        [shard | {"head": shard["head"][:HEAD_DIGITS]} for shard in current["shards"]],
        json_output=False,
        empty="no district yet: gridcall district add CODE",
    )
    for district, counts in current["open"].items():
        text = ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items()))
        emit(f"{district}: {text or 'no case'}\n".encode())
    for finding in current["findings"]:
        emit(f"{finding['result']} {finding['check']}: {finding['text']}\n".encode())


COMMANDS = {"status": status_command}
