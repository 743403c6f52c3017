"""The live page in a real browser, on the running demo."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    Route,
    expect,
)

from gridcall.demo.licheng.units import CODE
from intake.core.identity import issue_id
from screen.routes import STATIC_FILES
from tests.harness.live import Process
from tests.harness.page import (
    DESK,
    LANGUAGES,
    PHONE,
    SCHEMES,
    Demo,
    context_of,
    open_page,
    post_issue,
    running_chromium,
)
from tests.harness.postgres import execute


@pytest.fixture(scope="module")
def demo(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    asyncio.run(execute(postgres, "CREATE DATABASE page TEMPLATE empty"))
    home = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRIDCALL_HOME", str(home))
        process = Process(postgres.replace("/postgres?", "/page?"), "--demo")
    yield Demo(process, home)
    assert process.end() == 0


@pytest.fixture(scope="module")
def browser(demo: Demo) -> Iterator[Browser]:
    """Run a browser. The demo comes first, because the loop of playwright runs in this thread as
    long as it is open.
    """
    with running_chromium() as running:
        yield running


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_accessible_complains_of_nothing_and_asks_nobody_else(
    browser: Browser, demo: Demo, language: str, scheme: str, size: dict[str, int]
) -> None:
    with context_of(browser, language, scheme, size) as context:
        watched = open_page(context, demo)
        page = watched.page
        assert page.evaluate("document.documentElement.lang")[:2] == language
        assert Axe().run(page).violations_count == 0
        if size == DESK:
            assert page.evaluate("document.documentElement.scrollHeight") <= DESK["height"]
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        page.locator("a[href^='#case=']").first.click()
        page.wait_for_selector("dialog[open] #case-timeline li")
        report = Axe().run(page)
        assert report.violations_count == 0, report.generate_report()
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog[open]", state="detached")
        assert watched.complaints == []
        assert {httpx.URL(url).host for url in watched.requests} == {"127.0.0.1"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_case_shows_its_life_and_the_reasons_for_its_place_and_its_deadline(
    browser: Browser, demo: Demo, language: str
) -> None:
    with context_of(browser, language, "light", DESK) as context:
        page = open_page(context, demo).page
        page.locator("#deadlines a[href^='#case=']").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog[open] #case-timeline li")
        assert page.locator("#case-timeline li").count() >= 3
        assert page.locator("#case-here").inner_text().strip()
        assert page.locator("#case-due").inner_text().strip()
        assert "#case=" in page.url
        page.reload()
        page.wait_for_selector("dialog[open] #case-timeline li")


def test_every_overdue_case_can_be_reached(browser: Browser, demo: Demo) -> None:
    """The list opens from the header; a case opens above it, and closing goes back to it.

    A link to a case, scrolled out of sight, is no link that skips something.
    """
    for number in range(3):
        post_issue(demo, f"LATE-{number}", due="2020-01-01T00:00:00Z")
    with context_of(browser, "en", "light", DESK) as context:
        page = open_page(context, demo).page
        case = issue_id(CODE, demo.source, "hotline", "LATE-0")
        page.locator("#total-overdue").click()
        page.wait_for_selector(f"#list-rows a[href='#case={case}']")
        report = Axe().run(page, options={"rules": {"skip-link": {"enabled": False}}})
        assert report.violations_count == 0, report.generate_report()
        assert page.locator("#list-title").inner_text() == "Overdue cases"
        assert "cases, the soonest deadline first" in page.locator("#list-count").inner_text()
        page.locator(f"#list-rows a[href='#case={case}']").click()
        page.wait_for_selector("#case[open] #case-timeline li")
        page.keyboard.press("Escape")
        page.wait_for_selector("#case[open]", state="detached")
        expect(page).to_have_url(re.compile("#list=overdue$"))
        page.reload()
        page.wait_for_selector("#list[open] li")
        page.keyboard.press("Escape")
        page.wait_for_selector("#list[open]", state="detached")
        expect(page).to_have_url(re.compile("^[^#]*$"))


NUMBERS = """() => [...document.querySelectorAll('a[href^="#list="]')]
  .map((link) => [link.id, link.getAttribute("href"), link.textContent])"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_number_of_the_page_opens_its_list(
    browser: Browser, demo: Demo, language: str
) -> None:
    with context_of(browser, language, "light", DESK) as context:
        watched = open_page(context, demo)
        page = watched.page
        numbers = [each for each in page.evaluate(NUMBERS) if each[0]]
        assert len(numbers) == 6 + 3 + 4 * 3, "totals, ladder, and the figures of each line"
        for id_, address, _ in numbers:
            page.locator(f"#{id_}").click()
            page.wait_for_selector("#list[open]")
            expect(page).to_have_url(re.compile(f"{re.escape(address)}$"))
            expect(page.locator("#list-count")).not_to_have_text(re.compile("…"))
            rows, empty = page.locator("#list-rows li"), page.locator("#list-rows-empty")
            expect(rows.first.or_(empty).first).to_be_visible()
            assert page.locator("#list-title").inner_text().strip()
            page.keyboard.press("Escape")
            page.wait_for_selector("#list[open]", state="detached")
        assert watched.complaints == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_case_is_found_by_its_reference_its_id_and_its_tracking_code(
    browser: Browser, demo: Demo, size: dict[str, int], scheme: str
) -> None:
    reference = f"FIND-{scheme}-{size['width']}"
    tracking = post_issue(demo, reference)["tracking"]
    case = issue_id(CODE, demo.source, "hotline", reference)
    with context_of(browser, "en", scheme, size) as context:
        watched = open_page(context, demo)
        page = watched.page
        page.wait_for_selector(f"a[href='#case={case}']", state="attached")
        page.locator(".find").click()
        page.wait_for_selector("#list[open]")
        expect(page.locator("#search input")).to_be_focused()
        for text in (reference[:-1], case, tracking):
            page.locator("#search input").fill(text)
            page.keyboard.press("Enter")
            page.wait_for_selector(f"#list-rows a[href='#case={case}']")
        report = Axe().run(page, options={"rules": {"skip-link": {"enabled": False}}})
        assert report.violations_count == 0, report.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        page.locator("#search input").fill("nothing of the kind")
        page.keyboard.press("Enter")
        expect(page.locator("#list-rows-empty")).to_have_text(
            "No case has this reference, id or tracking code."
        )
        expect(page.locator("#list-rows li")).to_have_count(0)
        assert watched.complaints == []


