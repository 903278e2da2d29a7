"""One request in a view, from its context to what its response says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickwins.query_cache._headers import NO_STORE, Said, matches
from quickwins.query_cache._responses import NOT_MODIFIED

if TYPE_CHECKING:
    from quickwins.query_cache._desk import Owner
    from quickwins.query_cache._observed import ObservedRequest
    from quickwins.query_cache._raw import Raw


class Session:
    """One HTTP request in a view.

    Attributes:
        request: It.
        owner: Whose it is.
        is_on: Whether the flag is on for it.
        raw: It, as it came; `None`: nobody needs to know.
        said: What each of its operations says of how long it lasts; `None` for one that must not be stored.
        touched: Whether any of them is cached at all.
    """

    __slots__ = ("is_on", "owner", "raw", "request", "said", "touched")

    def __init__(
        self, request: ObservedRequest, owner: Owner, *, is_on: bool, raw: Raw | None = None
    ) -> None:
        self.request = request
        self.owner = owner
        self.is_on = is_on
        self.raw = raw
        self.said: list[Said | None] = []
        self.touched = False

    def say(self, result: Any, sub_response: Any, *, may_be_empty: bool) -> None:
        """Put into the response what its operations say together; what the application has said itself stays."""
        headers = sub_response.headers
        if "cache-control" in headers:
            return
        results = result if isinstance(result, list) else [result]
        failed = any(getattr(one, "errors", None) for one in results)
        said = [one for one in self.said if one is not None]
        if failed or (self.touched and len(said) != len(results)):
            headers["cache-control"] = NO_STORE
            return
        if not said:
            return
        together = said[0] if len(said) == 1 else Said.together(said)
        made = together.headers()
        if not headers.raw:  # as nearly always, and the way below looks through all headers for each
            headers.raw.extend((name.encode(), value.encode("latin-1")) for name, value in made)
        else:
            for name, value in made:
                if name == "vary":
                    headers.add_vary_header(value)
                else:
                    headers[name] = value
        request = self.request
        asked = request.plain_headers.get("if-none-match") if may_be_empty else None
        if asked and together.etag and request.method in {"GET", "HEAD"} and matches(together.etag, asked):
            sub_response.status_code = NOT_MODIFIED
