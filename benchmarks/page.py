"""Measure the time from a report to its row on the live page, in a real browser.

python -m benchmarks.page [COUNT]

Browser and post share a clock. The page notes the instant at which a row is in its document.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx
from playwright.sync_api import sync_playwright

from embedded.server import start_server
from gridcall.demo.licheng.units import CODE
from gridcall.host.migrations import prepare
from intake.core.identity import issue_id
from tests.harness.live import Process

GOAL_MS = 1_000.0
CHROMIUM = "/usr/bin/chromium"
NOTE_ROWS = """
window.seen = {};
const note = (link) => { window.seen[link.hash] ??= Date.now(); };
new MutationObserver((changes) => {
  for (const change of changes) for (const node of change.addedNodes) {
    if (node.nodeType !== 1) continue;
    if (node.matches("a[href^='#case=']")) note(node);
    node.querySelectorAll("a[href^='#case=']").forEach(note);
  }
}).observe(document, {childList: true, subtree: true});
"""


def measure(url: str, keys: dict[str, str], count: int) -> list[float]:
    """Post issues one after another; return the ms until each is on the page, sorted."""
    source = next(name for name in keys if "12345" in name or "hotline" in name)
    headers = {"Authorization": f"Bearer {keys[source]}"}
    sent: dict[str, float] = {}
    with sync_playwright() as playwright, httpx.Client(base_url=url, headers=headers) as line:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.add_init_script(NOTE_ROWS)
        page.goto(url)
        page.wait_for_selector("a[href^='#case=']", timeout=60_000)
        for number in range(count):
            reference = f"PAGE-{number}"
            case = f"#case={issue_id(CODE, source, 'hotline', reference)}"
            issue = {"reference": reference, "category": "noise", "place": {"street": "370112001"}}
            sent[case] = time.time() * 1000
            line.post("/issues/hotline", json=issue).raise_for_status()
            page.wait_for_function("(row) => window.seen[row]", arg=case, timeout=10_000)
        seen = page.evaluate("window.seen")
        browser.close()
    return sorted(seen[case] - at for case, at in sent.items())


def main() -> None:
    """Start the demo, measure, and print the delays."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        os.environ["GRIDCALL_HOME"] = str(home / "home")
        url = start_server(home).get_uri("page")
        asyncio.run(prepare(url))
        process = Process(url, "--demo")
        keys = json.loads((home / "home" / "demo" / "keys.json").read_text())
        try:
            delays = measure(process.url, keys["platforms"], count)
        finally:
            process.end()
    p50, p99 = statistics.median(delays), delays[int(len(delays) * 0.99) - 1]
    verdict = "reached" if p99 <= GOAL_MS else "missed"
    print(
        f"{count} reports, beside the demo's own: on the page {p50:.0f} ms (p50), {p99:.0f} ms",
        f"(p99), {delays[-1]:.0f} ms (most) after their post",
    )
    print(f"goal: p99 <= {GOAL_MS:.0f} ms: {verdict}")


if __name__ == "__main__":
    main()
