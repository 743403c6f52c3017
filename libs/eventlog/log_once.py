"""Logs a condition once, however often it is met: again only when it changes, or was over."""

from __future__ import annotations

import logging


class LogOnce:
    """The log lines of one component. `about` names a condition; it has one sentence at a time."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._sentences: dict[str, str] = {}

    def warning(self, sentence: str, about: str = "") -> None:
        """Log a condition that goes away by itself."""
        self._log(logging.WARNING, sentence, about)

    def error(self, sentence: str, about: str = "") -> None:
        """Log a condition that an operator must end."""
        self._log(logging.ERROR, sentence, about)

    def clear(self, about: str | None = None) -> None:
        """Note that a condition is over; without `about`, that all of them are."""
        if about is None:
            self._sentences.clear()
        else:
            self._sentences.pop(about, None)

    def _log(self, level: int, sentence: str, about: str) -> None:
        if self._sentences.get(about) != sentence:
            self._sentences[about] = sentence
            self._logger.log(level, "%s", sentence)
