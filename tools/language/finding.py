"""One line of the repository that a check refuses."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A place, the check that refuses it, the reason, and what to write instead."""

    path: str
    line: int
    check: str
    what: str
    why: str
    instead: str

    @property
    def folder(self) -> str:
        """Return the folder in the summary of counts: the first two parts of the path."""
        parts = self.path.split("/")
        return "/".join(parts[: min(2, len(parts) - 1)]) or "."

    def __str__(self) -> str:
        """Return `path:line: what, why, what to write instead`."""
        return f"{self.path}:{self.line}: [{self.check}] {self.what}: {self.why}; {self.instead}"
