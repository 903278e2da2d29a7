"""Which field names say that their value is private, and of what kind it is then. Pure.

A name is folded (`X-Api-Key`, `apiKey` and `api_key` are `apikey`) and cut into words at punctuation and capitals. The
first of these that holds decides:

1. It is one of the caller's `safe_keys` (no), or of its `keys` (yes): whole folded names.
2. A word makes it a fact about the secret: `has_password`, `token_count`, `gen_ai.usage.input_tokens` (no).
3. Folded, it contains one of `STRONG`, apart from words that only look like it (`tokenizer`, `secretary`), or it matches
   `_SHAPES` (yes).
4. One of its words is in `WORDS`, or its last one is in `LAST` (yes).
5. Its last word is `key`, and it is written as environment variables are (`ACME_KEY`) or the word before is an issuer's or
   of cryptography (`stripe_key`, `aes_key`), and not of data structures (`cache_key`) (yes).

Strong words are those that no usual name contains by chance; `pin`, which is in `spinner`, is weak.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_NAME = 256
"""Characters of a name that are looked at; no name that says something is longer."""

_MEMO = 1_024
"""Names remembered. Names of fields are few; a caller that makes them up costs time, never memory."""

_FOLDED_AWAY = str.maketrans("", "", "-_. ")
_WORD = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|[A-Z]|[0-9]+|[^\W0-9_A-Za-z]+")


class Kind(StrEnum):
    """What a name says that its value is; false where it says nothing. In a text the value must look like it."""

    NONE = ""
    SECRET = "secret"  # noqa: S105 -- the kind; until=never
    LINE = "line"
    """A secret of several words: a header, a phrase."""
    PASSWORD = "password"  # noqa: S105 -- the kind; until=never
    EMAIL = "email"
    PHONE = "phone"
    SEVERAL = "several"
    """Secrets, of which a number says how many."""
    CODE = "code"
    """A few digits."""
    NUMBER = "number"
    """Of a card, an account, a person."""
    WEAK = "weak"
    """A word that has other meanings: `session`, `signature`, `pan`."""


def _set(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


STRONG = tuple(
    sorted(
        _set("""
    password passwd passphrase passcode passwort kennwort motdepasse contrasena seedphrase recoveryphrase secret token
    credential authorization cookie sessionid sessid sessionkey connectsid apikey accesskey privatekey privkey signingkey
    encryptionkey decryptionkey masterkey authkey sharedkey hmackey sshkey licensekey licencekey accountkey storagekey
    serverkey appkey deploykey consumerkey subscriptionkey functionskey symmetrickey pgpkey gpgkey tlskey sslkey
    sharedaccesssignature authheader authcode otpcode otpauth mfacode 2facode twofactorcode verificationcode recoverycode
    backupcode securitycode securityanswer accesscode pincode pinnumber codeverifier connectionstring connstr
    webjobsstorage cardnumber cardholder creditcard debitcard ccnumber primaryaccountnumber accountnumber bankaccount
    routingnumber socialsecurity nationalinsurance passportnumber driverlicense driverslicense
    drivinglicence drivinglicense emailaddress phonenumber telephone mobilenumber cellphone contactnumber dateofbirth
    birthdate
    """)
    )
)
"""Anywhere in a folded name."""

WORDS = _set("""
    pwd pwds pswd email emails mailto phone phones msisdn iban ssn csrf xsrf jwt jwk creds dsn cvv cvc totp hotp bearer
    psk netrc kubeconfig mnemonic cnpj pesel aadhaar personnummer
""")
"""As a whole word of a name."""

LAST = _set("""
    pass auth pin otp pan session sig signature hmac mobile tel fax cell cred csc dob birthday passport pepper kek dek pfx
    tan swift bic nin tin ein cpf nif dni nie bsn nino nric curp cuit cuil tfn rrn npwp bvn snils oib jmbg egn bcc
    landline whatsapp pw
