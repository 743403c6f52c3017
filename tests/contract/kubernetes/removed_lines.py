"""Each line of the manifests of production, removed on its own, and the policy that then fails."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tests.contract.kubernetes.policies import POLICIES, sentence
from tests.harness.manifests import TEMPLATES, Manifest, Manifests, manifests_of

HEAD = """# Lines of the manifests

Each line of the manifests in `deploy/k8s/production` is removed, one at a time, from what
`kubectl kustomize` renders. Each `true` and `false` is turned around, too. After each of these
changes one of the policies in `tests/contract/kubernetes` must fail.
`test_removed_lines.py` checks that. The table names the first policy that fails.

Lines of one kind share a row, however many places have them. `[]` stands for an element of a list,
and *pod* for what Deployments, Jobs and CronJobs make pods of. *{count:,}* changes were tried.
"""
TABLE = "| of | line | places | a policy that then fails |\n|---|---|---|---|"
NOTHING, WHOLE, POD = "**nothing**", "*the whole*", "pod"
Path = tuple[str | int, ...]


class Change(NamedTuple):
    """A line that is removed, or a truth that is turned around."""

    manifest: Manifest
    path: Path
    turned: bool = False


class Tried(NamedTuple):
    """A change of a manifest, and the policy that failed after it, empty if none did."""

    kind: str
    name: str
    change: str
    policy: str

    @property
    def place(self) -> str:
        return POD if self.change.startswith(f"`{POD}.") else self.kind


def changes(manifest: Manifest) -> Iterator[Change]:
    """Yield every change of a manifest."""
    for path, value in lines(manifest, ()):
        yield Change(manifest, path)
        if isinstance(value, bool):
            yield Change(manifest, path, turned=True)


def lines(node: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield each key and each element below a node, with its value."""
    steps = node.items() if isinstance(node, dict) else enumerate(node)
    for step, value in list(steps):
        yield (*path, step), value
        if isinstance(value, dict | list):
            yield from lines(value, (*path, step))


def failing_policy(manifests: Manifests, change: Change) -> str:
    """Return the first policy that fails after a change, which is then taken back."""
    *parents, last = change.path
    node: Any = change.manifest
    for step in parents:
        node = node[step]
    before = list(node.items()) if isinstance(node, dict) else list(node)
    if change.turned:
        node[last] = not node[last]
    else:
        del node[last]
    try:
        return first_failure(manifests)
    finally:
        node.clear()
        node.update(before) if isinstance(node, dict) else node.extend(before)


def first_failure(manifests: Manifests) -> str:
    """Return the sentence of the first policy that fails, empty if none does."""
    for policy in POLICIES["production"]:
        try:
            policy(manifests)
        except Exception:  # A line that is read and not there is a failure, too.
            return sentence(policy)
    return ""


def try_changes() -> Iterator[Tried]:
    """Yield all changes of the manifests of production."""
    manifests = manifests_of("production")
    for number, manifest in enumerate(list(manifests)):
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        del manifests[number]
        yield Tried(kind, name, WHOLE, first_failure(manifests))
        manifests.insert(number, manifest)
        for change in changes(manifest):
            yield Tried(kind, name, words(kind, change), failing_policy(manifests, change))


def words(kind: str, change: Change) -> str:
    """Return a change as a path without the numbers of elements."""
    template, path = TEMPLATES.get(kind), change.path
    in_pod = template is not None and path[: len(template)] == template != path
    if template is not None and in_pod:
        path = (POD, *path[len(template) :])
    steps = "".join("[]" if isinstance(step, int) else f".{step}" for step in path)
    return f"`{steps.lstrip('.')}`{' turned around' if change.turned else ''}"


def table(everything: Sequence[Tried]) -> str:
    """Return the page of all changes. Those of one kind share a row."""
    rows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in everything:
        rows[each.place, each.change].append(each.policy or NOTHING)
    text = [
        f"| {place} | {change} | {len(caught)} | {'; '.join(sorted(set(caught)))} |"
        for (place, change), caught in sorted(rows.items())
    ]
    return "\n".join([HEAD.format(count=len(everything)), TABLE, *text]) + "\n"
