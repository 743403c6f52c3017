"""Check the language: `python -m tools.language [path ...]`.

Without a path the whole tree and the subjects of commits are checked.
"""

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from tools.language.checks import check_source
from tools.language.commits import check_commits
from tools.language.figures import figures
from tools.language.finding import Finding
from tools.language.source import tracked_sources


def main(arguments: list[str] | None = None) -> int:
    """Run the checks and return the exit status: 1 if something is refused."""
    options = parser().parse_args(arguments)
    root = options.root.resolve()
    if options.figures:
        print_figures(root, as_json=options.json)
        return 0
    findings = gather(root, options.paths)
    print_findings(findings, as_json=options.json, summary_only=options.summary)
    return 1 if findings else 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="python -m tools.language", description=__doc__)
    made.add_argument("paths", nargs="*", help="files or folders; default: the whole tree")
    made.add_argument("--root", type=Path, default=Path.cwd(), help="the checkout")
    made.add_argument("--json", action="store_true", help="print JSON")
    made.add_argument("--summary", action="store_true", help="print counts only")
    made.add_argument("--figures", action="store_true", help="print the shares of the whole tree")
    return made


def gather(root: Path, paths: list[str]) -> list[Finding]:
    """Return all findings below the paths; commits count when the whole tree is checked."""
    below = [str(Path(path)) for path in paths]
    findings = [
        finding for source in tracked_sources(root, below) for finding in check_source(source)
    ]
    if not paths:
        findings += check_commits(root)
    return sorted(findings)


def count(findings: list[Finding]) -> dict[str, dict[str, int]]:
    """Return the number of findings per folder and check."""
    counts: dict[str, Counter[str]] = {}
    for finding in findings:
        counts.setdefault(finding.folder, Counter())[finding.check] += 1
    return {folder: dict(sorted(numbers.items())) for folder, numbers in sorted(counts.items())}


def print_findings(findings: list[Finding], *, as_json: bool, summary_only: bool) -> None:
    """Print findings line by line, then their counts; or all of it as JSON."""
    counts = count(findings)
    if as_json:
        items = [] if summary_only else [asdict(finding) for finding in findings]
        print(json.dumps({"findings": items, "counts": counts}, indent=1))
        return
    if not summary_only:
        print(*findings, sep="\n", end="\n" if findings else "")
    for folder, numbers in counts.items():
        print(f"{folder}: " + ", ".join(f"{check} {number}" for check, number in numbers.items()))
    if not findings:
        print("language: ok")


def print_figures(root: Path, *, as_json: bool) -> None:
    """Print the figures of the tree."""
    measured = figures(root)
    if as_json:
        print(json.dumps(measured, indent=1))
    else:
        print(*(f"{name:<52} {value}" for name, value in measured.items()), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
