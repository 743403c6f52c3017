"""`gridcall parked`: the cases that could not be decided."""

from __future__ import annotations

import click

from gridcall.cli.options import json_option
from gridcall.cli.queries import run_on_database
from gridcall.cli.terminal import print_rows
from gridcall.host.status import parked


@click.command("parked")
@json_option
def parked_command(json_output: bool) -> None:
    """List parked cases: deciding them failed, and their later inputs wait. See gridcall retry.

    \b
    Example:     gridcall parked
    """
    print_rows(run_on_database(parked), json_output, "no case is parked")


COMMANDS = {"parked": parked_command}
