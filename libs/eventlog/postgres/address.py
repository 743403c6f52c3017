"""The address of a database: its URL without what is secret, and its checks."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from events.errors import Unusable

EXAMPLE = "for example postgresql://USER@HOST/NAME"


def check_address(url: str) -> None:
    """Raise Unusable unless a URL names a database of Postgres."""
    try:
        parts = urlsplit(url)
        is_complete = bool(unquote(parts.path).strip("/")) and (parts.port or 1) > 0
    except ValueError as fault:
        raise Unusable(f"the URL of the database is wrong: {fault}; {EXAMPLE}") from None
    if parts.scheme not in ("postgresql", "postgres"):
        raise Unusable(
            f"the URL of the database begins with {parts.scheme or 'no scheme'!r}; {EXAMPLE}"
        )
    if not is_complete:
        raise Unusable(f"the URL of the database names none; {EXAMPLE}")


def public_address(url: str) -> str:
    """Return host, port and database of a URL, without role and password."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    host = query.get("host", [parts.netloc.rpartition("@")[2]])[0]
    port = query.get("port", [""])[0]
    return f"{host}{':' if port else ''}{port}{unquote(parts.path)}"
