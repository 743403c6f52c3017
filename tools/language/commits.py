"""Check the subjects of commits since the first one of this style."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.language.finding import Finding

LAST_OF_THE_OLD_STYLE = "7c31ea5"
COLUMNS = 72
AREA = re.compile(r"^[a-z][a-z0-9/_-]*(?:, [a-z][a-z0-9/_-]*)*: \S")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit's short digest and subject."""

    digest: str
    subject: str


def commits(root: Path, revisions: str) -> list[Commit]:
    """Return the commits of a range, newest first; none where git does not know the range."""
    command = ["git", "-C", str(root), "log", "--no-merges", "--format=%h %s", revisions]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return [Commit(*line.split(" ", 1)) for line in listed.stdout.splitlines()]


def check_commits(root: Path) -> Iterator[Finding]:
    """Refuse subjects over 72 characters and subjects without an area."""
    for commit in commits(root, f"{LAST_OF_THE_OLD_STYLE}..HEAD"):
        yield from check_subject(commit)


def check_subject(commit: Commit) -> Iterator[Finding]:
    """Refuse one subject that is too long or names no area."""
    path = f"commit {commit.digest}"
    if len(commit.subject) > COLUMNS:
        what = f"subject of {len(commit.subject)} characters"
        why, instead = f"over {COLUMNS}", "one change a commit; the body says why"
        yield Finding(path, 1, "commit", what, why, instead)
    if not AREA.match(commit.subject):
        what, why = f"subject `{commit.subject[:40]}`", "no area"
        yield Finding(path, 1, "commit", what, why, "write `area: imperative`")
