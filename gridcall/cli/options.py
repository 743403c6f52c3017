"""Options that several commands share."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click

from events.instants import instant_of
from events.texts import UNSEEN_CHARACTER
from gridcall.simulation.city.profile import DISTRICT_CODE


class SeenText(click.ParamType[str]):
    """A text of 1 to 200 characters that are all seen: it becomes a part of events."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not 0 < len(value.strip()) <= 200 or UNSEEN_CHARACTER.search(value):
            self.fail(
                f"{value!r}: write 1 to 200 characters that can be seen, without line breaks",
                param,
                ctx,
            )
        return value.strip()


class DistrictCode(click.ParamType[str]):
    """The code of a district. Row ids contain it and are split at slashes, so it has none."""

    name = "code"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(DISTRICT_CODE, value):
            self.fail(
                f"{value!r} is no district code: slashes and blanks are not allowed", param, ctx
            )
        return value


class InstantOf(click.ParamType[int]):
    """An instant, as RFC 3339 writes it."""

    name = "time"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        try:
            return value if isinstance(value, int) else instant_of(value)
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)


def parse_service_databases(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Return the URL of each service with a database of its own."""
    for value in values:
        if "=" not in value:
            raise click.BadParameter(
                f"{value!r}: write SERVICE=URL, for example routing=postgresql://HOST/routing"
            )
    return dict(value.split("=", 1) for value in values)


services_option = click.option(
    "--services/--database",
    "services",
    default=lambda: bool(os.environ.get("GRIDCALL_KAFKA")),
    help="Ask each service at its address, or read the one database. Default: the services if "
    "GRIDCALL_KAFKA is set.",
)
json_option = click.option("--json", "json_output", is_flag=True, help="Print JSON.")
only_district_option = click.option(
    "--district", metavar="CODE", help="The district. Not needed if there is only one."
)
district_option = click.option(
    "--district", required=True, type=DistrictCode(), metavar="CODE", help="The district."
)
districts_option = click.option(
    "--district",
    "districts",
    multiple=True,
    metavar="CODE",
    help="Only this district. May be repeated.",
)
profile_option = click.option(
    "--profile",
    "profile_path",
    required=True,
    type=click.Path(path_type=Path),
    help="The city's profile.",
)
service_databases_option = click.option(
    "--service-database",
    "service_databases",
    multiple=True,
    metavar="SERVICE=URL",
    callback=parse_service_databases,
    help="A service that has a database of its own. May be repeated.",
)
