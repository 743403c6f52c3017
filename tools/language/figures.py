"""The figures of the language: shares of names, docstrings, lines and subjects."""

from pathlib import Path
from statistics import median

from tools.language.checks import check_openings, check_participles, check_widths
from tools.language.commits import COLUMNS, LAST_OF_THE_OLD_STYLE, commits
from tools.language.source import tracked_sources


def figures(root: Path) -> dict[str, str]:
    """Return each figure by its name, of the checkout at `root`."""
    sources = list(tracked_sources(root, []))
    functions = sum(len(source.functions) for source in sources)
    docstrings = sum(len(source.docstrings) for source in sources)
    participles = sum(len(list(check_participles(source))) for source in sources)
    openings = sum(len(list(check_openings(source))) for source in sources)
    widths = sum(len(list(check_widths(source))) for source in sources)
    return {
        "functions named by a bare participle": share(participles, functions),
        "docstrings with a question word or pronoun first": share(openings, docstrings),
        "lines over 100 columns": f"{widths:,}",
        **subject_figures(root, LAST_OF_THE_OLD_STYLE, "before"),
        **subject_figures(root, f"{LAST_OF_THE_OLD_STYLE}..HEAD", "since"),
    }


def subject_figures(root: Path, revisions: str, when: str) -> dict[str, str]:
    """Return the figures of the subjects in a range of commits."""
    lengths = [len(commit.subject) for commit in commits(root, revisions)]
    if not lengths:
        return {}
    over = sum(length > COLUMNS for length in lengths)
    return {
        f"commit subjects over {COLUMNS} characters, {when}": share(over, len(lengths)),
        f"commit subjects, median characters, {when}": f"{median(lengths):.0f}",
    }


def share(part: int, whole: int) -> str:
    """Return `part of whole (percent)`."""
    return f"{part:,} of {whole:,} ({part / whole:.1%})" if whole else "0"
