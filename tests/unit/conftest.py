"""A unit test has no database, no broker and no network. What needs one belongs to another tier."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest

from tests.harness.kernel.events import toy_events


@pytest.fixture(autouse=True)
def no_input_or_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a unit test that connects to a server or starts a process."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError(
            "a unit test neither connects nor starts a process: move it to tests/integration"
        )

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)


@pytest.fixture
def toys() -> Iterator[None]:
    """Enter the events of the toy domain in the registry."""
    with toy_events():
        yield
