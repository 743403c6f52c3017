"""Where real data lies, and what happens where it does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("GRIDCALL_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data. Without it a test is skipped by name, and fails where CI is set."""
    if not (DATA / "boston311_2015").is_dir():
        sentence = f"no real data in {DATA}: set GRIDCALL_DATA to the folder that has boston311_2015"
        pytest.fail(sentence) if os.environ.get("CI") else pytest.skip(sentence)
    return DATA
