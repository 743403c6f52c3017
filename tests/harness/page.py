"""The live page in a real browser, on the demo as `make run` starts it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.harness.live import Process
from tests.harness.requirements import require

CHROMIUM = "/usr/bin/chromium"
INSTALL = (
    "apt-get update -q && DEBIAN_FRONTEND=noninteractive "
    "apt-get install -y -q --no-install-recommends chromium fonts-noto-cjk"
)
DESK, PHONE = {"width": 1366, "height": 768}, {"width": 390, "height": 844}
LANGUAGES = ("zh", "en")
SCHEMES = ("light", "dark")


class Demo:
    """The demo as `make run` starts it, and the keys of its platforms."""

    def __init__(self, process: Process, home: Path) -> None:
        self.process = process
        self.url = process.url
        self.keys: dict[str, Any] = json.loads((home / "demo" / "keys.json").read_text())
        self.source = next(
            source for source in self.keys["platforms"] if "12345" in source or "hotline" in source
        )


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Run Debian's Chromium, and install it first where that is allowed."""
    if not shutil.which("chromium") and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["sh", "-c", INSTALL], check=False, capture_output=True)
    require(
        shutil.which("chromium") is not None,
        "no Chromium: apt-get install chromium fonts-noto-cjk",
    )
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


class WatchedPage:
    """A page, the addresses that it requested, and its complaints on the console."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._note_message)
        page.on("pageerror", lambda fault: self.complaints.append(str(fault)))
        page.on("request", lambda request: self.requests.append(request.url))

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


def context_of(
    browser: Browser, language: str, scheme: str, size: dict[str, int]
) -> BrowserContext:
    locale = "zh-CN" if language == "zh" else "en-GB"
    options: Any = {"viewport": size, "color_scheme": scheme, "locale": locale}
    return browser.new_context(**options)


def open_page(context: BrowserContext, demo: Demo) -> WatchedPage:
    """Open the page, and wait until it is live and has cases."""
    watched = WatchedPage(context.new_page())
    watched.page.goto(demo.url)
    watched.page.wait_for_selector("a[href^='#case=']", timeout=60_000)
    return watched


def post_issue(
    demo: Demo, reference: str, grid: str | None = None, **fields: str
) -> dict[str, Any]:
    """Post an issue of a grid, or of a street, and return the answer."""
    headers = {"Authorization": f"Bearer {demo.keys['platforms'][demo.source]}"}
    place = {"grid": grid} if grid else {"street": "370112001"}
    issue = {"reference": reference, "category": "noise", "place": place, **fields}
    answer = httpx.post(f"{demo.url}/issues/hotline", json=issue, headers=headers, timeout=30)
    assert answer.status_code == 202, answer.text
    accepted: dict[str, Any] = answer.json()
    return accepted
