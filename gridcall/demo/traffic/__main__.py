"""The program `python -m gridcall.demo.traffic`."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from gridcall.demo.keys import load_keys
from gridcall.demo.traffic.client import KeyRefused
from gridcall.demo.traffic.world import PER_HOUR, run_world


async def run_until_signal(work: Coroutine[Any, Any, None], *, until_input_ends: bool) -> None:
    """Run until SIGTERM or Ctrl-C. Standard input ends when the parent process does."""
    task, loop = asyncio.ensure_future(work), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    if until_input_ends:
        loop.add_reader(0, lambda: os.read(0, 4096) or task.cancel())
    with suppress(asyncio.CancelledError):
        await task


@click.command()
@click.option("--url", required=True, help="The address of the intake API.")
@click.option(
    "--folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of keys.json and receipts.ndjson.",
)
@click.option(
    "--speed", default=60.0, show_default=True, help="Seconds of the district in a second."
)
@click.option("--seed", default=1, show_default=True, help="The seed of chance.")
@click.option(
    "--per-hour", default=PER_HOUR, show_default=True, help="Issues in a busy hour of the district."
)
@click.option("--until-input-ends", is_flag=True, help="End with standard input.")
def main(
    url: str, folder: Path, speed: float, seed: int, per_hour: float, until_input_ends: bool
) -> None:
    """Simulate the platforms that report and the people who act."""
    world = run_world(url, load_keys(folder), folder, speed, seed, per_hour)
    try:
        asyncio.run(run_until_signal(world, until_input_ends=until_input_ends))
    except ExceptionGroup as faults:
        if others := faults.split(KeyRefused)[1]:
            raise others from None
        raise click.ClickException(str(faults.exceptions[0])) from None


if __name__ == "__main__":
    main()
