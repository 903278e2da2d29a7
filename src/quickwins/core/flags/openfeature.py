"""Flags of any service that has an OpenFeature provider: flagd, Unleash, LaunchDarkly and others.

    client = api.get_client()   # when its provider is ready: `set_provider` does not wait for that
    sources = [EnvironmentSource(os.environ, SECTIONS), OpenFeatureSource(client, SECTIONS), FileSource(path)]
    qw = QuickWins(Flags(SECTIONS, sources))

The flag `quickwins.<feature>` is either an object of the fields that a section has, `{"enabled": true, "percent": 10}`, or a
boolean, which is `enabled` alone. What the service doesn't have, or has disabled, the file decides. Percentages are drawn here, on the
request's own key, and not by the service: it is asked once for all requests, at each poll, on the event loop. So use a provider that answers
from memory: one that asks over the network each time holds the loop up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from quickwins.core.config import Layer
from quickwins.core.flags._kills import killed_in
from quickwins.core.flags._state import FlagSettings
from quickwins.core.flags.errors import SourceError, SourceReason

if TYPE_CHECKING:
    from quickwins.core.config import Section

PREFIX = "quickwins."


class OpenFeatureClient(Protocol):
    """What is asked of a client: that of `openfeature-sdk` has it."""

    def get_object_details(self, flag_key: str, default_value: Any, /) -> Any:
        """An object's value, `error_code` and `reason`."""
        ...

    def get_boolean_details(self, flag_key: str, default_value: bool, /) -> Any:
        """A boolean's value, `error_code` and `reason`."""
        ...


class OpenFeatureSource:
    """The flags of a service, through a client of OpenFeature.

    While the client can't answer, the last good snapshot stays; at the start that is an error, as with any source. The SDK's
    `InMemoryProvider` does not tell that a flag is disabled: there it counts as it stands.
    """

    name = "openfeature"

    def __init__(
        self, client: OpenFeatureClient, sections: Mapping[str, type[Section]], *, prefix: str = PREFIX
    ) -> None:
        """Ask `client` about every flag of `sections`.

        Args:
            client: Its provider has to be ready.
            sections: The known sections.
            prefix: What stands before a feature's name in the service.
        """
        self._client = client
        self._prefix = prefix
        self._features = [name for name, model in sections.items() if issubclass(model, FlagSettings)]
        self._values: dict[str, Any] = {}
        self._failed: SourceError | None = None

    def __repr__(self) -> str:
        return f"<OpenFeatureSource of {', '.join(sorted(self._values)) or 'nothing'}>"

    def read(self) -> str:
        """See `Source`."""
        values: dict[str, Any] = {}
        failed: list[str] = []
        for feature in self._features:
            try:
                said = self._said(f"{self._prefix}{feature}")
            except ValueError as error:
                failed.append(str(error))
                continue
            if said is not None:
                values[feature] = said
        if failed:  # the others are asked all the same: one of them may kill
            self._failed = SourceError(
                f"openfeature: {failed[0]}",
                source=self.name,
                reason=SourceReason.UNREADABLE,
                kills=killed_in(values),
            )
            raise self._failed
        self._values, self._failed = values, None
        return json.dumps(values, sort_keys=True, default=repr)

    def layer(self) -> Layer:
        """See `Source`."""
        if self._failed is not None:
            raise self._failed
        return Layer(self.name, self._values)

    def accept(self) -> None:
        """See `Source`."""

    def _said(self, key: str) -> dict[str, Any] | None:
        """The fields of one feature; `None`: nothing is said of it.

        Raises:
            ValueError: The client could not answer.
        """
        details = self._client.get_object_details(key, {})
        if _code(details.error_code) == "TYPE_MISMATCH":
            details = self._client.get_boolean_details(key, False)
        code = _code(details.error_code)
        if code == "FLAG_NOT_FOUND" or _code(details.reason) == "DISABLED":
            return None
        if code:
            raise ValueError(f"{key}: {code}")
        if isinstance(details.value, bool):
            return {"enabled": details.value}
        if not isinstance(details.value, Mapping):
            raise ValueError(f"{key}: neither an object nor a boolean")  # noqa: TRY004 -- the service's mistake, not a caller's; until=never
        return dict(details.value)


def _code(value: Any) -> str:
    return str(getattr(value, "value", value) or "")