""")
"""As the whole name or its last word, numbers apart."""


def _behind(end: str, listed: str) -> str:
    """`end` behind one of some words: read from its end on, since that is rarer than a beginning."""
    return f"{end}(?:{'|'.join(f'(?<={word}{end})' for word in listed.split())})"


_URLS = "database db redis valkey mongo mongodb postgres postgresql mysql mssql oracle clickhouse snowflake elasticsearch neo4j influx"
_CODES = "unlock confirm confirmation reset invite invitation sms login verify activation redemption pairing device user tan"
_HOOKS = "slack teams discord mattermost gchat googlechat zapier feishu incoming"
_TICKETS = "st krb krb5 kerberos tgt tgs proxy auth login golden"
_NO_PASSES = "by com sur tres over under low high band multi single first second last two one"  # `bypass`, `second_pass`
_SHAPES = re.compile(
    rf"""
    {_behind("ur", f"{_URLS} influxdb ldap smtp amqp nats rabbitmq broker jdbc webhook cloudinary signed sas")}[il]s?\Z
    | email\Z | \Asid\Z | twiliosid\Z | cardno\Z(?<!discardno) | card(?:num|exp|expiry)\Z | \Accnum
    | {_behind("no", "account acct ac")}\Z | {_behind("num", "account acct ac")}\Z | sortcode\Z | taxid(?<!syntaxid) | steuer(?:id|nummer)
    | nationalid(?<!internationalid)
    | passportno | {_behind("number", "pan nhs idcard identity insurance personal")} | replyto\Z | registrationid\Z
    | pass(?<=[a-z0-9]{{2}}pass){"".join(f"(?<!{word}pass)" for word in _NO_PASSES.split())}[0-9]*\Z
    | {_behind("code", f"{_CODES} email phone onetime registration entry")}[0-9s]*\Z
    | {_behind("link", "reset magic invite invitation login verification activation")}\Z
    | {_behind("webhook", _HOOKS)}\Z
    | {_behind("assertion", "client saml jwt id")}\Z | saml(?:response|request)
    | {_behind("ticket", _TICKETS)}\Z
    | \A(?:https?|all|ftp|socks5?)proxy\Z | docker(?:config|cfg)(?:json)?\Z | serviceaccountjson
    | {_behind("pw", "bind root admin user db sql mail smtp ldap svc key store old new")}\Z | client-?keydata\Z
    | honeycombteam | snmpcommunity | communitystring | unlockpattern | resultbackend\Z | pkcs12\Z | \Ap12\Z | \Aseed\Z
    """,
    re.VERBOSE,
)
_LOOKALIKES = re.compile(
    r"secretar(?:y|ies|ial|iat)|secretions?|tokeni[sz](?:er|ers|e|ed|es|ing|ation)|tokenomics|cookiecutter|passwordless"
    r"|(?:function|method|type|call)signature"
)

_TRAILING = "0123456789])}'\""

_FACTS_FIRST = _set("""
    has is needs requires num count n max min total avg mean use uses allow allows show hide no without missing time
""")
_FACTS_LAST = _set("""
    count counts total totals type types kind used usage limit limits max min length len size bytes expiry expires
    expiration expired at in ttl age second seconds ms minute minutes hours days lifetime duration latency valid invalid
    verified confirmed present required optional enabled disabled missing exists set unset policy policies attempts retries
    failures errors error status state version versions algorithm alg method endpoint issuer audience scopes scope field
    fields column file name names bucket budget quota remaining left rate position index ratio store provider backend
    backends domain template sent delivered opened clicked bounced model brand four changed updated created rotated rotation
    refreshed revoked matched matches hits misses consent path mode strength format regex pattern label placeholder server
    decision result arn ref reference queue queued subject country calls offset symbol checked loaded processed rejected
    accepted denied failed issued generated imported exported synced skipped seen purged removed deleted validated validator
    validation service manager handler factory resolver middleware listener worker engine serializer samesite secure
    httponly parallelism reset strategy encoder encoders hasher hashers stdin
""")
_FACTS_SHAPES = re.compile(
    r"last4\Z|(?:token|authorization)ur[il]\Z|tokenid\Z|erc[0-9]+token|(?:token|key|csrf|xsrf)header\Z"
)
_NEVERTHELESS = re.compile(r"unlockpattern\Z")
_COUNTED = _set("""
    total prompt completion input output max min num n cached reasoning usage used llm remaining per context generated
