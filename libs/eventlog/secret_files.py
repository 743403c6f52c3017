"""Secrets in files: a folder with a file for each variable, as Kubernetes mounts a Secret."""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping
from pathlib import Path

FOLDER = "GRIDCALL_SECRETS"
NAME = re.compile("[A-Z][A-Z0-9_]*")


def load_secret_files(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set the variables that the folder GRIDCALL_SECRETS has as files. One that is set stays.

    So the description of a pod and the environment that a process was started with have no secret.
    The names of other files are no variables. Raises OSError.
    """
    folder = environment.get(FOLDER)
    for file in sorted(Path(folder).iterdir()) if folder else ():
        if NAME.fullmatch(file.name) and not environment.get(file.name):
            environment[file.name] = file.read_text().rstrip("\n")
