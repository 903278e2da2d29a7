"""Made-up secrets in contexts as logs have them, and texts that hold none. Seeded: the same at each run.

What looks like a key is put together here, so that no scanner of a code host takes this file for a leak.
"""

from __future__ import annotations

import base64
import json
import string
from dataclasses import dataclass
from random import Random
from uuid import UUID

from quickwins.logs.redaction import RedactionRule

LETTERS = string.ascii_letters
ALNUM = string.ascii_letters + string.digits
URL_SAFE = ALNUM + "-_"
HEX = "0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Secret:
    """A text, what of it must go, and which rule finds it."""

    rule: RedactionRule
    text: str
    secret: str


def body(rng: Random, alphabet: str, length: int) -> str:
    """Random characters, as issuers draw them: with digits, and with capitals where the alphabet has some."""
    while True:
        made = "".join(rng.choices(alphabet, k=length))
        if (
            sum(one.isdigit() or one.isupper() for one in made) >= 4
            and made[0] not in "-_"
            and made[-1] not in "-_"
        ):
            return made


def with_luhn(digits: str) -> str:
    """`digits` and the digit that makes them a card's."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 if place % 2 == 0 else 1)
        total += number - 9 if number > 9 else number
    return digits + str(-total % 10)


def with_mod_97(country: str, account: str) -> str:
    """The IBAN of a made-up account."""
    numbers = "".join(str(int(one, 36)) for one in account + country + "00")
    return f"{country}{98 - int(numbers) % 97:02d}{account}"


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()


def jwt(rng: Random) -> str:
    """A signed token."""
    header = _part({"alg": rng.choice(["HS256", "RS256", "ES384", "none"]), "typ": "JWT"})
    claims = _part({"sub": body(rng, HEX, 12), "exp": rng.randrange(10**9, 2 * 10**9), "admin": True})
    return f"{header}.{claims}.{body(rng, URL_SAFE, 43)}"


KEY_SHAPES: tuple[tuple[str, str, int], ...] = (
    ("AK" + "IA", string.ascii_uppercase + "234567", 16),
    ("AS" + "IA", string.ascii_uppercase + "234567", 16),
    ("AB" + "IA", string.ascii_uppercase + "234567", 16),
    ("gh" + "p_", ALNUM, 36),
    ("gh" + "o_", ALNUM, 36),
    ("gh" + "u_", ALNUM, 36),
    ("gh" + "s_", ALNUM, 36),
    ("gh" + "r_", ALNUM, 36),
    ("github" + "_pat_", ALNUM, 60),
    ("gl" + "pat-", URL_SAFE, 20),
    ("gl" + "dt-", URL_SAFE, 20),
    ("xo" + "xb-", string.digits, 12),
    ("xo" + "xp-", string.digits, 24),
    ("xa" + "pp-1-", ALNUM, 30),
    ("sk" + "_live_", ALNUM, 24),
    ("sk" + "_test_", ALNUM, 24),
    ("rk" + "_live_", ALNUM, 24),
    ("whs" + "ec_", ALNUM, 32),
    ("AI" + "za", URL_SAFE, 35),
    ("ya" + "29.", URL_SAFE, 60),
    ("GOC" + "SPX-", URL_SAFE, 28),
    ("np" + "m_", ALNUM, 36),
    ("py" + "pi-", URL_SAFE, 80),
    ("ruby" + "gems_", HEX, 48),
    ("S" + "K", HEX, 32),
    ("hf" + "_", ALNUM, 34),
    ("sk" + "-", ALNUM, 48),
    ("sk" + "-proj-", URL_SAFE, 60),
    ("sk" + "-ant-api03-", URL_SAFE, 60),
    ("gs" + "k_", ALNUM, 48),
    ("r8" + "_", ALNUM, 37),
    ("do" + "p_v1_", HEX, 64),
    ("shp" + "at_", HEX, 32),
    ("shp" + "ss_", HEX, 32),
    ("AGE-SECRET" + "-KEY-1", string.ascii_uppercase + string.digits, 58),
    ("hv" + "s.", ALNUM, 24),
    ("gls" + "a_", ALNUM, 32),
    ("sntr" + "ys_", ALNUM, 48),
    ("dckr" + "_pat_", ALNUM, 27),
    ("lin" + "_api_", ALNUM, 40),
    ("ts" + "key-auth-", ALNUM, 24),
    ("PM" + "AK-", HEX, 24),
    ("NR" + "AK-", string.ascii_uppercase + string.digits, 27),
    ("da" + "pi", HEX, 32),
    ("ATA" + "TT3", ALNUM, 60),
    ("sq0" + "atp-", URL_SAFE, 22),
    ("pu" + "l-", HEX, 40),
    ("fig" + "d_", ALNUM, 40),
    ("xkey" + "sib-", HEX, 64),
)

CARD_BEGINNINGS: tuple[tuple[str, int], ...] = (
    ("4", 16), ("4", 13), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("2500", 16), ("34", 15), ("37", 15),
    ("300", 14), ("36", 14), ("38", 14), ("6011", 16), ("65", 16), ("645", 16), ("3528", 16), ("3589", 16), ("62", 16),
    ("62", 19), ("5018", 16), ("6759", 12 + 4), ("2200", 16), ("9792", 16), ("508", 16),
)  # fmt: skip

ACCOUNTS: tuple[tuple[str, str], ...] = (
    ("DE", "370400440532013000"), ("GB", "WEST12345698765432"), ("FR", "20041010050500013M02606"), ("NO", "86011117947"),
    ("NL", "ABNA0417164300"), ("ES", "21000418450200051332"), ("MT", "MALT011000012345MTLCAST001S"),
    ("CH", "00762011623852957"), ("BE", "539007547034"), ("AT", "1904300234573201"),
)  # fmt: skip

EMAILS = (
    "bob.smith@example.com", "Alice.JONES@Example.ORG", "carol+spam.filter@mail.example.co.uk", "d_e-f%g@sub.example.museum",
    "müller.straße@exämple.de", "用户名用户名@例子.测试", "o'brien.family@example.ie", "frank@xn--bcher-kva.example",
    "x.y.z.long.local.part@very.long.domain.name.example.info", "grace1984@163.com", "heidi_1@example.photography",
    "почта.почта@пример.рф", "ivan-the-terrible@example-site.io", "judy!bang@example.net", "mallory@[192.168.12.34]",
)  # fmt: skip

PHONES = (
    "+4915112345678", "+49 151 1234 5678", "+49 (0) 151 12345678", "+49-151-1234-5678", "+1 555 123 4567", "+15551234567",
    "+1-555-123-4567", "+1 (555) 123-4567", "+33 6 12 34 56 78", "+442071838750", "+44 20 7183 8750", "+81-3-1234-5678",
    "+7 495 123-45-67", "+5511987654321", "0049 151 12345678", "004915112345678", "0033 6 12 34 56 78", "(555) 123-4567",
    "555-123-4567", "555.123.4567", "1-800-555-0199", "(800) 555 0199", "+91 98765 43210", "+358 9 1234567",
)  # fmt: skip

CONTEXTS = (
    "{}", "sent to {} again", "rejected: <{}>", "got '{}' from the form", 'the value "{}" is no number', "({})", "{}, {}",
    "first line\n{}\nlast line", "x={} y=1", "[{}]", "retry {}; giving up", "日本語 {} です", "who\t{}\tnow", "{}",
)  # fmt: skip

PASSWORDS = (
    "hunter2hunter2", "correct-horse-battery", "Tr0ub4dor&3xyz", "p@ssw0rd!2024", "žluťoučký-kůň", "aaaaaaaa", "12345678",
    "S3cr3t/with/slash", "semi;colon;word", "comma,comma,word",
)  # fmt: skip

NAMES = (
    "password", "db_password", "PGPASSWORD", "passwd", "pwd", "secret", "client_secret", "clientSecret", "token",
    "access_token", "refreshToken", "X-Api-Key", "api_key", "apikey", "private_key", "sessionid", "PHPSESSID",
    "connection_string", "csrf_token", "otp", "pin", "cvv", "aws_secret_access_key", "--password", "spring.datasource.password",
)  # fmt: skip

SCHEMES = (
    "https",
    "postgres",
    "postgresql+asyncpg",
    "redis",
    "amqp",
    "mongodb+srv",
    "ftp",
    "ssh",
    "mysql",
    "smtp",
)


def _in_contexts(
    rng: Random, rule: RedactionRule, secret: str, count: int, text: str | None = None
) -> list[Secret]:
    return [Secret(rule, one.replace("{}", text or secret), secret) for one in rng.sample(CONTEXTS, count)]


def secrets(seed: int = 7) -> list[Secret]:
    """Several hundred secrets, each in a text of its own."""
    rng = Random(seed)
    return [one for part in (_people, _money, _tokens, _keys, _urls, _pairs) for one in part(rng)]


def _people(rng: Random) -> list[Secret]:
    made: list[Secret] = []
    for one in EMAILS:
        made += _in_contexts(rng, RedactionRule.EMAIL, one, 4)
        made.append(Secret(RedactionRule.EMAIL, f"mailto:{one}", one))
        made.append(
            Secret(RedactionRule.EMAIL, f"GET /users/{one.replace('@', '%40')}/orders", one.partition("@")[0])
        )
    made.append(Secret(RedactionRule.EMAIL, 'to "bob the builder"@example.com now', "bob the builder"))
    for one in PHONES:
        made += _in_contexts(rng, RedactionRule.PHONE, one, 4)
    made.append(Secret(RedactionRule.PHONE, "see tel:0151-2345678", "0151-2345678"))
    made.append(Secret(RedactionRule.PHONE, "/call/%2B4915112345678", "4915112345678"))
    return made


def _money(rng: Random) -> list[Secret]:
    made: list[Secret] = []
    for start, length in CARD_BEGINNINGS:
        digits = with_luhn(start + "".join(rng.choices(string.digits, k=length - 1 - len(start))))
        made += _in_contexts(rng, RedactionRule.CARD, digits, 2)
        groups = {16: (4, 4, 4, 4), 15: (4, 6, 5), 14: (4, 6, 4), 13: (4, 4, 5), 19: (4, 4, 4, 4, 3)}[length]
        separator = rng.choice(" -")
        rest = iter(digits)
        grouped = separator.join("".join(next(rest) for _ in range(size)) for size in groups)
        made += _in_contexts(rng, RedactionRule.CARD, grouped, 2)
    for country, account in ACCOUNTS:
        whole = with_mod_97(country, account)
        made += _in_contexts(rng, RedactionRule.IBAN, whole, 2)
        made += _in_contexts(
            rng, RedactionRule.IBAN, " ".join(whole[at : at + 4] for at in range(0, len(whole), 4)), 2
        )
    return made


def _tokens(rng: Random) -> list[Secret]:
    made: list[Secret] = []
    for _ in range(10):
        made += _in_contexts(rng, RedactionRule.JWT, jwt(rng), 3)
    made += _in_contexts(rng, RedactionRule.JWT, jwt(rng).rpartition(".")[0], 3)
    made += _in_contexts(rng, RedactionRule.JWT, jwt(rng)[:60], 3)
    encrypted = f"{_part({'alg': 'RSA-OAEP', 'enc': 'A256GCM'})}." + ".".join(
        body(rng, URL_SAFE, 40) for _ in range(4)
    )
    made += _in_contexts(rng, RedactionRule.JWT, encrypted, 3)
    for word in ("Bearer", "bearer", "BEARER", "Token", "token"):
        one = body(rng, URL_SAFE, 32)
        made += _in_contexts(rng, RedactionRule.BEARER, one, 3, f"{word} {one}")
        made.append(Secret(RedactionRule.BEARER, f"/x/{word}%20{one}", one))
    for word in ("Basic", "basic"):
        one = base64.b64encode(f"user:{body(rng, ALNUM, 12)}".encode()).decode()
        made += _in_contexts(rng, RedactionRule.BEARER, one, 3, f"{word} {one}")
    return made


def _keys(rng: Random) -> list[Secret]:
    made: list[Secret] = []
    for label in (
        "RSA PRIVATE KEY",
        "PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "CERTIFICATE",
        "PGP PRIVATE KEY BLOCK",
    ):
        lines = [body(rng, ALNUM + "+/", 64) for _ in range(3)]
        block = "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"])
        made += [
            Secret(RedactionRule.PEM, block, "".join(lines)),
            Secret(RedactionRule.PEM, f"read {block} from disk", lines[1]),
            Secret(RedactionRule.PEM, json.dumps({"file": block}), lines[2]),
            Secret(RedactionRule.PEM, block.partition("-----END")[0], lines[0]),
            Secret(RedactionRule.PEM, block.rpartition("BEGIN")[2], lines[1]),
        ]
    for prefix, alphabet, length in KEY_SHAPES:
        one = prefix + body(rng, alphabet, length)
        made += _in_contexts(rng, RedactionRule.API_KEY, one, 3)
    made += _in_contexts(
        rng, RedactionRule.API_KEY, f"SG.{body(rng, URL_SAFE, 22)}.{body(rng, URL_SAFE, 43)}", 3
    )
    hook = f"T{body(rng, ALNUM, 8)}/B{body(rng, ALNUM, 8)}/{body(rng, ALNUM, 24)}"
    made.append(Secret(RedactionRule.API_KEY, f"POST https://hooks.slack.com/services/{hook} 200", hook))
    return made


def _urls(rng: Random) -> list[Secret]:
    made: list[Secret] = []
    for scheme in SCHEMES:
        one = body(rng, ALNUM + "-_.~!$&'()*+,;=", 14)
        made += [
            Secret(
                RedactionRule.URL_CREDENTIALS,
                f"cannot reach {scheme}://feeduser:{one}@db.internal:5432/feed",
                one,
            ),
            Secret(RedactionRule.URL_CREDENTIALS, f"{scheme}://:{one}@10.0.0.5/0", one),
            Secret(RedactionRule.URL_CREDENTIALS, f'"{scheme}://{one}@host/x", and on', one),
        ]
    made.append(Secret(RedactionRule.URL_CREDENTIALS, "postgres://feeduser:pass/word123@host/db", "word123"))
    for separator in "&;":
        for _ in range(10):
            one, other = body(rng, ALNUM, 10), body(rng, LETTERS + "%+", 12)
            where = rng.choice(["/v1/items", "https://feed.example/a/b", "GET /x", "'/y", "feed.example/z"])
            made.append(
                Secret(RedactionRule.QUERY, f"{where}?q={one}{separator}r={other} HTTP/1.1", one + other)
            )
            made.append(
                Secret(RedactionRule.QUERY, f"{where}#access={one}{separator}state={other}", one + other)
            )
    one = body(rng, HEX, 24)
    made.append(Secret(RedactionRule.QUERY, f"https://feed.example/confirm?{one}", one))
    made.append(Secret(RedactionRule.QUERY, f"first={one}&second=2", one))
    return made


def _pairs(rng: Random) -> list[Secret]:
    made: list[Secret] = []
    for name in NAMES:
        for secret in rng.sample(PASSWORDS, 3):
            quoted = json.dumps({"user": 1, name: secret, "n": 2}, ensure_ascii=False)
            made += [
                Secret(RedactionRule.PAIR, f"failed with {name}={secret} at start", secret),
                Secret(RedactionRule.PAIR, f"{name}: {secret}", secret),
                Secret(RedactionRule.PAIR, quoted, secret),
                Secret(RedactionRule.PAIR, json.dumps({"body": quoted}, ensure_ascii=False), secret),
                Secret(RedactionRule.PAIR, repr({name: secret, "z": None}), secret),
            ]
    made += [
        Secret(RedactionRule.PAIR, "Authorization: Digest username=feeduser, response=abcdef", "username=feeduser, response=abcdef"),
        Secret(RedactionRule.PAIR, "> Cookie: theme=dark; sid=abcdefgh\n< 200", "theme=dark; sid=abcdefgh"),
        Secret(RedactionRule.PAIR, "[(b'host', b'x'), (b'x-api-key', b'abcdefgh')]", "abcdefgh"),
        Secret(RedactionRule.PAIR, "the api key: abcd3fgh1jkl", "abcd3fgh1jkl"),
        Secret(RedactionRule.PAIR, '{"tokens": ["abcdefgh", "ijklmnop"], "n": 1}', "abcdefghijklmnop"),
        Secret(RedactionRule.PAIR, '{"credentials": {"a": {"b": "abcdefgh"}, "c": "ijklmnop"}, "n": 1}', "abcdefghijklmnop"),
        Secret(RedactionRule.PAIR, "user[password]=abcdefgh", "abcdefgh"),
        Secret(RedactionRule.PAIR, "/x/y/password%3Dabcdefgh", "abcdefgh"),
        Secret(RedactionRule.PAIR, "passphrase: correct horse battery staple", "correct horse battery staple"),
    ]  # fmt: skip
    return made


# --- Texts that hold nothing private

_SENTENCES = (
    "connection to the replica was closed by peer", "Application startup complete.", "cache miss, filling from the pool",
    "worker {n} of {m} is ready", "retrying in {f} seconds", "can't open '{path}' because it is closed",
    "deadline exceeded after {n} ms while waiting for a permit", "{n} rows in {f} ms", "the pool has {n} of {m} connections",
    "Invalid token: expired", "token expired, refreshing", "bearer token is missing", "Basic authentication is disabled",
    "token refresh failed after {n} attempts", "password must have at least {n} characters", "password: required",
    "secret rotation finished in {f} s", "session {uuid} was closed", 'ERROR: relation "items" does not exist',
    "Traceback (most recent call last):", "ValueError: invalid literal for int() with base 10: 'abc'",
    "Starting feed {semver} on {ip}:{n}", "listening on http://{ip}:{n}/", "see https://feed.example/docs/{slug}.html#usage",
    "{method} {route} {status} {n} {m}", '"{method} {route} HTTP/1.1" {status} {n} {m}', "GC freed {n} objects, {f} MB",
    "price {f} EUR for {n} items", "total: $1,{n}.{nn}", "order {order} shipped at {iso}", "job {ulid} took {f}s",
    "partition {topic}-{n} at offset {big}", "flag backpressure: off -> on (version {n})", "at {iso} by {slug}",
    "PING {ip} ({ip}): 56 data bytes", "Python {semver} (main, Nov {n} 2026)", "duration={f}ms status={status} route={route}",
    "hit=true backend=valkey ms={f}", 'level=info msg="started" pid={n}', "{n}% of {m} done", "50% off, what a day?",
    "is the author of {slug} an authority?", "keyboard interrupt, {n} keys pinned", "max_tokens={n} tokens_used={m}",
    "token_count: {n}", "prompt_tokens={n} completion_tokens={m}", "UPDATE users SET password = $1 WHERE id = $2",
    "SELECT name, price FROM articles WHERE id = $1", "INSERT INTO items (a, b) VALUES (%s, %s)", "password=***",
    "SELECT * FROM users WHERE email = ? AND phone = ?", "DELETE FROM sessions WHERE expires_at < now()",
    "def handler(request: Request, *, timeout: float = {f}) -> None:", "x = {{a: 1, b: [2, 3]}}", "if token is None: return",
    "assert a == b, f'{n} != {m}'", "git@github.com:feed/service.git", "image feed/service:{semver}@sha256:{hex64}",
    "logo@2x.png not found", "user@1000.service started", "java.lang.Object@{hex8}", "@app.route missing for {slug}",
    "numpy=={semver}", "requires feed[{slug}]>={semver},<{n}", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML) Chrome/{n}.0.0.0", "curl/{semver}", "C:\\Users\\feed\\file_{n}.txt", "/var/log/feed/{slug}.{n}.log.gz",
    "s3://feed-bucket/year=2026/month=11/part-{n}.parquet", "kafka://broker-{n}:9092/{topic}", "postgresql://db.internal:5432/feed",
    "redis://valkey:6379/0", "fe80::{hex4}:{hex4}:{hex4}:{hex4}", "2001:db8::{hex4}", "00:1B:44:{hex2}:3A:B7", "{n}.{n}.{n}",
    'etag W/"{hex32}"', "sha256:{hex64}", "commit {hex40}", "traceparent 00-{hex32}-{hex16}-01", "{iso} INFO {slug}: ready",
    "epoch {epoch} ms {epoch}{nnn}", "build {n}-{hex8} ({iso})", "lat {f} lon -{f}", "{f}e-{nn} ± {f}", "0x{hex8} -> 0x{hex16}",
    "{uuid}", "{uuid},{uuid}", "{hex32}", "{hex16}", "{ulid}", "{slug}", "{slug}.{slug}", "{path}", "{route}", "{iso}", "{ip}",
    "{semver}", "{base64}", "id-{base64}", "{n}/{m}", "{topic}", "{f}", "{order}", "{snake}", "{camel}", "{snake}={n}",
    "Verbindung zur Datenbank wurde nach {n} Sekunden geschlossen", "Größe der Warteschlange: {n} von {m} Plätzen",
    "接続がタイムアウトしました ({n} ミリ秒)", "ユーザーが見つかりません: {slug}", "تم إغلاق الاتصال بعد {n} ثانية",
    "пользователь не найден, попытка {n}", "café crème \u2013 {f} € \u2013 déjà vu", "処理時間\uff1a{f}秒", "😀 {n} 🎉 {slug}",
    "ATE: {n} ok, {m} skipped", "AssertionError", "OSError: [Errno {nn}] No such file or directory: '{path}'",
    'asyncpg.exceptions.UniqueViolationError: duplicate key value violates unique constraint "items_pkey"',
    "HTTP {status}: Service Unavailable", "grpc.status=UNAVAILABLE rpc.method=/feed.v1.Feed/List", "x-request-id: {uuid}",
    "content-type: application/json; charset=utf-8", "accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
    "cache-control: max-age={n}, public", "user-agent: feed/{semver} (+https://feed.example/bot)", "retry-after: {n}",
    '{{"level": "info", "n": {n}, "ok": true, "at": "{iso}"}}', "[{n}, {m}, {n}]", "<Item id={n}>", "a->b, c=>d, e:=f",
    "call me maybe, {n} times", "section 3.1.{n}, page {m}", "ISBN 978-3-16-148410-{n1}", "room 4-12-{n}", "part no. {n}-{m}-{nn}",
    "2026-11-{nn}", "11/{nn}/2026 10:{nn}:{nn}", "10:{nn}:{nn}.{nnn}", "P{n}DT{nn}H", "{n} kB/s", "[{nn}:{nn}] {slug}", "#{n}",
    "sk-learn-contrib-{slug}", "npm_config_registry_cache_folder", "hf_hub_download_something_long_here", "task-{n}", "msg.{slug}",
    "disk_usage_{n}", "asia-northeast1-{slug}", "SKIPPED {n}", "BEGIN; COMMIT;", "-----", "--- {slug} ---", "{slug}?", "why? {slug}",
)  # fmt: skip

_SLUGS = (
    "feed", "replica", "reader", "cache", "order-list", "pool", "snapshot", "gateway", "writer", "index", "broker", "session-store",
    "user-profile", "articles", "search", "pricing", "checkout", "author", "authority", "tokenizer", "keyboard", "secretary",
)  # fmt: skip
_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def _fill(rng: Random, template: str) -> str:
    fill = {
        "n": str(rng.randrange(1, 10_000)),
        "m": str(rng.randrange(1, 100_000)),
        "n1": str(rng.randrange(10)),
        "nn": f"{rng.randrange(10, 60)}",
        "nnn": f"{rng.randrange(1000):03d}",
        "f": f"{rng.uniform(0, 1000):.{rng.randrange(1, 7)}f}",
        "big": str(rng.randrange(10**6, 10**11)),
        "epoch": str(rng.randrange(1_700_000_000, 1_800_000_000)),
        "uuid": str(UUID(int=rng.getrandbits(128), version=4)),
        "ip": ".".join(str(rng.randrange(256)) for _ in range(4)),
        "semver": f"{rng.randrange(20)}.{rng.randrange(50)}.{rng.randrange(100)}{rng.choice(['', '', '-rc.1', '+build.7'])}",
        "iso": f"2026-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}{rng.choice('T ')}"
        f"{rng.randrange(24):02d}:{rng.randrange(60):02d}:{rng.randrange(60):02d}"
        f"{rng.choice(['', 'Z', '.123Z', '.123456+00:00', '.123456', '+02:00'])}",
        "slug": rng.choice(_SLUGS),
        "snake": "_".join(rng.sample(_SLUGS, 3)).replace("-", "_"),
        "camel": "".join(one.title() for one in rng.sample(_SLUGS, 3)).replace("-", ""),
        "topic": f"feed.{rng.choice(_SLUGS)}.v{rng.randrange(1, 5)}",
        "path": f"/srv/{rng.choice(_SLUGS)}/{rng.choice(_SLUGS)}_{rng.randrange(100)}.json",
        "route": rng.choice(
            ["/v1/items/{id}", "/health", "/users/{user_id}/orders", "/a/b/c", "/graphql", "/v2/search", "/"]
        ),
        "method": rng.choice(["GET", "POST", "PUT", "DELETE"]),
        "status": rng.choice(["200", "201", "204", "301", "404", "429", "500", "503"]),
        "order": f"ORD-{rng.randrange(2020, 2027)}-{rng.randrange(10**6):06d}",
        "ulid": "01" + "".join(rng.choices(_BASE32, k=24)),
        "base64": "".join(rng.choices(ALNUM, k=rng.randrange(8, 23))) + rng.choice(["", "=", "=="]),
        **{f"hex{size}": "".join(rng.choices(HEX, k=size)) for size in (2, 4, 8, 16, 32, 40, 64)},
    }
    return template.format(**fill)


def clean(count: int, seed: int = 11) -> list[str]:
    """Texts that hold nothing private, made from templates."""
    rng = Random(seed)
    return [_fill(rng, _SENTENCES[number % len(_SENTENCES)]) for number in range(count)]


def traces(secret: str, text: str) -> list[str]:
    """Pieces of six characters of `secret` that are in `text`."""
    pieces = (secret[at : at + 6] for at in range(max(1, len(secret) - 5)))
    return [piece for piece in pieces if piece in text]