""")
"""With one of these, `tokens` are counted."""
_PAGES = _set(
    "next prev previous page pagination continuation continue sync cursor resume scroll start change delta"
)
"""With one of these, a `token` is a place in a list."""

_KEYS = _set("""
    admin aes algolia alpaca amplitude anthropic asana auth0 aws azure bing brevo bugsnag calendly circleci clearbit
    cloudflare cloudinary codecov cohere coinbase contentful cosmos crypt crypto cryptographic data datadog deepgram
    deepl deepseek descope digitalocean discord docker dropbox ecdsa ed25519 elastic elevenlabs encrypted etherscan facebook
    fastly fernet figma firebase flask gemini geocoder github gitlab giphy google gpt grafana groq helicone heroku honeycomb
    hubspot huggingface ibm infura ingest instrumentation intercom invoke jira jwt kms launchdarkly linear linkedin logflare
    logtail lookerapi mailchimp mailgun mailjet mandrill mapbox maps messagebird mistral mixpanel moderation nasa netlify
    newrelic newsapi notion nvidia okta onesignal openai openrouter openweather opsgenie owm pagerduty paypal perplexity
    pexels pinecone plaid polygon postmark posthog pubnub pusher qdrant quandl rapidapi recaptcha replicate resend rollbar rsa
    salesforce segment sendgrid sentry serpapi shippo shodan shopify signature signer slack snyk sparkpost spotify square
    stripe supabase tavily tenor tls telegram tmdb together trello tripadvisor turnstile twilio twitch twitter typeform
    unsplash vault vercel virustotal voyage vonage weather weaviate wandb webhook wep wpa write xai yelp youtube zendesk zoom
    cert certificate ssl tsl wireguard
""")
"""What stands before `key` when it is an issuer's or a cipher's."""
_NO_KEYS = _set("""
    partition foreign cache dedup deduplication dedupe object group lookup primary sort sorting routing idempotency public s3
    hash range row column index map dict json message kafka search unique composite natural surrogate translation i18n l10n
    label config configuration setting settings feature flag metric template event topic bucket file blob item record entity
    document doc parent child shard join merge lock rate limit throttle tag field property attribute query state context
    correlation trace request job task queue step node edge cluster tenant registry hot arrow enter escape shift ctrl alt meta
    option left right first last next prev previous min max start end old new current invalid missing unknown duplicate
    sorted group grouping order ordering filter aggregation bind binding dispatch handler cursor page pagination resume
    continuation slot counter storage redis memcache memo default duplicated bad any no each same press reg hkey sub super
    candidate locale language resource route site sitekey section param parameter header ordinal user account project name
