"""The checks of the language refuse planted bad lines, and leave plain English alone."""

import pytest

from tools.language.__main__ import count
from tools.language.checks import check_source
from tools.language.commits import Commit, check_subject
from tools.language.finding import Finding
from tools.language.source import Source

LONG = " ".join(["word"] * 26)


def checks_of(path: str, text: str) -> list[tuple[int, str]]:
    """Return line and check of each finding in a file."""
    return [(finding.line, finding.check) for finding in check_source(Source(path, text))]


@pytest.mark.parametrize("name", ["placed", "_gone", "ending", "written"])
def test_a_function_named_by_a_bare_participle_is_refused(name: str) -> None:
    """A participle neither acts nor names."""
    assert checks_of("a.py", f"def {name}():\n    pass\n") == [(1, "participle")]


@pytest.mark.parametrize("name", ["append", "commit", "routing", "is_placed", "parked", "seed"])
def test_a_verb_or_a_noun_is_a_name(name: str) -> None:
    """Verbs, nouns and the field's own terms pass."""
    assert checks_of("a.py", f"def {name}():\n    pass\n") == []


def test_a_function_named_by_a_preposition_is_refused() -> None:
    """A preposition neither acts nor names."""
    assert checks_of("a.py", "def until():\n    pass\n") == [(1, "function")]


@pytest.mark.parametrize("opening", ["What is read.", "Whether it ends.", "So it ends.", "As one."])
def test_a_docstring_that_begins_with_a_question_word_is_refused(opening: str) -> None:
    """The line is the docstring's, not the function's."""
    text = f'def read_row():\n    """{opening}"""\n'
    assert checks_of("a.py", text) == [(2, "opening")]


def test_the_old_dialect_is_refused_in_names_comments_and_messages() -> None:
    """Identifiers are looked at word by word."""
    text = "told_rows = 1  # Made anew.\nraise_error('whoever reads the row')\n"
    assert checks_of("a.py", text) == [(1, "word"), (1, "word"), (2, "word")]


def test_a_name_that_is_only_read_belongs_to_its_giver() -> None:
    """An import of another library's name is not ours to change."""
    assert checks_of("a.py", "print(shapely.ring, kept)\n") == []


@pytest.mark.parametrize(
    "sentence",
    [
        "It stands for one issue.",
        "Two grids that are 50 m apart.",
        "The petitioner is told in writing.",
        "Everything apart from this row.",
        "See [the API](docs/door.md) and `door.md`.",
    ],
)
def test_plain_english_stays_allowed(sentence: str) -> None:
    """Each banned word has the phrases in which it is a word of the field."""
    assert checks_of("a.md", f"{sentence}\n") == []


@pytest.mark.parametrize(
    "sentence", ["The row lies here.", "Rows are told.", "All is ILL.", "Keep them apart."]
)
def test_the_old_dialect_is_refused_in_documents(sentence: str) -> None:
    """Documents are read line by line."""
    assert checks_of("a.md", f"{sentence}\n") == [(1, "word")]


def test_a_line_over_100_columns_is_refused_except_in_tables_and_transcripts() -> None:
    """A Chinese character takes two columns."""
    wide = "一" * 51 + " x"
    text = f"| {wide} |\n```console\n{wide}\n```\n{wide}\nhttps://example.org/{'x' * 100}\n"
    assert checks_of("a.md", text) == [(5, "width")]


def test_a_sentence_over_25_words_is_refused() -> None:
    """The line is that on which the sentence begins; code counts as one word."""
    text = f"Short one.\n{LONG}.\n\n- `{LONG}` is one word.\n"
    assert [item for item in checks_of("a.md", text) if item[1] == "sentence"] == [(2, "sentence")]


@pytest.mark.parametrize(
    ("subject", "refused"),
    [
        ("routing: merge reports of one matter", 0),
        ("routing, screen: name the state", 0),
        ("Merge reports of one matter", 1),
        ("routing: " + "x" * 64, 1),
    ],
)
def test_a_commit_subject_has_an_area_and_at_most_72_characters(subject: str, refused: int) -> None:
    """A subject is checked once for each rule."""
    assert len(list(check_subject(Commit("abc1234", subject)))) == refused


def finding(path: str, line: int = 1) -> Finding:
    """Return a finding at a place."""
    return Finding(path, line, "word", "`x`", "old dialect", "write y")


def test_findings_are_counted_per_folder_and_check() -> None:
    """The summary names the first two parts of the path."""
    findings = [finding("libs/events/a.py"), finding("libs/events/core/b.py"), finding("a.md")]
    assert count(findings) == {".": {"word": 1}, "libs/events": {"word": 2}}


def test_a_finding_says_place_reason_and_remedy() -> None:
    """The line can be clicked in a terminal."""
    line = "docs/a.md:1: [word] `x`: old dialect; write y"
    assert str(finding("docs/a.md")) == line
