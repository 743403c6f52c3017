"""The log of a process: one formatter for all lines, on stderr.

A line is JSON with time, level, service, district and message. On a terminal it is plain text.
`GRIDCALL_LOG` is `json` or `text` where that shall not be guessed.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Any

LOGGER = "gridcall"
FORMAT_VARIABLE = "GRIDCALL_LOG"


def configure_logging(service: str) -> None:
    """Write all log lines of this process to stderr. `service` is named where a line names none."""
    guess = "text" if sys.stderr.isatty() else "json"
    is_text = (os.environ.get(FORMAT_VARIABLE) or guess) == "text"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter(service) if is_text else JsonFormatter(service))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    logging.getLogger(LOGGER).setLevel(logging.INFO)


class JsonFormatter(logging.Formatter):
    """One JSON object a line, in ASCII: no text from outside can hide or fake a line."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(fields_of(record, self._service) | self._exception(record))

    def _exception(self, record: logging.LogRecord) -> dict[str, str]:
        return {"exception": self.formatException(record.exc_info)} if record.exc_info else {}


class TextFormatter(logging.Formatter):
    """One line for people: time of day, level, service and district, message."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        fields = fields_of(record, self._service)
        where = " ".join(filter(None, (fields["service"], fields.get("district"))))
        line = f"{fields['time'][11:19]} {fields['level']:8} {where}: {fields['message']}"
        if record.exc_info:
            return f"{escape(line)}\n{self.formatException(record.exc_info)}"
        return escape(line)


def fields_of(record: logging.LogRecord, service: str) -> dict[str, Any]:
    """Return the fields of a line. `extra` of the call names another service, and a district."""
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    fields = {
        "time": time.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "service": getattr(record, "service", "") or service,
        "district": getattr(record, "district", ""),
        "message": record.getMessage(),
        "logger": "" if record.name == LOGGER else record.name,
    }
    return {name: value for name, value in fields.items() if value}


def escape(text: str) -> str:
    """Return a text in which every character that cannot be seen is written as an escape."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
