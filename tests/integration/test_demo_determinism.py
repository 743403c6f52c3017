"""The demo district has the same bytes in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256

from gridcall.demo.licheng.contents import contents
from tests.harness.paths import PATHS, ROOT

PRINT_DIGEST = """
from tests.integration.test_demo_determinism import digest_of_district
print(digest_of_district())
"""


def digest_of_district() -> str:
    return sha256(b"".join(event.digest.encode() + body for event, body in contents())).hexdigest()


def test_another_process_with_another_hash_seed_makes_the_same_district() -> None:
    other = subprocess.run(
        [sys.executable, "-c", PRINT_DIGEST],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": PATHS, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == digest_of_district()