def test_a_click_or_the_space_bar_lists_the_cases_of_a_grid(browser: Browser, demo: Demo) -> None:
    grid = "370112001001002"
    post_issue(demo, "OF-A-GRID", due="2020-01-01T00:00:00Z", grid=grid)
    case = issue_id(CODE, demo.source, "hotline", "OF-A-GRID")
    with context_of(browser, "en", "light", DESK) as context:
        page = open_page(context, demo).page
        path = page.locator(f"path[data-grid='{grid}'].calling")
        path.wait_for(state="attached")
        path.click(force=True)
        page.wait_for_selector(f"#list-rows a[href='#case={case}']")
        expect(page).to_have_url(re.compile(f"#list=open&grid={grid}$"))
        page.keyboard.press("Escape")
        page.wait_for_selector("#list[open]", state="detached")
        page.locator("#map").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press(" ")
        page.wait_for_selector("#list[open]")
        expect(page).to_have_url(re.compile("#list=open&grid="))


def test_a_long_list_is_read_page_by_page(browser: Browser, demo: Demo) -> None:
    with context_of(browser, "en", "light", DESK) as context:
        page = open_page(context, demo).page
        page.route("**/cases?*", lambda route: route.fulfill(json=one_page(route.request.url)))
        page.locator("#total-ended").click()
        expect(page.locator("#list-rows li")).to_have_count(2)
        page.locator("#list-more").click()
        expect(page.locator("#list-rows li")).to_have_count(4)
        page.locator("#list-more").click()
        expect(page.locator("#list-rows li")).to_have_count(6)
        assert not page.locator("#list-more").is_visible()


def test_no_row_is_lost_if_the_next_page_is_asked_for_during_a_refresh(
    browser: Browser, demo: Demo
) -> None:
    """The refresh would have put a new case above the two that are shown."""
    waiting: list[Route] = []
    with context_of(browser, "en", "light", DESK) as context:
        page = open_page(context, demo).page
        page.route("**/cases?*", lambda route: route.fulfill(json=one_page(route.request.url)))
        page.locator("#total-ended").click()
        expect(page.locator("#list-rows li")).to_have_count(2)
        page.route("**/cases?*", lambda route: waiting.append(route))
        with page.expect_request("**/cases?*"):
            pass  # It refreshes by itself.
        with page.expect_request("**/cases?*after=2"):
            page.locator("#list-more").click()
        refresh, more = waiting
        with page.expect_response("**/cases?*"):
            refresh.fulfill(json=one_page("http://x/?after=-1") | {"next": "1"})
        page.evaluate("() => new Promise(requestAnimationFrame)")
        more.fulfill(json=one_page(more.request.url))
        expect(page.locator("#list-rows li")).to_have_count(4)
        links = page.locator("#list-rows a").evaluate_all("links => links.map(a => a.hash)")
        assert links == [f"#case=c{number}" for number in range(4)]


