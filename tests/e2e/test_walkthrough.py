"""The story of `gridcall demo` is told to its end, leaves nothing behind, and fails where it is not as told."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from gridcall.cli.demo import language_of
from gridcall.demo import sandbox as houses
from gridcall.demo.presenter import SENTENCES
from gridcall.demo.sandbox import Sandbox, StepFailed
from gridcall.demo.walkthrough import STEPS, answer_in, figures_in, json_of
from tests.harness.commands import environment
from tests.harness.paths import GRIDCALL_SCRIPT

TOLD_SECONDS_MAX = 180  # Some thirty where nothing else is at work.
DEMO = [sys.executable, "-m", "gridcall", "demo", "--fast"]


def at(folder: Path, **more: str) -> dict[str, str]:
    """An environment in which temporary folders are made here, and which has everything that must not be used."""
    known = environment()
    return {
        **known,
        "TMPDIR": str(folder),
        "GRIDCALL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        **more,
    }


def running() -> list[str]:
    """The command lines of all processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def left_behind(folder: Path) -> list[str]:
    """Folders of the demo, processes that name one, and processes of a gridcall whose environment does."""
    processes = [words for words in running() if f"{folder}/gridcall-demo" in words]
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            processes += (
                [str(path)] if f"={folder}/gridcall-demo".encode() in path.read_bytes() else []
            )
    return [*map(str, folder.glob("gridcall-demo-*")), *processes]


def soon(holds: Callable[[], bool]) -> bool:
    """Whether it holds within two seconds: what was killed takes a moment to die."""
    until = time.monotonic() + 2
    while not holds() and time.monotonic() < until:
        time.sleep(0.05)
    return holds()


def test_the_story_is_told_to_its_end_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        DEMO,
        env=at(tmp_path, LC_ALL="en_XX.UTF-8"),
        capture_output=True,
        text=True,
        check=False,
        timeout=TOLD_SECONDS_MAX,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = [int(number) for number in re.findall(r"^(\d+)  \w", done.stdout, re.MULTILINE)]
    assert told == list(range(1, len(STEPS) + 1)), done.stdout
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
    assert soon(lambda: not left_behind(tmp_path)), left_behind(tmp_path)


@pytest.mark.parametrize(
    ("sign", "later"), [("being set up", 0.0), ("being set up", 1.0), ("tracking", 0.0)]
)
def test_whoever_interrupts_the_story_finds_nothing_of_it(
    sign: str, later: float, tmp_path: Path
) -> None:
    """Ctrl-C on a terminal reaches all processes of the group: one second later, those that make the database."""
    telling = subprocess.Popen(
        DEMO,
        env=at(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    assert telling.stdout is not None
    assert any(sign in line for line in telling.stdout)
    time.sleep(later)
    os.killpg(telling.pid, signal.SIGINT)
    said = telling.communicate(timeout=60)[1]
    assert telling.returncode == 130, said
    assert "interrupted" in said
    assert soon(lambda: not left_behind(tmp_path)), left_behind(tmp_path)


def test_a_gridcall_that_does_not_start_is_said_with_its_own_words(tmp_path: Path) -> None:
    house = Sandbox(tmp_path, 1)
    house.environment |= {**environment(), "GRIDCALL_HOME": "/dev/null/folder"}
    del house.environment["GRIDCALL_DATABASE_URL"]
    with pytest.raises(StepFailed, match="did not start: gridcall: /dev/null"):
        house.start()


def test_a_command_that_fails_is_said_with_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"status 3: .*\nno such thing"):
        Sandbox(tmp_path, 1).run("echo no such thing >&2; exit 3")


def test_a_command_that_hangs_ends_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(houses, "COMMAND_SECONDS", 0.5)
    with pytest.raises(StepFailed, match=r"did not end"):
        Sandbox(tmp_path, 1).run("sleep 321.25; true")
    assert soon(lambda: not any(words.startswith("sleep 321.25") for words in running()))


def test_without_curl_the_same_bytes_are_sent(tmp_path: Path) -> None:
    """Both print what they sent, as an echo sees it."""
    (tmp_path / "gridcall").write_text(GRIDCALL_SCRIPT)
    echo = subprocess.Popen(
        [sys.executable, "-c", ECHO],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=environment(),
    )
    assert echo.stdout is not None
    url = echo.stdout.readline().strip()
    words = [
        "-si",
        url,
        "-H",
        "Content-Type: application/json",
        "-d",
        '{"reference": "ü"}',
        "-w",
        "%{http_code} ",
    ]
    own = subprocess.run(
        [sys.executable, "-m", "gridcall.demo.curl", *words],
        env=environment(),
        capture_output=True,
        check=True,
    )
    echo.terminate()
    assert own.stdout.startswith(b"HTTP/1.1 200 OK\r\n")
    assert own.stdout.endswith('POST application/json {"reference": "ü"}200 '.encode())
    gone = subprocess.run(
        [sys.executable, "-m", "gridcall.demo.curl", *words],
        env=environment(),
        capture_output=True,
        check=False,
    )
    assert (gone.returncode, gone.stdout) == (7, b"000 ")


ECHO = """
import http.server
class Echo(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"POST " + self.headers["content-type"].encode() + b" " + body)
    def log_message(self, *words):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Echo)
print(f"http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
"""


def test_every_sentence_is_there_in_both_languages_with_the_same_facts() -> None:
    for name, by_language in SENTENCES.items():
        facts = {
            language: sorted(re.findall(r"\{(\w+)", sentence))
            for language, sentence in by_language.items()
        }
        assert set(facts) == {"en", "zh"}, name
        assert facts["en"] == facts["zh"], name
    for step in STEPS:
        assert {step.__name__, f"{step.__name__}.why"} <= SENTENCES.keys()


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": ""}, "en"),
    ],
)
def test_the_language_is_the_locale_s(environment: dict[str, str], language: str) -> None:
    assert language_of(environment) == language


def test_what_is_shown_of_an_answer_says_what_was_left_out() -> None:
    answer = answer_in(
        'HTTP/1.1 200 OK\r\nserver: x\r\n\r\n{"id": "0123456789abcdef0123456789abcdef", "because": null, "digest": 1}'
    )
    assert answer.status == 200
    assert json_of(answer.body) == '{"id": "01234567…", …}'
    with pytest.raises(StepFailed, match="cannot be read"):
        answer_in("")


def test_figures_of_several_months_are_one_sum() -> None:
    assert (
        figures_in(
            "2026-11  w\nreported     1  cases/8\n\n2026-12  w\nreported     2  cases/9 cases/10\n"
        )["reported"]
        == 3
    )
