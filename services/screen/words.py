"""The words of the page in each language: words/*.json, and the names that events declare."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

import events.catalogue  # noqa: F401  # Fills the registry.
from events.registry import newest_types

LANGUAGES = ("zh", "en")
FOLDER = Path(__file__).parent / "words"


@cache
def words(language: str) -> Mapping[str, str]:
    """Return every word of the page in a language, by key.

    `event.TYPE` is the name of an event, and `state.STAGE` that of the first event of a stage. The
    file has shorter words for most stages, and more words for some events, for example by level.
    """
    declared: dict[str, str] = {}
    for kind in newest_types():
        name = getattr(kind.words, language)
        declared[f"event.{kind.short}"] = name
        if kind.case_stage:
            declared.setdefault(f"state.{kind.case_stage}", name)
    path = FOLDER / f"{language}.json"
    return {**declared, **msgspec.json.decode(path.read_bytes(), type=dict[str, str])}


def choose_language(requested: str | None, accept_language: str) -> str:
    """Return the requested language, else the browser's first that there is, else Chinese."""
    if requested in LANGUAGES:
        return str(requested)
    accepted = (part.strip()[:2].lower() for part in accept_language.split(","))
    return next((language for language in accepted if language in LANGUAGES), LANGUAGES[0])
