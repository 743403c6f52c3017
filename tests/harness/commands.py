"""Commands of gridcall, run in processes as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys

from click.testing import CliRunner

from gridcall.cli.main import main
from tests.harness.paths import PATHS, ROOT


def environment() -> dict[str, str]:
    """Return the environment of a command: the code of this checkout, and a wide terminal."""
    return {**os.environ, "PYTHONPATH": PATHS, "COLUMNS": "120"}


def run_gridcall(*words: object) -> subprocess.CompletedProcess[str]:
    """Run a command on the database that the environment names."""
    command = [sys.executable, "-m", "gridcall", *map(str, words)]
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=False, timeout=120
    )


def database_environment(database: str) -> dict[str, str]:
    """Return the environment of a command that uses a database."""
    return {**environment(), "GRIDCALL_DATABASE_URL": database}


def run_on_database(database: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a command on a database."""
    command = [sys.executable, "-m", "gridcall", *map(str, words)]
    return subprocess.run(
        command,
        env=database_environment(database),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def read_refusal(database: str, *words: object) -> str:
    """Run a command that is refused with status 3, and return its one sentence."""
    done = run_on_database(database, *words)
    assert done.returncode == 3, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, f"a sentence, and no traceback: {done.stderr}"
    return done.stderr


def invoke(database: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a command on a database in this process, which saves the second of its imports.

    No loop may run in this thread. An error that ends the program with a sentence is raised here.
    """
    runner = CliRunner(env={"GRIDCALL_DATABASE_URL": database})
    result = runner.invoke(main, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return subprocess.CompletedProcess(
        [*map(str, words)], result.exit_code, result.stdout, result.stderr
    )


def read_output(database: str, *words: object) -> str:
    """Run a command on a database in this process, and return its stdout."""
    done = invoke(database, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_verification(database: str, *words: object) -> str:
    """Return what verify says of a system that was stopped: a stage may have rows left to apply."""
    done = invoke(database, "verify", *words)
    assert done.returncode in (0, 4), done.stdout + done.stderr
    return done.stdout
