"""What is looked for, and what a service says of it: its own names, and a key for pseudonyms."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, NoReturn

from quickwins.core.digest import digest
from quickwins.core.errors import ConfigError
from quickwins.logs.redaction._names import fold

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from pydantic import SecretBytes, SecretStr

MIN_KEY_BYTES = 16
MAX_NAMES = 1_000
"""How many names `keys` and `safe_keys` may each have."""


class RedactionRule(StrEnum):
    """Why something was left out: the label of `log_redactions_total`, and what stands in its place.

    Attributes:
        mark: What stands there.
    """

    mark: str

    def __init__(self, label: str) -> None:
        self.mark = "[redacted]" if label == "query" else f"[redacted:{label}]"

    __hash__ = str.__hash__
    """That of enumerations is written in Python, and every hit is counted under its rule."""

    KEY = "key"
    """The name of the field says so."""

    EMAIL = "email"
    """An address after RFC 5321 and 6531 (letters of any script), with a dot in its domain or an address in brackets."""

    PHONE = "phone"
    """A number after ITU-T E.164 with `+` or `00` and a country code, one of North America (3-3-4 digits with
    separators), or an RFC 3966 `tel:`. Not national numbers of other countries: they look like order numbers."""

    CARD = "card"
    """13 to 19 digits with the first digits and the length of a card brand and a valid Luhn digit (ISO/IEC 7812), in
    one piece or grouped as on a card by single spaces or hyphens; in integers too."""

    IBAN = "iban"
    """A bank account after ISO 13616: the country's length and a valid check (ISO 7064, mod 97)."""

    JWT = "jwt"
    """A token after RFC 7519, signed or encrypted (RFC 7515, 7516: parts between dots), cut short or not."""

    BEARER = "bearer"
    """What follows `Bearer` (RFC 6750), `Basic` (RFC 7617) or `Token`, when it looks like a credential and not like
    the next word of a sentence."""

    PEM = "pem"
    """From `-----BEGIN …-----` to its end (RFC 7468), or to the end of the text where that is missing."""

    API_KEY = "api_key"
    """A key with the prefix that its issuer gives it, such as `ghp_`, `AKIA` or `sk_live_`."""

    URL_CREDENTIALS = "url_credentials"
    """What stands before the `@` of a URL's authority (RFC 3986, 3.2.1), user included."""

    QUERY = "query"
    """The value of a query or fragment parameter (RFC 3986, 3.4 and 3.5); shown as `[redacted]`, the name stays."""

    PAIR = "pair"
    """The value of `name=value`, `name: value` or `"name": "value"` inside a text, where the name says so."""

    TOO_MANY = "too_many"
    """The rest of a text that had too many of the above."""

    TOO_LONG = "too_long"
    """The rest of a text that is longer than what is looked at, with the number of its characters."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is left out of log lines. Immutable; any thread. Build it with `strict`, or with `relaxed`.

    Attributes:
        keys: More field names whose values are private, folded.
        safe_keys: Field names whose values are not private whatever they look like, folded. Their values are still
            looked at.
        rules: What is looked for.
        errs_open: Whether what may be a secret or not is shown.
        pseudonym_key: A key derived from the one that was given; in no output.
    """

    keys: frozenset[str] = frozenset()
    safe_keys: frozenset[str] = frozenset()
    rules: frozenset[RedactionRule] = frozenset(RedactionRule)
    errs_open: bool = False
    pseudonym_key: SecretBytes | None = field(default=None, repr=False)

    @classmethod
    def strict(
        cls,
        *,
        keys: Iterable[str] = (),
        safe_keys: Iterable[str] = (),
        pseudonym_key: bytes | SecretStr | None = None,
    ) -> Self:
        """Everything that `RedactionRule` names, by name and by value; what may be a secret or not is left out.

        Names are compared without case, `-`, `_`, `.` and spaces, as whole names: `safe_keys=["page_token"]` frees
        `pageToken` and not `my_page_token`.

        Args:
            keys: More names whose values are private. Off value: `()`.
            safe_keys: Names that sound private and are not. They win over everything else. Off value: `()`.
            pseudonym_key: At least 16 bytes from the environment, the same in all processes: e-mail addresses and phone
                numbers become `[email:0123456789abcdef]`, always the same for the same address, so that one user can be
                followed without being named. Anyone with the key can test a guess; passwords, tokens and cards never
                become pseudonyms. Off value: `None`, they become `[redacted:email]`.

        Raises:
            ConfigError: An argument is invalid.
        """
        more, less = _folded("keys", keys), _folded("safe_keys", safe_keys)
        both = sorted(more & less)
        if both:
            raise ConfigError(f"keys and safe_keys must not overlap, but both have {both[0]!r}")
        return cls(keys=more, safe_keys=less, pseudonym_key=_derived(pseudonym_key))

    @classmethod
    def relaxed(
        cls,
        *,
        keys: Iterable[str] = (),
        safe_keys: Iterable[str] = (),
        pseudonym_key: bytes | SecretStr | None = None,
    ) -> Self:
        """Like `strict`, but what may be a secret or not is shown: for logs that only their engineers read.

        Inside of texts a value without quotes goes only if it looks drawn at random, also behind `=`; a parameter of a URL
        only then, or if its name is private; a phone number only with `+` or behind `tel:`. Fields go by their names as ever,
        and so does everything with a shape of its own: keys, tokens, cards, addresses, credentials in URLs.

        Args:
            keys: As for `strict`.
            safe_keys: As for `strict`.
            pseudonym_key: As for `strict`.

        Raises:
            ConfigError: An argument is invalid.
        """
        made = cls.strict(keys=keys, safe_keys=safe_keys, pseudonym_key=pseudonym_key)
        return replace(made, errs_open=True)

    @classmethod
    def none(cls) -> Self:
        """Nothing is left out: everything private is written. Never in production.

        For benchmarks, which measure redaction's own share as the difference.
        """
        return cls(rules=frozenset())

    def __repr__(self) -> str:
        rules = "all" if self.rules == frozenset(RedactionRule) else ", ".join(sorted(self.rules)) or "none"
        more = "".join(
            f", {name}: {', '.join(sorted(names))}"
            for name, names in (("keys", self.keys), ("safe keys", self.safe_keys))
            if names
        )
        return f"<Redaction{' relaxed,' if self.errs_open else ''} rules: {rules}{more}{'' if self.pseudonym_key is None else ', with pseudonyms'}>"

    def __reduce__(self) -> str | tuple[object, ...]:
        if self.pseudonym_key is not None:
            _refuse()
        return type(self), (self.keys, self.safe_keys, self.rules, self.errs_open)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self


