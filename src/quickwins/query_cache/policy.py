"""How long, and for whom, an answer may be served again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from quickwins.core.errors import ConfigError
from quickwins.core.knobs import Checked, knob
from quickwins.core.lazy import shows

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["Policy"]
__dir__ = shows(__name__)

MAX_SECONDS = 31_536_000.0
"""A year: what HTTP's `max-age` is meant for at most."""


Scope: TypeAlias = Literal["PUBLIC", "PRIVATE"]
"""Who may be served an answer: everybody, or the principal it was made for (nobody, when there is none)."""


@dataclass(frozen=True, slots=True)
class Policy(Checked):
    """How long an answer is served again, to whom, and what it depends on besides its document and its variables.

    Attributes:
        scope: `PUBLIC`: everybody may get it; `PRIVATE`: the principal it was made for.
        vary: The headers of the request that the answer depends on, in lower case; `cookie:theme` is one cookie.

    Raises:
        ConfigError: A value is out of bounds, or a header's name is none.
    """

    ttl_seconds: float = knob(
        0.0, ge=0, le=MAX_SECONDS, words="How long it is fresh; 0: it is never stored (`NO_CACHE`)."
    )
    scope: Scope = "PUBLIC"
    vary: Collection[str] = ()
    stale_while_revalidate_seconds: float = knob(
        0.0,
        ge=0,
        le=MAX_SECONDS,
        words="How long past its time it is still served while one request renews it; 0: not.",
    )
    stale_if_error_seconds: float = knob(
        0.0, ge=0, le=MAX_SECONDS, words="How long past its time it is served when executing fails; 0: not."
    )
    store_extensions: bool = knob(
        False,
        words="Whether an answer with `extensions` may be stored, with them: they can carry whose it is, or a trace.",
    )

    def __post_init__(self) -> None:
        # `super()` does not know the class that `slots=True` has made.
        Checked.__post_init__(self)
        if self.scope not in get_args(Scope):
            raise ConfigError(f"scope={self.scope!r} is not allowed: one of {', '.join(get_args(Scope))}")
        given = [self.vary] if isinstance(self.vary, str) else self.vary  # a text is a collection of letters
        names = tuple(sorted({name.lower() for name in given}))
        for name in names:
            if not name or "*" in name or any(letter.isspace() for letter in name):
                raise ConfigError(
                    f"vary={name!r} is not allowed: the name of a header, or `cookie:` and a cookie's"
                )
        object.__setattr__(self, "vary", names)


DEFAULT_POLICIES = {
    "PUBLIC": Policy(ttl_seconds=30.0),
    "SEARCH": Policy(ttl_seconds=60.0),
    "USER_DATA": Policy(ttl_seconds=5.0, scope="PRIVATE"),
    "NO_CACHE": Policy(),
}
"""What `QueryCache` has without `policies`."""
