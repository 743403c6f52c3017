"""The embedded Postgres: its life with its users, its place, and who may connect to it."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from stat import S_IMODE

import pytest

from embedded.account import ACCESS, passage
from embedded.cluster import postmaster, processes_in
from embedded.server import start_server
from events.errors import Unusable
from tests.harness.commands import environment
from tests.harness.embedded import User, answers, connect_as, has_stopped, user
from tests.harness.exampleville import CITY, PROFILE
from tests.harness.paths import ROOT
from tests.harness.postgres import execute, fetch_rows, postmaster_of, supervisor_of
from tests.harness.requirements import require
from tests.harness.waiting import wait_until

LOG_BYTES_MAX = 4_000_000
NOBODY = pwd.getpwnam("nobody").pw_uid


@pytest.fixture
def root() -> None:
    require(os.geteuid() == 0, "only root can act as another user")


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that other users may enter. Those of pytest are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="gridcall-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def environment_of(home: Path) -> dict[str, str]:
    """Return the environment of a command on the embedded server of a data folder."""
    variables = {**environment(), "GRIDCALL_HOME": str(home)}
    variables.pop("GRIDCALL_DATABASE_URL")
    return variables


# ── Its users ────────────────────────────────────────────────────────────────────────────────────


def test_a_server_that_was_killed_is_started_again(tmp_path: Path) -> None:
    with user(tmp_path) as using:
        asyncio.run(execute(using.url, "CREATE TABLE committed AS SELECT 7 AS number"))
        killed = postmaster(tmp_path / "postgres")
        assert killed
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: postmaster(tmp_path / "postgres") not in (None, killed))
        wait_until(lambda: answers(using.url))
        assert fetch_rows(using.url, "SELECT number FROM committed")[0]["number"] == 7
        assert using.end() == 0
    assert has_stopped(tmp_path)


def test_a_server_whose_supervisor_was_killed_is_started_by_its_users(tmp_path: Path) -> None:
    with user(tmp_path) as one, user(tmp_path) as other:
        server = start_server(tmp_path)
        killed = postmaster_of(server)
        os.kill(supervisor_of(server), signal.SIGKILL)
        wait_until(lambda: postmaster(tmp_path / "postgres") not in (None, killed))
        wait_until(lambda: answers(one.url))
        assert one.url == other.url == server.get_uri()
        server.cleanup()
    wait_until(lambda: has_stopped(tmp_path))


def test_a_server_stops_with_its_last_user_also_if_that_was_killed(tmp_path: Path) -> None:
    with user(tmp_path) as one, user(tmp_path) as other:
        one.kill()
        assert other.end() == 0
        assert has_stopped(tmp_path), "who ends in order waits for the server"
    with user(tmp_path) as one, user(tmp_path) as other:
        assert one.end() == 0
        assert answers(other.url)
        other.kill()
        wait_until(lambda: has_stopped(tmp_path))
    assert not processes_in(tmp_path / "postgres")


def test_a_server_and_its_supervisor_that_were_killed_leave_nothing_that_runs(
    tmp_path: Path,
) -> None:
    with user(tmp_path) as using:
        server = start_server(tmp_path)
        supervisor, first = supervisor_of(server), postmaster_of(server)
        using.kill()
        os.kill(supervisor, signal.SIGSTOP)
        server._connection.close()  # This process is no user any more, and waits for nothing.
        os.kill(supervisor, signal.SIGKILL)
        wait_until(lambda: postmaster(tmp_path / "postgres") != first)
    server.cleanup()
    wait_until(lambda: not processes_in(tmp_path / "postgres"))


def test_processes_that_start_a_server_at_once_all_find_it(tmp_path: Path) -> None:
    starting = [sys.executable, "-c", "from embedded.server import server_url; server_url()"]
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                subprocess.Popen(starting, env=environment_of(tmp_path), cwd=ROOT / "libs")
            )
            for _ in range(4)
        ]
    assert [process.returncode for process in running] == [0] * 4
    assert has_stopped(tmp_path)


def test_a_server_stops_with_a_command_that_gets_sigterm(tmp_path: Path) -> None:
    environment = environment_of(tmp_path)
    program = (sys.executable, "-m", "gridcall")
    city = ("district", "add", "exampleville", "--map", CITY, "--profile", PROFILE)
    subprocess.run(
        [*program, *map(str, city)],
        env=environment,
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    with subprocess.Popen(
        [*program, "tail", "intake"], env=environment, cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert b"reference-adopted" in process.stdout.readline()
        assert not has_stopped(tmp_path)
        process.terminate()
    assert process.returncode == 143
    assert has_stopped(tmp_path)


def test_a_server_stops_if_its_first_user_is_killed_while_it_is_made(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "from embedded.server import server_url; server_url()"],
        env=environment_of(tmp_path),
        cwd=ROOT / "libs",
    ) as process:
        wait_until(lambda: (tmp_path / "postgres.new").exists())
        process.kill()
    wait_until(lambda: has_stopped(tmp_path))
    start_server(tmp_path).cleanup()


# ── Its place ────────────────────────────────────────────────────────────────────────────────────


def test_no_right_of_a_folder_above_is_changed(tmp_path: Path) -> None:
    home = tmp_path / "private" / "home"
    home.parent.mkdir(mode=0o700)
    before = {folder: S_IMODE(folder.stat().st_mode) for folder in home.parents}
    start_server(home).cleanup()
    assert {folder: S_IMODE(folder.stat().st_mode) for folder in home.parents} == before
    assert S_IMODE(home.stat().st_mode) == 0o700
    assert S_IMODE((home / "postgres").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["two words", "a,b", "100%", "it's", 'say "b"', "区", "a&b=c"])
def test_a_home_may_have_any_name(tmp_path: Path, name: str) -> None:
    server = start_server(tmp_path / name)
    try:
        assert answers(server.get_uri())
    finally:
        server.cleanup()


def test_a_start_that_was_interrupted_is_done_again(tmp_path: Path) -> None:
    half = tmp_path / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    start_server(tmp_path).cleanup()
    assert not half.exists()


def test_a_number_of_a_dead_server_that_another_process_has_got_is_no_server(
    tmp_path: Path,
) -> None:
    start_server(tmp_path).cleanup()
    for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        (tmp_path / "postgres" / name).write_text(f"{os.getppid()}\n")
    server = start_server(tmp_path)
    assert answers(server.get_uri())
    server.cleanup()


def test_the_log_is_limited_and_has_the_newest_lines(tmp_path: Path) -> None:
    def log_files() -> list[Path]:
        return sorted(tmp_path.glob("postgres.log*"))

    server = start_server(tmp_path)
    noise = "DO $$ BEGIN FOR i IN 1..100 LOOP RAISE LOG '%', repeat('x', 50000); END LOOP; END $$"
    asyncio.run(execute(server.get_uri(), noise))
    asyncio.run(execute(server.get_uri(), "DO $$ BEGIN RAISE LOG 'the last line'; END $$"))
    server.cleanup()
    assert len(log_files()) == 4
    assert sum(path.stat().st_size for path in log_files()) <= LOG_BYTES_MAX
    assert "the last line" in (tmp_path / "postgres.log").read_text()
    assert {S_IMODE(path.stat().st_mode) for path in log_files()} == {0o600}


def test_a_short_path_and_a_locale_that_is_not_there_do_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("LC_ALL", "tlh_QO.KOI8-R")  # No machine has it.
    monkeypatch.setenv("PGPORT", "6543")
    start_server(tmp_path).cleanup()


# ── Who may connect ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("name", ["home", "b" * 110])
def test_another_user_of_the_machine_cannot_connect(public_folder: Path, name: str) -> None:
    home = public_folder / name
    server = start_server(home)
    refused = connect_as(server.get_uri(), NOBODY)
    assert "Permission denied" in refused.stderr
    for folder in (home, home / "postgres", (home / "socket").resolve()):
        if folder.exists():
            folder.chmod(0o777)
    for path in (*home.glob("postgres/.s.PGSQL.5432"), *home.glob("socket/.s.PGSQL.5432")):
        path.chmod(0o777)
    refused = connect_as(server.get_uri(), NOBODY)
    server.cleanup()
    assert 'Peer authentication failed for user "postgres"' in refused.stderr


def test_a_path_that_is_too_long_for_a_socket_has_a_private_folder_for_it(tmp_path: Path) -> None:
    home = tmp_path / ("b" * 110)
    for _ in range(2):
        server = start_server(home)
        folder = (home / "socket").readlink()
        assert answers(server.get_uri())
        assert S_IMODE(folder.stat().st_mode) == 0o700
        server.cleanup()
        assert (home / "socket").readlink() == folder, "a running process knows its address"
    folder.chmod(0o755)
    start_server(home).cleanup()
    assert (home / "socket").readlink() != folder, "others may have put something there"
    for used in (folder, (home / "socket").readlink()):
        shutil.rmtree(used)


@pytest.mark.usefixtures("root")
def test_a_user_without_rights_has_a_server_of_his_own(public_folder: Path) -> None:
    home = public_folder / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    with user(home, NOBODY) as using:
        assert (home / "postgres").stat().st_uid == NOBODY
        assert connect_as(using.url, NOBODY).stdout == "postgres\n"
        assert answers(using.url), "root may connect"
        killed = postmaster(home / "postgres")
        assert killed
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: postmaster(home / "postgres") not in (None, killed))
        using.kill()
    wait_until(lambda: has_stopped(home))


@pytest.mark.usefixtures("root")
def test_root_takes_over_data_that_were_copied_by_root(tmp_path: Path) -> None:
    start_server(tmp_path / "home").cleanup()
    shutil.copytree(tmp_path / "home" / "postgres", tmp_path / "copy" / "postgres")
    server = start_server(tmp_path / "copy")
    assert answers(server.get_uri())
    server.cleanup()


READ_SEARCH, OVERRIDE = 1 << 2, 1 << 1  # As the kernel numbers the two capabilities.


@pytest.mark.parametrize(
    ("permitted", "mode", "capability"),
    [
        (READ_SEARCH | OVERRIDE, 0o755, "dac_read_search"),
        (OVERRIDE, 0o755, "dac_override"),
        (READ_SEARCH | OVERRIDE, 0o700, "dac_override"),
    ],
)
def test_closed_folders_are_passed_with_the_least_capability_that_is_there(
    tmp_path: Path, permitted: int, mode: int, capability: str
) -> None:
    program, home = tmp_path / "postgres", tmp_path / "closed" / "home"
    program.touch(mode)
    home.parent.mkdir(mode=0o700)
    options = passage(program, home, permitted)
    assert options == [f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}", ACCESS]


def test_only_a_program_behind_closed_folders_may_use_its_capability_to_find_others(
    public_folder: Path,
) -> None:
    program, home = public_folder / "postgres", public_folder / "closed" / "home"
    program.touch(0o755)
    home.parent.mkdir(mode=0o700)
    assert passage(program, home, READ_SEARCH) == [
        "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
    ]  # fmt: skip


def test_closed_folders_without_a_capability_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "postgres").touch(0o755)
    with pytest.raises(Unusable, match=rf"{tmp_path}.* is closed to gridcall-postgres"):
        passage(tmp_path / "postgres", tmp_path / "home", 0)


def test_folders_that_are_open_need_no_capability(public_folder: Path) -> None:
    program = public_folder / "postgres"
    program.touch(0o755)
    assert passage(program, public_folder / "home", READ_SEARCH | OVERRIDE) == []


# ── Refusals ─────────────────────────────────────────────────────────────────────────────────────


def test_data_of_another_postgres_are_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("15\n")
    with pytest.raises(Unusable, match=r"made by Postgres 15.*dump it with Postgres 15"):
        start_server(tmp_path)
    assert (tmp_path / "postgres" / "PG_VERSION").read_text() == "15\n"


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "diary.txt").write_text("mine")
    with pytest.raises(Unusable, match="is no data of Postgres: move it away"):
        start_server(tmp_path)


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    start_server(tmp_path).cleanup()
    with (tmp_path / "postgres" / "postgresql.conf").open("a") as file:
        file.write("shared_bufers = 1GB\n")
    with pytest.raises(Unusable, match=r"does not start: .*shared_bufers|contains errors"):
        start_server(tmp_path)
    wait_until(lambda: has_stopped(tmp_path))


@pytest.mark.usefixtures("root")
def test_a_home_of_another_user_is_refused(public_folder: Path) -> None:
    start_server(public_folder / "home").cleanup()
    (public_folder / "home").chmod(0o777)
    for path in (public_folder / "home").iterdir():
        if path.is_file() or path.is_socket():
            path.unlink()
    refused = User(public_folder / "home", NOBODY)
    _, errors = refused.process.communicate(timeout=60)
    assert "belongs to another user than nobody" in errors
