"""Which field names say that their value is private. Pure.

A name is folded (`X-Api-Key`, `apiKey` and `api_key` are `apikey`) and cut into words at punctuation and capitals. The
first of these that holds decides:

1. It is one of the caller's `safe_keys` (no), or of its `keys` (yes): whole folded names.
2. A word makes it a fact about the secret: `has_password`, `token_count`, `gen_ai.usage.input_tokens` (no).
3. Folded, it contains one of `STRONG`, apart from words that only look like it (`tokenizer`, `secretary`), or it matches
   `_SHAPES` (yes).
4. One of its words is in `WORDS`, or its last one is in `LAST` (yes).

Strong words are those that no usual name contains by chance; `pin`, which is in `spinner`, is weak.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_NAME = 256
"""Characters of a name that are looked at; no name that says something is longer."""

_MEMO = 1_024
"""Names remembered. Names of fields are few; a caller that makes them up costs time, never memory."""

_FOLDED_AWAY = str.maketrans("", "", "-_. ")
_WORD = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|[A-Z]|[0-9]+|[^\W0-9_A-Za-z]+")


def _set(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


STRONG = tuple(
    sorted(
        _set("""
    password passwd passphrase passcode passwort kennwort motdepasse contrasena seedphrase recoveryphrase secret token
    credential authorization cookie sessionid sessid sessionkey connectsid apikey accesskey privatekey signingkey
    encryptionkey decryptionkey masterkey authkey sharedkey hmackey sshkey licensekey licencekey accountkey storagekey
    serverkey appkey deploykey consumerkey subscriptionkey functionskey symmetrickey pgpkey gpgkey tlskey sslkey
    sharedaccesssignature authheader authcode otpcode otpauth mfacode 2facode twofactorcode verificationcode recoverycode
    backupcode securitycode securityanswer accesscode pincode pinnumber connectionstring connstr cardnumber creditcard
    debitcard ccnumber primaryaccountnumber accountnumber bankaccount routingnumber socialsecurity passportnumber
    emailaddress phonenumber telephone mobilenumber cellphone dateofbirth birthdate
    """)
    )
)
"""Anywhere in a folded name."""

WORDS = _set("""
    pwd pwds pswd email emails phone phones msisdn iban ssn csrf xsrf jwt creds dsn cvv cvc totp hotp bearer
""")
"""As a whole word of a name."""

LAST = _set("pass auth pin otp pan session sig signature mobile tel fax cred csc dob birthday passport")
"""As the whole name or its last word, numbers apart."""

_SHAPES = re.compile(
    r"(?:database|db|redis|mongo(?:db)?|postgres(?:ql)?|mysql|amqp|rabbitmq|broker|jdbc|webhook)ur[il]s?\Z"
    r"|email\Z|\Asid\Z|(?<!dis)cardno\Z|\Accnum|(?<!syn)taxid|(?<!inter)nationalid"
)
_LOOKALIKES = re.compile(
    r"secretar(?:y|ies|ial|iat)|tokeni[sz](?:er|ers|e|ed|es|ing|ation)|tokenomics|cookiecutter|passwordless"
    r"|(?:function|method|type|call)signature"
)

_TRAILING = "0123456789])}'\""

_FACTS_FIRST = _set("""
    has is needs requires num count max min total avg mean use uses allow allows enable show hide no without missing time
""")
_FACTS_LAST = _set("""
    count counts total totals type types kind used usage limit limits max min length len size bytes expiry expires
    expiration expired at in ttl age second seconds ms minute minutes hours days lifetime duration latency valid invalid
    verified confirmed present required optional enabled disabled missing exists set unset policy policies attempts
    failures errors error status state version versions algorithm alg method endpoint issuer audience scopes scope field
    column file name names bucket budget quota remaining left rate position index ratio store provider backend domain
    template sent delivered opened clicked bounced model brand four changed updated created rotated rotation refreshed
    revoked matched matches hits misses consent path mode strength format regex pattern label placeholder server decision
    result
""")
_FACTS_SHAPES = re.compile(r"last4\Z|(?:token|authorization)ur[il]\Z")
_COUNTED = _set("""
    total prompt completion input output max min num cached reasoning usage used llm remaining per context generated
""")
"""With one of these, `tokens` are counted."""


def fold(name: str) -> str:
    """`name` without case, `-`, `_`, `.` and spaces."""
    return name.lower().translate(_FOLDED_AWAY)


def words(name: str) -> list[str]:
    """The words of `name`, in lower case."""
    return [word.lower() for word in _WORD.findall(name)]


def is_private(name: str) -> bool:
    """Whether `name` says that its value is private, by rules 2 to 4."""
    folded, parts = fold(name), words(name)
    if not parts or _is_fact(folded, parts):
        return False
    plain = _LOOKALIKES.sub("", folded)
    if any(strong in plain for strong in STRONG) or _SHAPES.search(plain) or not WORDS.isdisjoint(parts):
        return True
    last = parts[-2] if parts[-1].isdigit() and len(parts) > 1 else parts[-1]
    return last in LAST and plain.rstrip(_TRAILING).endswith(last)


def _is_fact(folded: str, parts: list[str]) -> bool:
    if len(parts) == 1:
        return False
    if parts[0] in _FACTS_FIRST or parts[-1] in _FACTS_LAST or _FACTS_SHAPES.search(folded):
        return True
    return parts[-1] == "tokens" and not _COUNTED.isdisjoint(parts)


def namer(keys: frozenset[str], safe_keys: frozenset[str]) -> Callable[[str], bool]:
    """A function that tells whether a field's name is private, and remembers. Any thread."""
    memo: dict[str, bool] = {}
    known = memo.get

    def private(name: str) -> bool:
        answer = known(name)
        if answer is None:
            name = name[:_MAX_NAME]
            folded = fold(name)
            answer = folded not in safe_keys and (folded in keys or is_private(name))
            if len(memo) >= _MEMO:
                memo.clear()
            memo[name] = answer
        return answer

    return private


def kind(name: str) -> str:
    """`email` or `phone` when that is what `name` says its value is, else nothing."""
    folded, parts = fold(name), words(name)
    if "email" in parts or folded.endswith(("email", "emailaddress")):
        return "email"
    if not {"phone", "mobile", "tel", "telephone", "msisdn"}.isdisjoint(parts) or "phonenumber" in folded:
        return "phone"
    return ""
