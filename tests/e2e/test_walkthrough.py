"""`gridcall demo` reaches its end, leaves nothing behind, and reports a step that fails."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gridcall.demo import sandbox as sandbox_module
from gridcall.demo.sandbox import Sandbox, StepFailed
from gridcall.demo.walkthrough.chapters import CHAPTERS
from gridcall.demo.walkthrough.requests import Request
from tests.harness.commands import environment
from tests.harness.waiting import wait_until

DEMO_SECONDS_MAX = 180  # About thirty on an idle machine.
DEMO = [sys.executable, "-m", "gridcall", "demo", "--fast"]


def environment_at(folder: Path, **more: str) -> dict[str, str]:
    """Return an environment with this temporary folder, and a database that must not be used."""
    known = environment()
    return {
        **known,
        "TMPDIR": str(folder),
        "GRIDCALL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        **more,
    }


def command_lines() -> list[str]:
    """Return the command lines of all processes."""
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            commands.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return commands


def remains(folder: Path) -> list[str]:
    """Return folders of the demo, and processes whose command or environment names one."""
    processes = [words for words in command_lines() if f"{folder}/gridcall-demo" in words]
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            processes += (
                [str(path)] if f"={folder}/gridcall-demo".encode() in path.read_bytes() else []
            )
    return [*map(str, folder.glob("gridcall-demo-*")), *processes]


def test_the_story_comes_to_its_end_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        DEMO,
        env=environment_at(tmp_path, LC_ALL="en_XX.UTF-8"),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEMO_SECONDS_MAX,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [int(number) for number in re.findall(r"^(\d+)  \w", done.stdout, re.MULTILINE)]
    assert steps == list(range(1, len(CHAPTERS) + 1)), done.stdout
    for sign in (
        "409",
        "deadline-missed",
        '"because": "silence"',
        "call-answered",
        "case-closed",
        "kill -9",
        "rows are equal",
    ):
        assert sign in done.stdout, sign
    wait_until(lambda: not remains(tmp_path))


@pytest.mark.parametrize(
    ("sign", "later"), [("being set up", 0.0), ("being set up", 1.0), ("tracking", 0.0)]
)
def test_an_interrupted_demo_leaves_nothing_behind(sign: str, later: float, tmp_path: Path) -> None:
    """Ctrl-C on a terminal reaches all processes of the group, the database's included."""
    demo = subprocess.Popen(
        DEMO,
        env=environment_at(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    assert demo.stdout is not None
    assert any(sign in line for line in demo.stdout)
    time.sleep(later)
    os.killpg(demo.pid, signal.SIGINT)
    errors = demo.communicate(timeout=60)[1]
    assert demo.returncode == 130, errors
    assert "interrupted" in errors
    wait_until(lambda: not remains(tmp_path))


def test_a_gridcall_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path, 1)
    sandbox.environment |= {**environment(), "GRIDCALL_HOME": "/dev/null/folder"}
    del sandbox.environment["GRIDCALL_DATABASE_URL"]
    with pytest.raises(StepFailed, match="did not start: gridcall: /dev/null"):
        sandbox.start()


def test_a_command_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"status 3: .*\nno such thing"):
        Sandbox(tmp_path, 1).run("echo no such thing >&2; exit 3")


def test_a_command_that_hangs_ends_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox_module, "COMMAND_SECONDS", 0.5)
    with pytest.raises(StepFailed, match=r"did not end"):
        Sandbox(tmp_path, 1).run("sleep 321.25; true")
    wait_until(lambda: not any(words.startswith("sleep 321.25") for words in command_lines()))


def test_a_request_is_sent_as_its_curl_command_says() -> None:
    """An echo server shows the same request from curl and from the walk-through."""
    issue = {"reference": "ü", "place": {"point": {"lat": 36.7, "lon": 117.1}}}
    requests = (
        Request(path="/issues/hotline", key="KEY", body=issue, wait=5),
        Request(path="/log/370112?after=3&wait=1", key="READER"),
    )
    with echo_server() as url:
        keys = {"URL": url, "KEY": "k-1", "READER": "r-2"}
        for request in requests:
            by_curl = subprocess.run(
                ["/bin/sh", "-c", request.as_curl()],
                env={**os.environ, **keys, "NO_PROXY": "*"},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            assert by_curl.endswith(request.send(keys).text)


def test_a_log_that_is_not_answered_fails_the_step() -> None:
    request = Request(path="/log/370112?after=3&wait=1", key="READER")
    with echo_server() as url, pytest.raises(StepFailed, match=r"404"):
        Request(path="/missing", key="READER").rows({"URL": url, "READER": "r-2"})
    with pytest.raises(StepFailed, match=r"/log/370112.* has no readable answer"):
        request.rows({"URL": url, "READER": "r-2"})


@contextmanager
def echo_server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Echo(BaseHTTPRequestHandler):
    """Answers with the request's method, path, body and the headers that gridcall reads."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        names = ("authorization", "content-type", "prefer")
        headers = " ".join(f"{name}={self.headers.get(name)}" for name in names)
        echo = f"{self.command} {self.path} {headers} ".encode() + body
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("content-length", str(len(echo)))
        self.end_headers()
        self.wfile.write(echo)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        pass
