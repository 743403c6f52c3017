"""The environment variables of `python -m intake`, and those of its limits."""

from __future__ import annotations

from pydantic import Field

from eventlog.settings import HttpSettings, ServiceSettings, peer_setting, port_setting
from events.topology import SERVICE


class LimitSettings(HttpSettings):
    """The limits of connections and of keys, which `gridcall up` reads, too."""

    rate_per_second: float = Field(
        1_000,
        ge=0,
        description="items a second that a key may send to a line for ever; 0 is no limit",
        examples=["50"],
    )
    rate_burst: int = Field(
        5_000_000,
        ge=1,
        description="items that a key may send to a line at once, before that rate holds",
        examples=["100000"],
    )


class IntakeSettings(ServiceSettings, LimitSettings):
    """The settings of intake, which asks the stages for outcomes, and the screen for cases."""

    port: int = port_setting(SERVICE["intake"].port)
    routing_url: str = peer_setting("routing", SERVICE["routing"].port)
    escalation_url: str = peer_setting("escalation", SERVICE["escalation"].port)
    screen_url: str = peer_setting("screen", SERVICE["screen"].port)
    fed: bool = Field(
        False,
        description="true if time passes only with what is fed, as simulate does",
        examples=["true"],
    )