""")


_KINDS = (
    (Kind.EMAIL, re.compile(r"emails?[0-9]*\Z|emailaddress|mailto|replyto|\Abcc\Z")),
    (
        Kind.PHONE,
        re.compile(
            r"phone|mobile|telephone|msisdn|landline|whatsapp|contactnumber|(?:\A|work|home|office)(?:tel|fax|cell)\Z"
        ),
    ),
    (Kind.LINE, re.compile(r"authorization|cookie|phrase|mnemonic")),
    (
        Kind.CODE,
        re.compile(r"(?:pin|otp|totp|hotp|tan|csc|cvv|cvc)[0-9]*\Z|code[0-9s]*\Z|pinnumber"),
    ),
    (
        Kind.PASSWORD,
        re.compile(
            r"pass(?:word|wd|code|wort)?|pwds?|pw\Z|pswd|kennwort|contrasena|psk|secret|creds|credential"
        ),
    ),
    (
        Kind.NUMBER,
        re.compile(
            r"card|iban|ssn|socialsecurity|accountn|acc(?:oun)?t(?:no|num)|routing|sortcode|taxid|steuer|nationali"
            r"|passport|license|licence|pan\Z|(?:nin|tin|ein|cpf|cnpj|nif|dni|nie|bsn|nino|nric|curp|cuit|cuil|tfn|rrn|npwp|bvn"
            r"|snils|oib|jmbg|egn|pesel|aadhaar|personnummer|swift|bic|pannumber|dob|dateofbirth|birthda(?:y|te))[0-9]*\Z"
        ),
    ),
)
_SEVERAL = _set("tokens secrets passwords emails cookies credentials phones seed")
_WEAK = _set(
    "auth session sid sig signature cred dsn hmac digest url uri urls link webhook proxy config json ticket pepper"
)


def _any_of(stems: set[str]) -> re.Pattern[str]:
    """Any of some words, those with one first letter together: several times as fast as one after the other."""
    by_first: dict[str, list[str]] = {}
    for stem in sorted(stems):
        by_first.setdefault(stem[0], []).append(re.escape(stem[1:]))
    return re.compile("|".join(f"{re.escape(first)}(?:{'|'.join(rest)})" for first, rest in by_first.items()))


_STRONG = _any_of(set(STRONG))
_MAYBE = _any_of({
    *STRONG, *WORDS, *LAST, "url", "uri", "card", "acc", "acct", "account", "sortcode", "tax", "steuer", "national", "passport",
    "pannumber", "number", "replyto", "registration", "code", "link", "webhook", "assertion", "saml", "ticket", "proxy", "docker",
    "serviceaccountjson", "honeycomb", "snmp", "community", "pattern", "backend", "pkcs12", "p12", "seed", "key", "sid", "webjobs",
})  # fmt: skip
"""What every private name has somewhere; most names have none of it."""


def fold(name: str) -> str:
    """`name` without case, `-`, `_`, `.` and spaces."""
    return name.lower().translate(_FOLDED_AWAY)


def words(name: str) -> list[str]:
    """The words of `name`, in lower case."""
    return [word.lower() for word in _WORD.findall(name)]


def kind_of(name: str) -> Kind:
    """What kind of private value `name` says it has, by rules 2 to 5."""
    folded = fold(name)
    if _MAYBE.search(folded) is None:  # most names: before anything that takes longer
        return Kind.NONE
    parts = words(name)
    if not parts or (_is_fact(folded, parts) and not _NEVERTHELESS.search(folded)):
        return Kind.NONE
    plain = _LOOKALIKES.sub("", folded)
    last = parts[-2] if parts[-1].isdigit() and len(parts) > 1 else parts[-1]
    if (
        _STRONG.search(plain)
        or not WORDS.isdisjoint(parts)
        or (last in LAST and plain.rstrip(_TRAILING).endswith(last))
        or _is_key(name, parts)
        or _SHAPES.search(plain)
    ):
        return _kind(plain, parts, last)
    return Kind.NONE


def is_private(name: str) -> bool:
    """Whether `name` says that its value is private."""
    return kind_of(name) is not Kind.NONE


def _is_fact(folded: str, parts: list[str]) -> bool:
    if len(parts) == 1:
        return False
    if parts[0] in _FACTS_FIRST or parts[-1] in _FACTS_LAST or _FACTS_SHAPES.search(folded):
        return True
    return (parts[-1] == "tokens" and not _COUNTED.isdisjoint(parts)) or (
        parts[-1] == "token" and not _PAGES.isdisjoint(parts)
    )


def _is_key(name: str, parts: list[str]) -> bool:
    """Whether the last word is `key`, and what is before it says that it opens something."""
    if len(parts) == 1 or parts[-1] not in {"key", "keys"} or not _NO_KEYS.isdisjoint(parts[:-1]):
        return False
    return parts[-2] in _KEYS or (name.isupper() and parts[-1] == "key")


def _kind(plain: str, parts: list[str], last: str) -> Kind:
    if parts[-1] in _SEVERAL:
        return Kind.SEVERAL
    for kind, shape in _KINDS:
        if shape.search(plain):
            return kind
    if "email" in parts or "emails" in parts:
        return Kind.EMAIL
    return Kind.WEAK if last in _WEAK or parts[-1] in _WEAK else Kind.SECRET


class Namer:
    """Tells of what kind a field's value is by its name, and remembers. Any thread.

    Attributes:
        memo: What it has said so far; a caller that must be quick looks here first.
    """

    __slots__ = ("_keys", "_plain", "_safe_keys", "memo")

    def __init__(self, keys: frozenset[str], safe_keys: frozenset[str]) -> None:
        self._keys = keys
        self._safe_keys = safe_keys
        self._plain: set[str] = set()
        self.memo: dict[str, Kind] = {}

    def __call__(self, name: str) -> Kind:
        """The kind, by rules 1 to 5."""
        answer = self.memo.get(name)
        if answer is None:
            name = name[:_MAX_NAME]
            folded = fold(name)
            answer = (
                Kind.NONE
                if folded in self._safe_keys
                else Kind.SECRET
                if folded in self._keys
                else kind_of(name)
            )
            if len(self.memo) >= _MEMO:
                self.memo.clear()
            self.memo[name] = answer
        return answer

    def may_be_private(self, names: Iterable[str]) -> list[str]:
        """Those of some names in ASCII that must be asked for, since something in them may say so; the others aren't private.

        It takes a few tenths of the time that asking for each takes, and says the same of the same names, known or not.
        """
        plain = self._plain
        rest = [name for name in names if name not in plain]
        folded = fold("\n".join(rest)).split("\n")
        may = [
            name for name, one in zip(rest, folded, strict=False) if _MAYBE.search(one) or one in self._keys
        ]
        if len(plain) + len(rest) > _MEMO:
            plain.clear()
        plain.update(set(rest[:_MEMO]).difference(may))
        return may


def kind(name: str) -> str:
    """`email` or `phone` when that is what `name` says its value is, else nothing."""
    folded, parts = fold(name), words(name)
    if "email" in parts or folded.endswith(("email", "emailaddress")):
        return "email"
    if not {"phone", "mobile", "tel", "telephone", "msisdn"}.isdisjoint(parts) or "phonenumber" in folded:
        return "phone"
    return ""
