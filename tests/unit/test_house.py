"""House rules of this repository that no other tool checks.

Each table of exceptions names what is still to be corrected. Entries leave it; none is added.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.paths import ROOT

LINES_MAX = 400
SUFFIXES = {".py", ".js", ".css", ".json", ".html"}
SLEEPING = {
    "tests/e2e/test_walkthrough.py": 1,
    "tests/integration/test_demo_traffic.py": 1,
    "tests/integration/test_inbound.py": 1,
    "tests/integration/test_kafka.py": 1,
    "tests/integration/test_kafka_rules.py": 1,
    "tests/integration/test_postgres.py": 1,
}
CLOCKS = {"monotonic", "perf_counter", "process_time", "time", "thread_time"}
CLOCK_READING = {
    "tests/e2e/test_demo.py": 2,
    "tests/integration/test_requests.py": 1,  # It names the instant of a sweep.
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def files(*folders: str, pattern: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob(pattern))


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def imports(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def calls(path: Path, wanted: Callable[[ast.Call], bool]) -> int:
    return sum(isinstance(node, ast.Call) and wanted(node) for node in nodes(path))


def callee(call: ast.Call) -> str:
    """Return the last name of what is called: `sleep` of asyncio's, anyio's or time's."""
    return ast.unparse(call.func).rpartition(".")[2]


def is_wait(call: ast.Call) -> bool:
    """Return whether a call waits for a length of time. A sleep of 0 only lets other tasks run."""
    return callee(call) == "sleep" and [ast.unparse(each) for each in call.args] != ["0"]


def is_clock(call: ast.Call) -> bool:
    return callee(call).removesuffix("_ns") in CLOCKS


def count_in_tests(wanted: Callable[[ast.Call], bool]) -> dict[str, int]:
    """Return the test modules with such calls, and their numbers."""
    counts = {name_of(path): calls(path, wanted) for path in files("tests", pattern="test_*.py")}
    return {name: count for name, count in counts.items() if count}


def test_no_test_is_imported_by_another_module() -> None:
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in files("tests", "benchmarks", "tools", pattern="*.py")
        for name in imports(path)
        if name.startswith("tests.") and (".test_" in name or ".conftest" in name)
    ]
    assert not wrong, "move what is shared to tests/harness"


def is_skip(call: ast.Call) -> bool:
    return ast.unparse(call.func).startswith(("pytest.skip", "pytest.mark.skip", "pytest.importor"))


def test_only_requirements_skip_a_test() -> None:
    """Check that a test which lacks Kafka, Postgres or the browser can fail in CI."""
    skipping = {name_of(path) for path in files("tests", pattern="*.py") if calls(path, is_skip)}
    assert skipping == {"tests/conftest.py", "tests/harness/requirements.py"}


def test_no_file_is_longer_than_400_lines() -> None:
    long = {
        name_of(path)
        for path in files("libs", "services", "gridcall", "benchmarks", pattern="*.*")
        if path.suffix in SUFFIXES and len(path.read_bytes().splitlines()) > LINES_MAX
    }
    assert not long, "split the file, because it has a second subject"


@pytest.mark.parametrize("text", ["anyio.sleep(1)", "sleep(0.1)", "asyncio.sleep(delay=1)"])
def test_a_wait_of_any_library_is_seen(text: str) -> None:
    assert is_wait(call_of(text))


@pytest.mark.parametrize("text", ["time.monotonic_ns()", "loop.time()", "perf_counter()"])
def test_a_clock_of_any_kind_is_seen(text: str) -> None:
    assert is_clock(call_of(text))


def call_of(text: str) -> ast.Call:
    """Return the call that an expression is."""
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)
    return call


def test_no_test_waits_for_a_length_of_time() -> None:
    assert count_in_tests(is_wait) == SLEEPING, "await an event, or use tests.harness.waiting"


def test_no_test_judges_by_a_clock() -> None:
    assert count_in_tests(is_clock) == CLOCK_READING, "count calls instead of seconds"


def raises_own_local(function: ast.AST) -> bool:
    """Return True for a function that raises an exception which one of its names keeps.

    The traceback has the function's frame, and the frame has the exception: a cycle. It keeps all
    that its frames have until the garbage collector looks.
    """
    caught = {
        handler.name for handler in ast.walk(function) if isinstance(handler, ast.ExceptHandler)
    }
    return any(
        isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Name)
        and node.exc.id.islower()
        and node.exc.id not in caught
        for node in ast.walk(function)
    )


def test_no_frame_keeps_the_exception_that_it_raises() -> None:
    wrong = [
        f"{name_of(path)}: {node.name}"
        for path in files("libs", "services", pattern="*.py")
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and raises_own_local(node)
    ]
    assert wrong == [], "raise the result of a call: a name would hold the exception in a cycle"


def test_commands_write_through_their_terminal() -> None:
    """Check that no text of others reaches a terminal with characters that command it."""
    wrong = [
        name_of(path)
        for path in files("gridcall/cli", pattern="*.py")
        if path.name != "terminal.py"
        and calls(path, lambda call: ast.unparse(call.func) in ("click.echo", "print"))
    ]
    assert wrong == [], "use say, emit, print_rows or fail of gridcall/cli/terminal.py"
