"""Addresses of databases as people may see them: without their passwords."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import parse_qs, quote, unquote, urlsplit

from quickwins.core.lazy import shows

__all__ = ["clean", "password_of", "place"]
__dir__ = shows(__name__)


def place(dsn: str | None) -> str:
    """Where a DSN points to, for people: without its user and password."""
    if not dsn:
        return "the server that the PG* variables name"
    with suppress(ValueError):
        parts = urlsplit(dsn)
        host = (parts.netloc.rpartition("@")[2]) or parse_qs(parts.query).get("host", ["localhost"])[0]
        return f"{host}{parts.path}"
    return "the server"


def password_of(dsn: str | None) -> str:
    """The password in a DSN; empty: there is none."""
    if not dsn:
        return ""
    try:
        parts = urlsplit(dsn)
        return unquote(parts.password or "") or parse_qs(parts.query).get("password", [""])[0]
    except ValueError:
        return dsn.rpartition("@")[0].rpartition(":")[2]


def clean(text: str, dsn: str | None) -> str:
    """`text` without the password of `dsn`, however it is spelled."""
    secret = password_of(dsn)
    if not secret:
        return text
    for spelled in {secret, quote(secret), quote(secret, safe="")}:
        text = text.replace(spelled, "***")
    return text
