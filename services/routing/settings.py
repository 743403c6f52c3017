"""The environment variables of `python -m routing`."""

from __future__ import annotations

from eventlog.settings import StageSettings, peer_setting, port_setting
from events.topology import SERVICE


class RoutingSettings(StageSettings):
    """The settings of routing, which reads intake's log."""

    port: int = port_setting(SERVICE["routing"].port)
    intake_url: str = peer_setting("intake", SERVICE["intake"].port)
