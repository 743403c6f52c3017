"""The environment variables of `python -m intake`."""

from __future__ import annotations

from pydantic import Field

from eventlog.settings import StoringSettings, peer_setting, port_setting
from events.topology import SERVICE


class IntakeSettings(StoringSettings):
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
