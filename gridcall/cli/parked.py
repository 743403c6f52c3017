"""`gridcall parked`: the cases that could not be decided."""

from __future__ import annotations

import asyncio
import os

import click

from gridcall.cli.options import json_option, services_option
from gridcall.cli.queries import run_on_database
from gridcall.cli.terminal import print_rows
from gridcall.host.status import parked, services_parked


@click.command("parked")
@services_option
@json_option
def parked_command(services: bool, json_output: bool) -> None:
    """List parked cases: deciding them failed, and their later inputs wait. See gridcall retry.

    \b
    Example:     gridcall parked
    """
    if services:
        rows = asyncio.run(services_parked(os.environ.get("GRIDCALL_SERVICE_KEY", "")))
    else:
        rows = run_on_database(parked)
    print_rows(rows, json_output, "no case is parked")


COMMANDS = {"parked": parked_command}
