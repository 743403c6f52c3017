"""The counts that are still allowed: a ratchet per folder and check, which may only shrink."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from tools.language.finding import Finding

FILE = "tools/language/allowance.json"

Allowance: TypeAlias = dict[str, dict[str, int]]


def count(findings: Iterable[Finding]) -> Allowance:
    """Return the number of findings per folder and check."""
    counts: dict[str, Counter[str]] = {}
    for finding in findings:
        counts.setdefault(finding.folder, Counter())[finding.check] += 1
    return {folder: dict(sorted(counts[folder].items())) for folder in sorted(counts)}


def read_allowance(root: Path) -> Allowance:
    """Return the committed allowance; where there is no file, nothing is allowed."""
    path = root / FILE
    return json.loads(path.read_text()) if path.exists() else {}


def write_allowance(root: Path, allowance: Allowance) -> None:
    """Write an allowance, or remove the file when nothing is left to allow."""
    path = root / FILE
    if allowance:
        path.write_text(json.dumps(allowance, indent=1, sort_keys=True) + "\n")
    else:
        path.unlink(missing_ok=True)


def excess(findings: Iterable[Finding], allowance: Allowance) -> list[Finding]:
    """Return the findings of each folder and check that has more of them than allowed."""
    listed = list(findings)
    over = {
        (folder, check)
        for folder, counts in count(listed).items()
        for check, number in counts.items()
        if number > allowance.get(folder, {}).get(check, 0)
    }
    return [finding for finding in listed if (finding.folder, finding.check) in over]


def totals(allowance: Allowance) -> Counter[str]:
    """Return the number allowed per check over all folders."""
    total: Counter[str] = Counter()
    for counts in allowance.values():
        total.update(counts)
    return total


def grown_checks(new: Allowance, old: Allowance) -> list[str]:
    """Return the checks of which `new` allows more in total than `old`."""
    before = totals(old)
    return [check for check, number in totals(new).items() if number > before[check]]
