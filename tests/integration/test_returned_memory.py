"""The memory of large bodies returns to the system, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

LARGE_BODIES = """
from httpedge.memory import return_memory

def resident() -> int:
    pages = open("/proc/self/statm").read().split()[1]
    return int(pages) * 4096 // 2**20

return_memory()
before, kept = resident(), []
for mib in (24, 8):
    bodies = []
    for _ in range(8):
        bodies.append(b"x" * mib * 2**20)
        kept.append(b"y" * 100_000)
    bodies.clear()
print(resident() - before)
"""


def test_memory_of_large_bodies_returns_though_smaller_things_among_them_stay() -> None:
    """After a body of 24 MiB glibc would take smaller ones from the heap, among what stays."""
    process = subprocess.run(
        [sys.executable, "-c", LARGE_BODIES], check=True, capture_output=True, text=True
    )
    assert int(process.stdout) <= 4
