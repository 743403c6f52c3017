"""The made-up city of profiles/exampleville: its files, and issues of its lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.harness.paths import ROOT

PROFILE = ROOT / "profiles" / "exampleville.yaml"
CITY = ROOT / "profiles" / "exampleville"
INPUTS = sorted(CITY.glob("*.csv"))
UNTIL = "2020-01-01"
POINT = {"lat": 53.335, "lon": -6.285}


def issue(reference: str, **more: Any) -> dict[str, Any]:
    return {
        "reference": reference,
        "category": "Noise",
        "place": {"point": POINT},
        "due": "2030-01-01T00:00:00Z",
        **more,
    }


def changed_profile(folder: Path, old: str, new: str) -> Path:
    text = PROFILE.read_text(encoding="utf-8")
    assert old in text
    path = folder / "profile.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path
