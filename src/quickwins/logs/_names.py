"""Whether a name is a secret's. Pure.

A name is taken apart into words (`clientSecret`, `client-secret`, `client.secret`, `CLIENT_SECRET`: `client`, `secret`), and
is a secret's when one of them is, or two in a row are. Names written in one (`dbpassword`) are known by how they begin and
end. The trap: many names are *about* a secret without holding it (`token_count`, `has_password`, `email_sent`).
"""

from __future__ import annotations

import itertools
import re
from enum import Enum, auto

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W_a-zA-Z0-9]+")


class Kind(Enum):
    """What a name is a name of."""

    PLAIN = auto()
    SECRET = auto()
    EMAIL = auto()
    PHONE = auto()


_EMAIL = frozenset({"email", "emails", "mail", "mails", "emailaddress", "mailto"})
_PHONE = frozenset(
    {"phone", "phones", "phonenumber", "mobile", "cellphone", "telephone", "tel", "fax", "msisdn"}
)
_SECRET = frozenset(
    [
        "password",
        "passwords",
        "passwd",
        "passwds",
        "pwd",
        "passphrase",
        "passcode",
        "pass",
        "secret",
        "secrets",
        "token",
        "tokens",
        "apikey",
        "apikeys",
        "accesskey",
        "secretkey",
        "privatekey",
        "authorization",
        "auth",
        "authentication",
        "cookie",
        "cookies",
        "credential",
        "credentials",
        "creds",
        "session",
        "jwt",
        "otp",
        "totp",
        "pin",
        "pins",
        "cvv",
        "cvv2",
        "cvc",
        "cvc2",
        "csc",
        "pan",
        "iban",
        "ssn",
        "sin",
        "nino",
        "csrf",
        "xsrf",
        "dsn",
        "bearer",
        "signature",
        "hmac",
        "nonce",
        "salt",
        "seed",
        "mnemonic",
        "cardnumber",
        "creditcard",
        "clientsecret",
        "sessionid",
        "sid",
        "passport",
        "taxid",
        "dob",
        "birthdate",
        "birthday",
    ]
)
_PAIRS = frozenset(
    """
    api key|access key|secret key|private key|signing key|encryption key|master key|auth key|account key|license key|shared key
    ssh key|service key|storage key|set cookie|card number|credit card|debit card|card no|account number|routing number
    connection string|database url|db url|redis url|postgres url|mongo uri|broker url|webhook url|social security
    security code|verification code|recovery code|recovery codes|backup codes|one time|date of|e mail|cell number|mobile number
    x auth|proxy auth|national id|tax id|drivers license|driver license|bank account|session id|session key|first name
    last name|full name|client secret|www authenticate
    """.replace("\n", "|").split("|")
)
_PAIRS = frozenset(pair.strip() for pair in _PAIRS if pair.strip())
_BEGINS = (
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "secretkey",
    "accesskey",
    "privatekey",
    "creditcard",
    "cardnumber",
)
_ENDS = (
    "password", "passwd", "passphrase", "secret", "apikey", "accesskey", "privatekey", "authtoken", "accesstoken",
    "refreshtoken", "idtoken", "csrftoken", "xsrftoken", "sessiontoken", "bearertoken", "cookie", "credentials", "sessionid",
    "secretkey", "connectionstring", "databaseurl", "creditcard", "cardnumber",
)  # fmt: skip
_EMAIL_ENDS = ("email", "emailaddress")
_PHONE_ENDS = ("phone", "phonenumber", "msisdn")
_ABOUT_LAST = frozenset(
    [
        "count",
        "counts",
        "total",
        "len",
        "length",
        "size",
        "type",
        "types",
        "kind",
        "limit",
        "max",
        "min",
        "used",
        "usage",
        "rate",
        "ttl",
        "expiry",
        "expires",
        "expired",
        "expiration",
        "age",
        "valid",
        "verified",
        "enabled",
        "disabled",
        "required",
        "present",
        "set",
        "sent",
        "status",
        "state",
        "hint",
        "policy",
        "at",
        "ms",
        "seconds",
        "bytes",
        "hit",
        "hits",
        "miss",
        "version",
        "strength",
        "score",
        "attempts",
        "retries",
        "failures",
        "errors",
        "error",
        "field",
        "fields",
        "format",
        "algorithm",
        "alg",
        "method",
        "provider",
        "template",
        "subject",
        "domain",
        "ok",
        "changed",
        "created",
        "updated",
        "rotated",
        "missing",
        "allowed",
        "optional",
        "supported",
        "prefix",
        "index",
        "position",
    ]
)
_ABOUT_FIRST = frozenset(
    [
        "max",
        "min",
        "num",
        "n",
        "total",
        "count",
        "has",
        "is",
        "was",
        "with",
        "no",
        "needs",
        "requires",
        "use",
        "uses",
        "using",
        "allow",
        "allows",
        "show",
        "per",
        "missing",
    ]
)


def kind_of(name: str) -> Kind:
    """What `name` names; names of any length and script."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or (len(words) > 1 and (words[-1] in _ABOUT_LAST or words[0] in _ABOUT_FIRST)):
        return Kind.PLAIN
    for word in words:
        if word in _SECRET or word.startswith(_BEGINS) or word.endswith(_ENDS):
            return Kind.SECRET
    if any(f"{one} {other}" in _PAIRS for one, other in itertools.pairwise(words)):
        return Kind.EMAIL if {"e", "mail"} <= set(words) else Kind.SECRET
    for word in words:
        if word in _EMAIL or word.endswith(_EMAIL_ENDS):
            return Kind.EMAIL
        if word in _PHONE or word.endswith(_PHONE_ENDS):
            return Kind.PHONE
    return Kind.PLAIN
