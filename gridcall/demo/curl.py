"""As much of curl as `gridcall demo` types, for machines without it: `-s -i -H -d -o /dev/null -w`; the same bytes are sent."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import httpx

NOT_REACHED = 7  # curl's own status for it.


def main(words: Sequence[str] | None = None) -> int:
    """Ask, and print what came."""
    said = options().parse_args(words)
    headers = dict(header.split(": ", 1) for header in said.header)
    body = None if said.data is None else said.data.encode()
    try:
        with httpx.Client(trust_env=False, timeout=60) as http:
            answer = http.request(
                "GET" if body is None else "POST", said.url, content=body, headers=headers
            )
    except httpx.TransportError:
        sys.stdout.write(said.write_out.replace("%{http_code}", "000"))
        return NOT_REACHED
    if said.output is None:
        sys.stdout.write(head_of(answer) + answer.text if said.include else answer.text)
    sys.stdout.write(said.write_out.replace("%{http_code}", str(answer.status_code)))
    return 0


def options() -> argparse.ArgumentParser:
    """The options that are known."""
    parser = argparse.ArgumentParser("curl")
    parser.add_argument("url")
    parser.add_argument("-s", "--silent", action="store_true")
    parser.add_argument("-i", "--include", action="store_true")
    parser.add_argument("-H", "--header", action="append", default=[])
    parser.add_argument("-d", "--data")
    parser.add_argument("-o", "--output", choices=["/dev/null"])
    parser.add_argument("-w", "--write-out", default="")
    return parser


def head_of(answer: httpx.Response) -> str:
    """The status line and the headers."""
    lines = [
        f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}",
        *(f"{name}: {value}" for name, value in answer.headers.items()),
    ]
    return "\r\n".join([*lines, "", ""])


if __name__ == "__main__":
    sys.exit(main())
