"""Requirements of a test that a machine may lack."""

from __future__ import annotations

import os

import pytest


def require(present: bool, sentence: str) -> None:
    """Skip the test with `sentence` if a requirement is absent, and fail it where CI is set."""
    if present:
        return
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)
