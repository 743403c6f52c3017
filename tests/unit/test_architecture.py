"""Rules of the architecture beside the import contracts in pyproject.toml."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from events.topology import SERVICES
from tests.harness.paths import ROOT

CODE = ("libs", "services", "gridcall")
STATEMENT = re.compile(
    r"\b(SELECT\b.*\bFROM|INSERT INTO|UPDATE\b.*\bSET|DELETE FROM|TRUNCATE"
    r"|CREATE (OR REPLACE )?\w+)\b",
    re.DOTALL,
)
SCHEMAS = "|".join(service.name for service in SERVICES)
OWN_TABLE = re.compile(rf"\b({SCHEMAS})\.[a-z_]+")
CATALOGUE_OF_POSTGRES = re.compile(r"\b(FROM|JOIN) (pg_\w+|generate_series|unnest)\b")
PROGRAM_FILES = ("__main__.py", "app.py", "settings.py")
FILES = sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py"))


def texts(path: Path) -> Iterator[str]:
    """Yield the string constants of a module, those of f-strings joined."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part for part in node.values if isinstance(part, ast.Constant)]
            yield "…".join(str(part.value) for part in parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def may_have_statements(path: Path) -> bool:
    """Return True for the stores, the migrations and the log on Postgres."""
    name = path.relative_to(ROOT)
    return (
        name.match("services/*/store.py")
        or name.match("services/*/store/*.py")
        or name.match("services/*/migrations/*.py")
        or name.is_relative_to("libs/eventlog/postgres")
    )


def schemas_of(path: Path) -> set[str]:
    """Return the schemas whose tables the statements of a module name."""
    return {
        table[1]
        for text in texts(path)
        if STATEMENT.search(text)
        for table in OWN_TABLE.finditer(text)
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sql_is_in_stores_and_in_the_log_on_postgres(path: Path) -> None:
    if may_have_statements(path):
        return
    statements = [text for text in texts(path) if STATEMENT.search(text)]
    assert statements == [], "move the statement to the store of the service whose table it is"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_service_names_tables_of_its_own_schema_alone(path: Path) -> None:
    name = path.relative_to(ROOT)
    own = {name.parts[1]} if name.parts[0] == "services" else set()
    assert schemas_of(path) <= own, "a schema is its service's own: ask the service's store"


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_service_is_a_program_with_the_same_files_as_the_others(service: object) -> None:
    folder = ROOT / "services" / getattr(service, "name", "")
    missing = [name for name in PROGRAM_FILES if not (folder / name).is_file()]
    assert missing == []
    assert any((folder / "core").glob("*.py")), "the pure part of a service is its core"


def imported_by(path: Path) -> set[str]:
    """Return the names that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_that_lists_events_loads_the_catalogue(path: Path) -> None:
    """The registry is empty until then. Only `eventlog` may not know what is in it."""
    names = imported_by(path)
    if path.is_relative_to(ROOT / "libs") or "events.registry.CATALOGUE" not in names:
        return
    assert any(name.startswith("events.catalogue") for name in names), "import events.catalogue"


def test_statements_are_recognised() -> None:
    assert STATEMENT.search("SELECT pos\nFROM intake.log")
    assert STATEMENT.search("UPDATE {schema}.shard SET pos = 1")
    assert not STATEMENT.search("Select a district from the list.")
    assert not STATEMENT.search("SELECT 1")
