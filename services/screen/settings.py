"""The environment variables of `python -m screen`."""

from __future__ import annotations

from eventlog.settings import ServiceSettings, peer_setting, port_setting
from events.topology import SERVICE


class ScreenSettings(ServiceSettings):
    """The settings of screen, which reads three logs into a read model."""

    port: int = port_setting(SERVICE["screen"].port)
    intake_url: str = peer_setting("intake", SERVICE["intake"].port)
    routing_url: str = peer_setting("routing", SERVICE["routing"].port)
    escalation_url: str = peer_setting("escalation", SERVICE["escalation"].port)
