"""The address of a database: its URL without what is secret, and its checks."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from events.errors import Unusable

EXAMPLE = (
    "for example postgresql://USER@HOST/NAME; special characters of a password are written %23"
)


def check_address(url: str) -> None:
    """Raise Unusable unless a URL names a database of Postgres. A password is not repeated."""
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        parts, has_port = urlsplit("postgresql:"), False
    if parts.scheme not in ("postgresql", "postgres"):
        scheme = repr(parts.scheme) if parts.scheme else "no scheme"
        raise Unusable(f"the URL of the database begins with {scheme}; {EXAMPLE}")
    if not has_port:
        raise Unusable(f"the URL of the database has a port that is no number; {EXAMPLE}")
    if not unquote(parts.path).strip("/"):
        raise Unusable(f"the URL of the database names none; {EXAMPLE}")


def public_address(url: str) -> str:
    """Return host, port and database of a URL, without role and password."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    host = query.get("host", [parts.netloc.rpartition("@")[2]])[0]
    port = query.get("port", [""])[0]
    return f"{host}{':' if port else ''}{port}{unquote(parts.path)}"