def one_page(url: str) -> dict[str, Any]:
    """Return a page of two of six cases."""
    after = int(httpx.URL(url).params.get("after", "0"))
    case = {
        "line": "hotline", "category": "noise", "urgency": "normal", "grid": None,
        "street": "370112001", "state": "closed", "reported": 1, "due": None, "overdue": False,
        "ended": 2, "calling": None,
    }  # fmt: skip
    cases = [{**case, "case": f"c{n}", "reference": f"R-{n}"} for n in (after, after + 1)]
    return {"count": 6, "cases": cases, "next": str(after + 2) if after < 4 else None}


def test_a_finger_chooses_the_most_urgent_grid_beneath_it(browser: Browser, demo: Demo) -> None:
    post_issue(demo, "TOUCHED", due="2020-01-01T00:00:00Z", grid="370112001001001")
    options: Any = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    with browser.new_context(**options) as context:
        page = open_page(context, demo).page
        grid = page.locator("path[data-grid='370112001001001'].calling")
        grid.wait_for(state="attached")
        grid.scroll_into_view_if_needed()
        box = grid.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.touchscreen.tap(x + 12, y)
        page.wait_for_selector("#tip:not([hidden])")
        assert page.locator(".pointer path").get_attribute("d") == grid.get_attribute("d")
        page.touchscreen.tap(100, 60)
        page.wait_for_selector("#tip[hidden]", state="attached")


def test_a_case_is_shown_when_its_life_comes_before_the_first_message(
    browser: Browser, demo: Demo
) -> None:
    """The zone of its times comes with the message."""
    delayed: list[Route] = []
    with context_of(browser, "en", "light", DESK) as context:
        first = open_page(context, demo).page
        case = first.locator("#deadlines a[href^='#case=']").first.get_attribute("href")
        page = context.new_page()
        page.route("**/live", lambda route: delayed.extend([route]))
        with page.expect_response("**/cases/*"):
            page.goto(f"{demo.url}/{case}")
        delayed[0].continue_()
        page.wait_for_selector("dialog[open] #case-timeline li")


def test_a_case_that_could_not_be_fetched_is_fetched_again(browser: Browser, demo: Demo) -> None:
    with (
        context_of(browser, "en", "light", DESK) as context,
        httpx.stream("GET", f"{demo.url}/screen/{CODE}/live") as live,
    ):
        message = next(line for line in live.iter_lines() if line.startswith("data:"))
        page = context.new_page()  # It hears of nothing new, which would make it fetch, too.
        page.route(
            "**/live",
            lambda route: route.fulfill(content_type="text/event-stream", body=f"{message}\n\n"),
        )
        page.route("**/cases/*", lambda route: route.abort(), times=1)
        page.goto(demo.url)
        page.locator("#deadlines a[href^='#case=']").first.click()
        page.wait_for_selector("dialog[open] #case-wait:not([hidden])")
        page.wait_for_selector("dialog[open] #case-timeline li")


def test_the_whole_page_is_small(browser: Browser, demo: Demo) -> None:
    """Of all that is loaded before the first message."""
    static = [f"/static/screen/{name}" for name in STATIC_FILES]
    paths = ["/", *static, f"/screen/{CODE}/map"]
    sizes = {}
    with httpx.Client(base_url=demo.url, headers={"accept-encoding": "gzip"}) as http:
        for path in paths:
            with http.stream("GET", path) as answer:
                assert answer.headers["content-encoding"] == "gzip"
                sizes[path] = len(b"".join(answer.iter_raw()))
    print(sizes)
    assert sum(sizes.values()) <= 150_000


@pytest.mark.parametrize(("language", "count"), [("zh", 100), ("en", 10)])
def test_a_posted_issue_is_on_the_page_at_once(
    browser: Browser, demo: Demo, language: str, count: int
) -> None:
    """Each issue must have its row on the page before the next is posted."""
    with context_of(browser, language, "light", DESK) as context:
        page = open_page(context, demo).page
        for number in range(count):
            reference = f"PAGE-{language}-{number}"
            case = issue_id(CODE, demo.source, "hotline", reference)
            post_issue(demo, reference)
            page.wait_for_selector(f"a[href='#case={case}']", state="attached", timeout=10_000)
