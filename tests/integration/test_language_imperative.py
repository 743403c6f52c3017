"""Ask ruff for docstrings that are not in the imperative."""

from pathlib import Path

from tools.language.imperative import check_imperatives


def test_ruff_is_asked_for_the_imperative(tmp_path: Path) -> None:
    """A docstring that describes is refused, one that commands is not."""
    (tmp_path / "a.py").write_text(
        'def row():\n    """The row."""\n\n\ndef end():\n    """End."""\n'
    )
    assert [(item.path, item.line) for item in check_imperatives(tmp_path, [])] == [("a.py", 2)]
