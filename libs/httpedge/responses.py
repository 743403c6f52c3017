"""Responses in JSON and NDJSON, and every error of an application as a problem document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from httpedge.items import JSON, NDJSON
from httpedge.problems import FieldError, Problem
from httpedge.telemetry import REQUESTS_REFUSED

PROBLEM = "application/problem+json"
PROBLEM_HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": "Bearer"},
    503: {"Retry-After": "2"},
}
HTTP_DETAILS = {
    404: "There is nothing here; GET /openapi.json says what there is.",
    405: "Another method; see Allow.",
}

encoder = msgspec.json.Encoder()


class PreparedResponse(Response):
    """A response whose body and headers are known, so that nothing is rendered or looked up."""

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str], media: str) -> None:
        self.status_code, self.body, self.background = status, body, None
        self.raw_headers = [
            (b"content-type", media.encode()),
            (b"content-length", b"%d" % len(body)),
        ]
        self.raw_headers += [
            (name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()
        ]


def json_response(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None, media: str = JSON
) -> Response:
    """Return a value in JSON, or a list line by line if `media` is NDJSON."""
    body = encoder.encode_lines(value) if media in NDJSON else encoder.encode(value)
    return PreparedResponse(body, status, headers or {}, media)


def problem_response(
    problem: Problem, path: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a problem about a path as RFC 9457 has it."""
    REQUESTS_REFUSED.labels(problem.kind, problem.status).inc()
    headers = headers or {**PROBLEM_HEADERS.get(problem.status, {}), **problem.headers}
    return json_response(problem.to_members(path), problem.status, headers, PROBLEM)


def http_problem(status: int, title: str) -> Problem:
    """Return the problem of a bare HTTP status, such as a wrong path or method."""
    return Problem(status, "http", title, HTTP_DETAILS.get(status, title))


def parameter_problem(fault: RequestValidationError) -> Problem:
    """Return the problem that lists the parameters that cannot be read."""
    errors = tuple(
        FieldError("/" + "/".join(map(str, error["loc"])), error["msg"]) for error in fault.errors()
    )
    return Problem(
        422, "invalid", "Cannot be read", "A parameter cannot be read; see errors.", errors
    )


def handle_problems(
    app: FastAPI,
    refusals: tuple[type[Exception], ...],
    to_problem: Callable[[Exception], Problem],
    fault: Problem,
) -> None:
    """Answer each error of an application with a problem.

    `to_problem` translates the errors in `refusals`; `fault` stands for all that nobody expects.
    """

    async def answer_refusal(request: Request, error: Any) -> Response:
        return problem_response(to_problem(error), request.scope["path"])

    async def answer_http_error(request: Request, error: Any) -> Response:
        headers = {
            name: value.replace("GET", "GET, HEAD") for name, value in (error.headers or {}).items()
        }
        problem = http_problem(error.status_code, str(error.detail))
        return problem_response(problem, request.scope["path"], headers)

    async def answer_wrong_parameter(request: Request, error: Any) -> Response:
        return problem_response(parameter_problem(error), request.scope["path"])

    async def answer_fault(request: Request, error: Exception) -> Response:
        return problem_response(fault, request.scope["path"])

    handlers: dict[Any, Any] = dict.fromkeys(refusals, answer_refusal)
    handlers |= {
        HTTPException: answer_http_error,
        RequestValidationError: answer_wrong_parameter,
        Exception: answer_fault,
    }
    for error, handler in handlers.items():
        app.add_exception_handler(error, handler)
