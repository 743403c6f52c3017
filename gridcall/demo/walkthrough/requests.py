"""Requests to gridcall's HTTP APIs: shown as curl commands, sent with httpx."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from gridcall.demo.sandbox import StepFailed

TIMEOUT_SECONDS = 60
CONTINUATION = " \\\n    "
JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a decoded body."""

    status: int
    body: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A request to the address $URL. `key` names the environment variable that holds the key.

    A request with a body is a POST. `wait` is the number of seconds to wait for an outcome.
    """

    path: str
    key: str
    body: Mapping[str, Any] | None = None
    wait: int = 0

    def as_curl(self) -> str:
        """Return the curl command that sends the same request."""
        options = "-si" if self.body else "-s"
        parts = [f'curl {options} "$URL{self.path}" -H "Authorization: Bearer ${self.key}"']
        if self.body:
            prefer = f" -H 'Prefer: wait={self.wait}'" if self.wait else ""
            parts.append(f"-H 'Content-Type: {JSON_TYPE}'{prefer}")
            parts.append(f"-d '{json.dumps(self.body)}'")
        return CONTINUATION.join(parts)

    def send(self, environment: Mapping[str, str]) -> httpx.Response:
        """Send the request. `environment` has the address and the keys."""
        headers = {"Authorization": f"Bearer {environment[self.key]}"}
        content = None
        if self.body:
            headers["Content-Type"] = JSON_TYPE
            content = json.dumps(self.body).encode()
        if self.wait:
            headers["Prefer"] = f"wait={self.wait}"
        with httpx.Client(trust_env=False, timeout=TIMEOUT_SECONDS) as http:
            url = environment["URL"] + self.path
            return http.request("POST" if content else "GET", url, content=content, headers=headers)

    def answer(self, environment: Mapping[str, str]) -> Answer:
        """Send the request and return the decoded answer. Raises StepFailed if there is none."""
        try:
            response = self.send(environment)
            return Answer(response.status_code, response.json())
        except (httpx.TransportError, ValueError) as fault:
            raise StepFailed(f"{self.path} has no readable answer: {fault}") from fault

    def rows(self, environment: Mapping[str, str]) -> str:
        """Send the request and return the rows of a log. Raises StepFailed if there are none."""
        try:
            return self.send(environment).raise_for_status().text
        except httpx.HTTPError as fault:
            raise StepFailed(f"{self.path} has no readable answer: {fault}") from fault
