"""The sender of items that a test makes by itself."""

from __future__ import annotations

from eventlog.core.row import Sender

SENDER = Sender("test", "test")
