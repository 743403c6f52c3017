"""The sentences of the walk-through, and its display of answers and sheets."""

from __future__ import annotations

import re

import pytest

from gridcall.cli.demo import language_of
from gridcall.demo.presenter import SENTENCES
from gridcall.demo.walkthrough.chapters import CHAPTERS
from gridcall.demo.walkthrough.chapters.count import parse_figures
from gridcall.demo.walkthrough.display import short_json


def test_both_languages_have_every_sentence_with_the_same_facts() -> None:
    for name, by_language in SENTENCES.items():
        facts = {
            language: sorted(re.findall(r"\{(\w+)", sentence))
            for language, sentence in by_language.items()
        }
        assert set(facts) == {"en", "zh"}, name
        assert facts["en"] == facts["zh"], name
    for chapter in CHAPTERS:
        assert {chapter.__name__, f"{chapter.__name__}.why"} <= SENTENCES.keys()


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": ""}, "en"),
    ],
)
def test_the_locale_names_the_language(environment: dict[str, str], language: str) -> None:
    assert language_of(environment) == language


def test_a_shown_answer_marks_what_it_leaves_out() -> None:
    answer = {"id": "0123456789abcdef0123456789abcdef", "because": None, "digest": 1}
    assert short_json(answer) == '{"id": "01234567…", …}'


def test_the_figures_of_several_months_are_summed() -> None:
    november = "2026-11  w\nreported     1  cases/8\n"
    december = "2026-12  w\nreported     2  cases/9 cases/10\n"
    assert parse_figures(f"{november}\n{december}")["reported"] == 3
