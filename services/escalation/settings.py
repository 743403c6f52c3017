"""The environment variables of `python -m escalation`."""

from __future__ import annotations

from eventlog.settings import StageSettings, peer_setting, port_setting
from events.topology import SERVICE


class EscalationSettings(StageSettings):
    """The settings of escalation, which reads the log of routing."""

    port: int = port_setting(SERVICE["escalation"].port)
    intake_url: str = peer_setting("intake", SERVICE["intake"].port)
    routing_url: str = peer_setting("routing", SERVICE["routing"].port)
