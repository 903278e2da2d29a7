"""One GET, in a thread: of what an operator has listed, and no further than it answers."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request

from quickwins.core.errors import ConfigError

MAX_BYTES = 32 << 20


def checked(url: str) -> str:
    """`url`, if it is one of HTTP.

    Raises:
        ConfigError: It is not.
    """
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"{url!r} is no address to look at: http://HOST:PORT/PATH, or https")
    return url


async def get(url: str, *, timeout: float) -> bytes:
    """What `url` answers.

    Raises:
        OSError: Nothing, no success, too late, or too much.
    """
    try:
        async with asyncio.timeout(timeout + 1):  # a drop at a time keeps each read within its own time-out
            return await asyncio.to_thread(_get, url, timeout)
    except TimeoutError:
        raise OSError("too late") from None


def _get(url: str, timeout: float) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 -- `checked`; until=never
            body: bytes = answer.read(MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        raise OSError(f"HTTP {error.code}") from None
    except (urllib.error.URLError, ValueError) as error:
        raise OSError(str(getattr(error, "reason", error))) from None
    if len(body) > MAX_BYTES:
        raise OSError(f"more than {MAX_BYTES} bytes")
    return body
