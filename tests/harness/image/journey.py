"""One issue on its way through all containers, and the end of each while a client posts."""

from __future__ import annotations

import threading

import httpx

from tests.harness.exampleville import issue
from tests.harness.image.system import NAMES, System
from tests.harness.waiting import wait_until

PROFILES = "/opt/gridcall/share/gridcall/profiles"
CITY = "exampleville"


def add_city(system: System) -> str:
    """Add the district whose files are in the image, and return a key of its hotline."""
    files = ("--map", f"{PROFILES}/{CITY}", "--profile", f"{PROFILES}/{CITY}.yaml")
    system.run("district", "add", CITY, *files)
    key = system.run(
        "key", "add", "--district", CITY, "--source", "trial", "--line", "hotline", "--line", "log"
    )
    return key.strip()


def post(system: System, key: str, reference: str, **headers: str) -> httpx.Response:
    """Post an issue to intake's container."""
    return httpx.post(
        f"{system.url('intake')}/issues/hotline",
        json=issue(reference),
        headers={"Authorization": f"Bearer {key}", **headers},
        trust_env=False,
        timeout=40,
    )


def follow_one_issue(system: System, key: str) -> str:
    """Follow an issue from its post to the read model, and return its stage for the public."""
    answer = post(system, key, "first", Prefer="wait=30")
    assert answer.status_code == 200, answer.text
    assert answer.json()["outcome"], "routing decided it, and intake asked for it"

    code = answer.json()["tracking"]

    def stage() -> str:
        """Return the stage that anybody with the code sees. Intake asks the screen for it."""
        tracked = system.get("intake", f"/track/{code}")
        case = tracked.json().get("case") if tracked.status_code == 200 else None
        return str((case or {}).get("stage", ""))

    wait_until(lambda: stage() == "assigned")
    results = system.get(
        "screen",
        f"/screen/{CITY}/search",
        params={"q": code},
        auth=("any", system.key),
    )
    assert [each["reference"] for each in results.json()["cases"]] == ["first"], results.text
    page = system.get("screen", "/", auth=("any", system.key), follow_redirects=True)
    assert page.status_code == 200, page.text
    assert "<!doctype html>" in page.text.lower()
    return stage()


class Sender:
    """A client that posts until it is stopped. `accepted` has what was answered with 202."""

    def __init__(self, system: System, key: str) -> None:
        self.accepted: list[str] = []
        self._system, self._key = system, key
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Sender:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _send(self) -> None:
        number = 0
        while not self._ended.is_set():
            number += 1
            try:
                answer = post(self._system, self._key, f"drain-{number}")
            except httpx.HTTPError:
                self._ended.wait(0.05)  # Intake has ended: no answer, and nothing is promised.
                continue
            if answer.status_code == 202:
                self.accepted.append(f"drain-{number}")


def end_while_posting(
    system: System, key: str, grace_seconds: int
) -> tuple[dict[str, float], list[str]]:
    """End each service while a client posts.

    Return the seconds that each took, and the references that were accepted. Raises AssertionError
    if one does not exit with 0 within its grace.
    """
    took = {}
    with Sender(system, key) as sender:
        wait_until(lambda: len(sender.accepted) > 20)
        for name in reversed(NAMES):
            status, took[name] = system.stop(name, grace_seconds)
            assert status == 0, f"{name} ended with {status} after {took[name]:.1f} s"
    return took, sender.accepted


def check_nothing_lost(system: System, key: str, accepted: list[str]) -> None:
    """Post what was accepted again: each is known. Then compare every row with a fresh fold."""
    for reference in accepted:
        again = post(system, key, reference)
        assert again.status_code == 200, f"{reference} was accepted and is gone: {again.text}"
    wait_until(lambda: is_equal(system))


def is_equal(system: System) -> bool:
    """Return True once verify has compared every row. Raises AssertionError if one differs."""
    password, others = system.password, []
    for name in NAMES[1:]:
        url = f"postgresql://gridcall:{password}@postgres/{name}"
        others += ["--service-database", f"{name}={url}"]
    container = system.container("intake")
    done = system.podman.finish("exec", container, "gridcall", "verify", *others)
    assert done.returncode in (0, 4), done.stdout + done.stderr
    return done.returncode == 0
