"""Errors of a database, and the comparison with what was announced of it."""

from __future__ import annotations

import ssl

import asyncpg
import pytest

from eventlog.postgres.address import check_address, public_address
from eventlog.postgres.faults import translate
from eventlog.postgres.generation import Announced, Head, difference
from events.errors import Unavailable, Unusable

G, LATER = 7, 8  # Generations.
ANNOUNCED = Announced("system", "00000001", {"city": Head(G, 20, 500)})
REFUSED_CERTIFICATE = ssl.SSLCertVerificationError()
REFUSED_CERTIFICATE.verify_message = "x"


@pytest.mark.parametrize(
    ("fault", "kind", "sentence"),
    [
        (asyncpg.DiskFullError("x"), Unusable, "the disk of the database is full: x; make room"),
        (asyncpg.ReadOnlySQLTransactionError("x"), Unusable, "read-only: x; end that"),
        (asyncpg.ObjectNotInPrerequisiteStateError("x"), Unusable, "standby: x; name its primary"),
        (asyncpg.InsufficientPrivilegeError("x"), Unusable, "lacks a right: x; grant it"),
        (asyncpg.InvalidPasswordError("x"), Unusable, "refuses the role or its password: x"),
        (asyncpg.InvalidCatalogNameError("x"), Unusable, "there is no such database: x; check"),
        (asyncpg.UndefinedTableError("x"), Unusable, "missing: x; gridcall up brings them"),
        (asyncpg.InvalidSchemaNameError("x"), Unusable, "missing: x; gridcall up brings them"),
        (asyncpg.DataCorruptedError("x"), Unusable, "damaged: x; see the database's own log"),
        (asyncpg.PostgresIOError("x"), Unusable, "damaged: x; see the database's own log"),
        (asyncpg.exceptions.ClientConfigurationError("x"), Unusable, "the URL of the database is"),
        (REFUSED_CERTIFICATE, Unusable, "is refused: x; check sslrootcert and the host"),
        (asyncpg.TooManyConnectionsError("x"), Unavailable, "the database is busy: x"),
        (asyncpg.LockNotAvailableError("x"), Unavailable, "the database is busy: x"),
        (asyncpg.DeadlockDetectedError("x"), Unavailable, "the database is busy: x"),
        (asyncpg.CannotConnectNowError("x"), Unavailable, "cannot be reached"),
        (asyncpg.AdminShutdownError("x"), Unavailable, "cannot be reached"),
        (asyncpg.ConnectionDoesNotExistError("x"), Unavailable, "cannot be reached"),
        (asyncpg.InterfaceError("x"), Unavailable, "cannot be reached"),
        (ConnectionRefusedError("x"), Unavailable, "cannot be reached"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_of_the_database_says_what_to_do(
    fault: Exception, kind: type[Unavailable], sentence: str
) -> None:
    translated = translate(fault)
    assert type(translated) is kind
    assert sentence in str(translated)


@pytest.mark.parametrize(
    "fault", [asyncpg.UniqueViolationError("x"), asyncpg.PostgresSyntaxError("x"), KeyError("x")]
)
def test_a_fault_of_gridcall_is_not_taken_for_one_of_the_database(fault: Exception) -> None:
    assert translate(fault) is None


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://host/name", "begins with 'mysql'"),
        ("host/name", "begins with no scheme"),
        ("postgresql://host", "names none"),
        ("postgresql://host/", "names none"),
        ("postgresql://host:port/name", "port that is no number"),
        ("postgresql://host:99999/name", "port that is no number"),
        ("postgresql://role:secret#1@host/name", "port that is no number"),
        ("postgresql://role:secret/1@host/name", "port that is no number"),
    ],
)
def test_a_wrong_url_is_refused_with_an_example_and_without_its_password(
    url: str, sentence: str
) -> None:
    with pytest.raises(Unusable, match="postgresql://USER@HOST/NAME") as refused:
        check_address(url)
    assert sentence in str(refused.value)
    assert "secret" not in str(refused.value)


def test_an_address_has_no_role_and_no_password() -> None:
    check_address("postgres://role:secret@host:5433/name?sslmode=require")
    assert public_address("postgres://role:secret@host:5433/name") == "host:5433/name"
    assert public_address("postgresql://other:new@host:5433/name") == "host:5433/name"
    embedded = "postgresql://postgres:@/gridcall?host=/a%20b/postgres&port=5432"
    assert public_address(embedded) == "/a b/postgres:5432/gridcall"


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (ANNOUNCED, ""),
        (ANNOUNCED._replace(heads={"city": Head(G, 21, 501), "new": Head(9, 1, 1)}), ""),
        (ANNOUNCED._replace(heads={"city": Head(G, 19, 500)}), "ends at 19, but 20 was announced"),
        (ANNOUNCED._replace(heads={"city": Head(G, 20, 499)}), "ends at 20, but 20 was announced"),
        (ANNOUNCED._replace(heads={"city": Head(G - 1, 30, 900)}), "ends at 30, but 20 was"),
        (ANNOUNCED._replace(heads={}), "ends at 0, but 20 was announced"),
        (ANNOUNCED._replace(heads={"city": Head(LATER, 15, 400)}), ""),
        (ANNOUNCED._replace(timeline="00000002"), "promoted, or exchanged"),
        (ANNOUNCED._replace(system="other"), "promoted, or exchanged"),
        (Announced("other", "00000002", {"city": Head(LATER, 15, 400)}), ""),
    ],
)
def test_a_database_is_the_announced_one_if_it_is_as_far_or_was_accepted_since(
    now: Announced, why: str
) -> None:
    why_not = difference("intake", now, ANNOUNCED)
    assert why in why_not
    assert bool(why_not) == bool(why)


def test_heads_that_kafka_knows_say_nothing_of_the_system() -> None:
    published = Announced("", "", {"city": Head(G, 20, 500)})
    assert difference("intake", ANNOUNCED._replace(system="any"), published) == ""
    assert "20 was announced" in difference("intake", ANNOUNCED._replace(heads={}), published)