def _refuse() -> NoReturn:
    raise TypeError(
        "a Redaction with a pseudonym_key cannot be pickled: the key would be written in plain text"
    )


def _folded(name: str, given: Iterable[object]) -> frozenset[str]:
    if isinstance(given, (str, bytes)):
        raise ConfigError(f"{name} must be several names, such as [{given!r}], not {given!r} alone")
    names = set()
    for one in given:
        folded = fold(one) if isinstance(one, str) else ""
        if not folded:
            raise ConfigError(f"{name} must be names with at least one letter or digit, not {one!r}")
        names.add(folded)
    if len(names) > MAX_NAMES:
        raise ConfigError(f"{name} must be at most {MAX_NAMES} names, not {len(names)}")
    return frozenset(names)


def _derived(given: object) -> SecretBytes | None:
    """A key of the length that the digest takes, for this use alone: the one given may be in use elsewhere too."""
    if given is None:
        return None
    from pydantic import SecretBytes, SecretStr  # takes a twentieth of a second, and few have a key

    if isinstance(given, SecretStr):
        given = given.get_secret_value().encode("utf-8", "surrogatepass")
    if not isinstance(given, bytes):
        raise ConfigError(f"pseudonym_key must be bytes, a SecretStr or None, not {type(given).__name__}")
    if len(given) < MIN_KEY_BYTES:
        raise ConfigError(f"pseudonym_key must have at least {MIN_KEY_BYTES} bytes, not {len(given)}")
    return SecretBytes(digest("quickwins.logs.pseudonym", given, size_bytes=32))
