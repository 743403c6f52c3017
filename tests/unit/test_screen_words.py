"""The words of the page: both languages have every word, every event and every stage."""

from __future__ import annotations

import json
import re
from string import Formatter
from typing import get_args

import msgspec
import pytest

from events.catalogue import CaseEnded
from events.registry import CATALOGUE, TYPE_OF, EventType
from screen.routes import HOME
from screen.words import FOLDER, LANGUAGES, choose_language, words

STAGES = sorted({kind.case_stage for kind in CATALOGUE.values() if kind.case_stage})


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=lambda kind: kind.short)
def test_every_event_has_a_name(kind: EventType, language: str) -> None:
    assert words(language)[f"event.{kind.short}"], f"libs/events/catalogue: words of {kind.short}"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_of_a_case_has_a_word(stage: str, language: str) -> None:
    assert words(language)[f"state.{stage}"]


def test_the_page_knows_the_stages_in_which_a_case_has_ended() -> None:
    listed = re.search(r"const ENDED = (\[.*\]);", script("case_details.js"))
    ended = {TYPE_OF[kind].case_stage for kind in get_args(CaseEnded)}
    assert listed, "services/screen/static/case_details.js: ENDED"
    assert set(json.loads(listed[1])) == ended, "services/screen/static/case_details.js: ENDED"


def test_the_page_raises_alarms_about_events_of_the_catalogue() -> None:
    alarms = re.findall(r'^  "([a-z-]+)": "', script("states.js"), re.MULTILINE)
    assert alarms
    assert set(alarms) <= {kind.short for kind in CATALOGUE.values()}


def script(name: str) -> str:
    """Return a script of the page."""
    return (HOME / "static" / name).read_text(encoding="utf-8")


def test_both_languages_have_the_same_keys_and_the_same_values_in_them() -> None:
    zh, en = (words(language) for language in LANGUAGES)
    assert zh.keys() == en.keys()
    assert {key: names_in(zh[key]) for key in zh} == {key: names_in(en[key]) for key in en}


def names_in(text: str) -> set[str | None]:
    """Return the names that a text has in braces."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_file_does_not_repeat_the_name_of_an_event(language: str) -> None:
    own = msgspec.json.decode((FOLDER / f"{language}.json").read_bytes(), type=dict[str, str])
    assert not {f"event.{kind.short}" for kind in CATALOGUE.values()} & own.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_that_the_page_names_is_there(language: str) -> None:
    sources = [*(HOME / "static").glob("*.js"), HOME / "templates" / "page.html"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    named = set(re.findall(r'words(?:\(|\[)["\']([a-z_.]+)["\']', text))
    assert len(named) > 50
    assert {name for name in named if not name.endswith(".")} <= words(language).keys()


@pytest.mark.parametrize(
    ("requested", "accepted", "language"),
    [
        ("en", "zh-CN", "en"),
        ("fr", "en-GB,zh;q=0.5", "en"),
        (None, "fr, zh-CN;q=0.9", "zh"),
        (None, "", "zh"),
    ],
)
def test_the_page_speaks_the_requested_language_or_the_browsers_or_chinese(
    requested: str | None, accepted: str, language: str
) -> None:
    assert choose_language(requested, accepted) == language
