"""The environment variables of `python -m assessment`."""

from __future__ import annotations

from eventlog.settings import StageSettings, peer_setting, port_setting
from events.topology import SERVICE


class AssessmentSettings(StageSettings):
    """The settings of assessment, which reads the logs of routing and escalation."""

    port: int = port_setting(SERVICE["assessment"].port)
    intake_url: str = peer_setting("intake", SERVICE["intake"].port)
    routing_url: str = peer_setting("routing", SERVICE["routing"].port)
    escalation_url: str = peer_setting("escalation", SERVICE["escalation"].port)
