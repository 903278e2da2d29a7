"""What is not shown: the rules, and how a service sets them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import SecretStr

from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

_LEAST_KEY_BYTES = 16
_MOST_KEY_BYTES = 64


class Rule(StrEnum):
    """Why a value, or a part of it, is not shown; the value of the label `rule` of `log_redactions_total`."""

    KEY = "key"
    """It stands under a name such as `password`."""
    PAIR = "pair"
    """It stands behind such a name inside of text: `password=...`, `"token": "..."`."""
    EMAIL = "email"
    """An address: a local part, `@` or `%40`, and a domain with a dot (after RFC 5321; letters of any script)."""
    PHONE = "phone"
    """A number in ITU-T E.164's form (`+` or `00`, 8 digits or more), North American with separators, or behind `tel:`."""
    CARD = "card"
    """A payment card: an issuer's prefix and length, and Luhn's check digit (ISO/IEC 7812); grouped or not, text or integer."""
    JWT = "jwt"
    """A JSON web token (RFC 7519), signed, encrypted or cut short."""
    BEARER = "bearer"
    """What follows an authorization scheme (RFC 6750, RFC 7617): `Bearer ...`, `Basic ...`."""
    PEM = "pem"
    """A block between BEGIN and END lines (RFC 7468), or what is left of one."""
    API_KEY = "api_key"
    """A key that its prefix gives away: AWS, GitHub, GitLab, Slack, Stripe, Google and others."""
    URL_CREDENTIALS = "url_credentials"
    """`user:password@` in a URL (RFC 3986, 3.2.1)."""
    QUERY = "query"
    """The value of a query string or of a fragment's pair; all of them, whatever their names."""
    TOO_LONG = "too_long"
    """What comes after the first 4,096 characters."""
    TOO_MANY = "too_many"
    """What comes after 64 findings in one text."""


LOOKS = frozenset(Rule) - {Rule.KEY, Rule.TOO_LONG, Rule.TOO_MANY}
"""The rules that look at values."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """What to hide. Make one with `strict`.

    Attributes:
        keys: Names whose values are hidden, besides the known ones.
        safe_keys: Names whose values are not hidden for their name.
        rules: The rules that look at values.
        known_keys: Whether the known names count.
        pseudonym_key: What pseudonyms are made with; `None`: there are none. In no output.
    """

    keys: frozenset[str] = frozenset()
    safe_keys: frozenset[str] = frozenset()
    rules: frozenset[Rule] = LOOKS
    known_keys: bool = True
    pseudonym_key: bytes | None = field(default=None, repr=False)

    @classmethod
    def strict(
        cls,
        *,
        keys: Iterable[str] = (),
        safe_keys: Iterable[str] = (),
        pseudonym_key: bytes | str | SecretStr | None = None,
    ) -> Self:
        """Every rule.

        Args:
            keys: More names whose values are hidden; case, `-`, `_`, `.` and spaces in them don't matter.
            safe_keys: Names whose values are shown although they are known as secrets'; the values are still looked at.
            pseudonym_key: 16 to 64 bytes of secret: e-mail addresses and phone numbers are then replaced by a pseudonym
                that is the same for the same person. From the environment, never from a file. `None`: just hidden.

        Raises:
            ConfigError: A name is no text or empty, or the key is too short or too long.
        """
        return cls(
            keys=_folded("keys", keys),
            safe_keys=_folded("safe_keys", safe_keys),
            pseudonym_key=_checked(pseudonym_key),
        )

    @classmethod
    def none(cls) -> Self:
        """Nothing is hidden: to measure what hiding costs. Never in production."""
        return cls(rules=frozenset(), known_keys=False)


def fold(name: str) -> str:
    """`name` as names are compared: lower case, without `-`, `_`, `.` and spaces."""
    return name.lower().translate(_SEPARATORS)


_SEPARATORS = {ord(one): None for one in "-_. "}


def _folded(what: str, names: Iterable[object]) -> frozenset[str]:
    if isinstance(names, str):
        raise ConfigError(f"Redaction: {what} is a collection of names, not one text")
    found = set()
    for name in names:
        if not isinstance(name, str) or not fold(name):
            raise ConfigError(f"Redaction: {what} holds {name!r}: only names that are not empty are allowed")
        found.add(fold(name))
    return frozenset(found)


def _checked(key: bytes | str | SecretStr | None) -> bytes | None:
    if key is None:
        return None
    if isinstance(key, SecretStr):
        key = key.get_secret_value()
    data = key.encode() if isinstance(key, str) else key
    if not _LEAST_KEY_BYTES <= len(data) <= _MOST_KEY_BYTES:
        raise ConfigError(
            f"Redaction: pseudonym_key has {len(data)} bytes; {_LEAST_KEY_BYTES} to {_MOST_KEY_BYTES} are allowed"
        )
    return data
