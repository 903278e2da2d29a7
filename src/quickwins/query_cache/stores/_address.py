"""Where a Valkey or Redis server is, and how one introduces oneself."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from quickwins.core.errors import ConfigError
from quickwins.core.given import of_type

_TLS = {"redis": False, "valkey": False, "rediss": True, "valkeys": True}
_PORT = 6379


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect, and as whom."""

    host: str
    port: int
    tls: bool
    database: int
    user: str = field(repr=False)
    password: str = field(repr=False)

    @classmethod
    def of(cls, url: str) -> Address:
        """What `url` says.

        Raises:
            ConfigError: Its scheme, host, port or database isn't valid.
        """
        try:
            parts = urlsplit(of_type("the URL of a shared store", url, str, "text, redis://host:port"))
            host, port, database = parts.hostname, parts.port or _PORT, int(parts.path.strip("/") or 0)
        except (ValueError, AttributeError):
            host = None
        if not host or parts.scheme not in _TLS or database < 0:
            raise ConfigError(
                "the URL of a shared store is redis://[user:password@]host[:port][/database]; also valkey://, and "
                "rediss:// or valkeys:// for TLS"
            )
        user, password = unquote(parts.username or "default"), unquote(parts.password or "")
        return cls(host, port, _TLS[parts.scheme], database, user, password)

    def context(self) -> ssl.SSLContext | None:
        """For TLS; `None`: without it."""
        return ssl.create_default_context() if self.tls else None

    def greeting(self) -> list[list[bytes]]:
        """The first commands on a connection."""
        login = [b"AUTH", self.user.encode(), self.password.encode()] if self.password else []
        select = [[b"SELECT", b"%d" % self.database]] if self.database else []
        return [[b"HELLO", b"3", *login], *select]
