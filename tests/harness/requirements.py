"""What a test needs of the machine."""

from __future__ import annotations

import os

import pytest


def require(present: bool, sentence: str) -> None:
    """Skip the test with `sentence` if what it needs is absent, and fail it where CI is set."""
    if present:
        return
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)
