"""Every command of the two READMEs is run as printed, or named here with the reason."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.commands import environment
from tests.harness.live import UP
from tests.harness.paths import GRIDCALL_SCRIPT, ROOT

PAGES = ("README.md", "README.zh-CN.md")
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
PORT = 8311  # As the pages have it.

BOSTON = (
    ".venv/bin/gridcall simulate --profile profiles/boston311_2015.yaml \\\n"
    "  --map ../shared/data/boston_geo/wgs84 --input ../shared/data/boston311_2015/*.csv.gz \\\n"
    "  --until 2016-01-13 --out out/boston"
)
RUN_IN_OTHER_TESTS = {
    "make run": "CI starts it and asks for its page; here `gridcall up --demo` is started",
    "make test": "CI runs it: it runs this very test",
    ".venv/bin/gridcall demo": "test_walkthrough runs it, without the pauses for reading",
    BOSTON: "test_boston runs it on the data, and finds the same counts",
}
STATUS = {"gridcall simulate": 1}  # Rows of it are broken on purpose, and the pages say so.


def commands_of(page: str) -> list[str]:
    """Return the commands in the `sh` blocks of a page, without their remarks."""
    text = (ROOT / page).read_text(encoding="utf-8")
    commands = re.split(r"(?<!\\)\n", "".join(BLOCK.findall(text)))
    return [re.sub(r"\s+# .*$", "", command) for command in commands if command]


def facts_of(page: str) -> dict[str, list[str]]:
    """Return what a page states in any language: its headings, code, links and numbers."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return {
        "headings": ["#" * len(marks) for marks in re.findall(r"^(#+) ", prose, re.MULTILINE)],
        "blocks": [re.sub(r"\s+# .*$", "", block, flags=re.MULTILINE) for block in blocks],
        "code": sorted(set(re.findall(r"`([^`\n]+)`", prose))),
        "links": sorted(set(re.findall(r"\]\(([^)]+)\)", prose)) - {*PAGES}),
        "numbers": sorted(set(re.findall(r"\d[\d,.:-]*\d|\d", prose))),
    }


def test_the_two_pages_state_the_same_facts() -> None:
    english, chinese = map(facts_of, PAGES)
    assert {name: chinese[name] for name in english} == english


def to_be_run(page: str) -> list[str]:
    return [command for command in commands_of(page) if command not in RUN_IN_OTHER_TESTS]


def free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it after `make run`."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "gridcall").write_text(GRIDCALL_SCRIPT, encoding="utf-8")
    (programs / "gridcall").chmod(0o755)
    return folder


def reader_environment(**more: str) -> dict[str, str]:
    """An environment without the tests' database and proxies."""
    dropped = (
        "GRIDCALL_DATABASE_URL",
        "GRIDCALL_HOME",
        "http_proxy",
        "HTTP_PROXY",
        "all_proxy",
        "ALL_PROXY",
    )
    return {name: value for name, value in environment().items() if name not in dropped} | more


@pytest.fixture(scope="module")
def port(checkout: Path) -> Iterator[int]:
    """Run a demo in the checkout. Yield its port: the printed one, if it is free."""
    words = [".venv/bin/gridcall", "up", "--demo", "--port", str(PORT if free(PORT) else 0)]
    with (checkout / "said").open("w+", encoding="utf-8") as said:
        running = subprocess.Popen(
            words, cwd=checkout, env=reader_environment(GRIDCALL_HOME=".gridcall"), stderr=said
        )
        try:
            yield wait_for_port(checkout / "said", running)
        finally:
            running.send_signal(signal.SIGINT)
            assert running.wait(timeout=60) == 0, (checkout / "said").read_text()


def wait_for_port(said: Path, running: subprocess.Popen[bytes]) -> int:
    """The port that it says, as soon as it says so."""
    while not (match := UP.search(said.read_text())):
        try:
            running.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"it ended: {said.read_text()}")
    return int(match[1].rpartition(":")[2])


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words, alone = ["sh", "-c", command], reader_environment(HOME=str(folder))
    return subprocess.run(
        words, cwd=folder, env=alone, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_printed_is_run(page: str, checkout: Path, port: int) -> None:
    for command in to_be_run(page):
        shutil.rmtree(checkout / "out", ignore_errors=True)
        done = run(command.replace(f":{PORT}/", f":{port}/"), checkout)
        status = next((status for words, status in STATUS.items() if words in command), 0)
        assert done.returncode == status, f"{command}\n{done.stdout}{done.stderr}"
    server = (
        checkout / ".local" / "share" / "gridcall" / "postgres"
    )  # That of the commands which name no other one.
    assert server.is_dir()
    assert not (server / "postmaster.pid").exists(), "it stops with the last command that uses it"


def test_the_printed_curl_is_answered_by_what_became_of_it(checkout: Path, port: int) -> None:
    (command,) = {
        command for page in PAGES for command in to_be_run(page) if command.startswith("curl")
    }
    command = command.replace(f":{PORT}/", f":{port}/")
    head, _, body = run(command, checkout).stdout.partition("\n\n")
    assert head.startswith("HTTP/1.1 200"), head
    answer = json.loads(body)
    assert [event["type"] for event in answer["outcome"]["events"]] == [
        "gridcall.case-reported.v1",
        "gridcall.case-routed.v1",
    ]
    again = json.loads(run(command, checkout).stdout.partition("\n\n")[2])
    assert (again["id"], again["tracking"]) == (answer["id"], answer["tracking"])
    other = run(command.replace("fire_lane", "noise"), checkout).stdout
    assert other.startswith("HTTP/1.1 409"), other


def test_both_pages_print_the_same_commands() -> None:
    english, chinese = map(commands_of, PAGES)
    assert english == chinese
    assert set(RUN_IN_OTHER_TESTS) < set(english)
    assert len(set(english)) == len(english) > len(RUN_IN_OTHER_TESTS)


def test_make_run_starts_what_the_pages_speak_of() -> None:
    recipe = subprocess.run(
        ["make", "-n", "run"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert re.search(
        rf"GRIDCALL_HOME=\S*\.gridcall \S*gridcall up --demo --port {PORT}\b", recipe
    ), recipe


def test_a_command_that_nobody_knows_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "README.md").write_text(
        "```sh\nmake run  # a remark\ncurl a \\\n  -d '# no remark'\n```\n\n```sh\nfalse\n```\n"
    )
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert to_be_run("README.md") == ["curl a \\\n  -d '# no remark'", "false"]
