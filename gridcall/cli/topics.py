"""`gridcall topics`: the topics of Kafka."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from eventlog.kafka.administration import apply, plan
from eventlog.kafka.topics import Cluster
from eventlog.settings import KafkaAccessSettings, load_settings
from gridcall.cli.options import json_option
from gridcall.cli.terminal import REJECTED, print_rows
from gridcall.host.topics import system_topics

DISTRICTS = 16  # An empty partition costs little.


@click.group("topics")
def topics_group() -> None:
    """Compare the broker's topics with what gridcall needs, and make them."""


def topics_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that both commands share."""
    for option in (
        json_option,
        click.option(
            "--districts",
            default=DISTRICTS,
            show_default=True,
            help="A partition each. More can be added, never fewer.",
        ),
        click.option(
            "--kafka",
            required=True,
            envvar="GRIDCALL_KAFKA",
            metavar="HOST:PORT[/PREFIX]",
            help="The broker.",
        ),
    ):
        command = option(command)
    return command


@topics_group.command("plan")
@topics_options
def topics_plan(kafka: str, districts: int, json_output: bool) -> None:
    """Show what the broker's topics lack, and change nothing.

    \b
    Exit status: 0 nothing · 1 something
    Example:     gridcall topics plan --kafka 127.0.0.1:19092
    """
    cluster = Cluster.parse(kafka, load_settings(KafkaAccessSettings).access)
    steps = asyncio.run(plan(cluster, system_topics(cluster, districts)))
    print_steps(steps, json_output)
    sys.exit(REJECTED if steps else 0)


@topics_group.command("apply")
@topics_options
def topics_apply(kafka: str, districts: int, json_output: bool) -> None:
    """Make missing topics and partitions. A different setting is shown and kept.

    \b
    Exit status: 0 all topics are as needed · 1 a setting differs
    Example:     gridcall topics apply --kafka 127.0.0.1:19092 --districts 12
    """
    cluster = Cluster.parse(kafka, load_settings(KafkaAccessSettings).access)
    steps = asyncio.run(apply(cluster, system_topics(cluster, districts)))
    print_steps(steps, json_output)
    sys.exit(REJECTED if any(step.what == "differs" for step in steps) else 0)


def print_steps(steps: Sequence[Any], json_output: bool) -> None:
    """Print the steps from the topics as they are to those that are needed."""
    print_rows([step._asdict() for step in steps], json_output, "All topics are as they should be.")


COMMANDS = {"topics": topics_group}
