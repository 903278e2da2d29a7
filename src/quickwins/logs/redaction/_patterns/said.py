"""Secrets that a text names in a grammar of its own: databases' complaints, XML, forms, command lines, files of passwords.

Each rule is asked only where what it begins with occurs, and looks at a bounded stretch around it. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quickwins.logs.redaction._names import Kind
from quickwins.logs.redaction._patterns.spans import MARK
from quickwins.logs.redaction._patterns.spoken import WORDS, is_tabled, spoken, tabled
from quickwins.logs.redaction._patterns.values import NO_VALUE, could_be, is_assigned, is_status, looks_random
from quickwins.logs.redaction._rules import RedactionRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from quickwins.logs.redaction._patterns.spans import Span, Work

    Private: TypeAlias = Callable[[str], Kind]

_PAIR = RedactionRule.PAIR

# PostgreSQL, "Error Codes", 23505: the columns, then their values; MySQL's ER_DUP_ENTRY: the value, then the index.
_KEY = re.compile(r"Key \(([^()\n]{1,256}+)\)=\(")
_ENTRY = re.compile(r"uplicate entry '([^'\n]++)' for key '([^'\n]{1,128})'")

_ELEMENT = re.compile(r"<(?:[\w.-]{1,64}:)?([\w.-]{1,64})(?:\s[^<>]*+)?>(<!\[CDATA\[)?([^<>]++)")

_ATTRIBUTED = re.compile(
    r"""<[\w:.-]{1,64}\s[^<>]{0,200}?\b(?:[Nn]ame|key|id)=["']([\w.-]{1,128}+)["'][^<>]{0,200}+>(?:\s{0,8}+<[\w:.-]{1,64}[^<>]{0,200}+>)?([^<>]++)</"""
)
_TERM = re.compile(r"""\{[ ]?(\w{2,64}),[ ]?(?:<<)?"([^"\n]++)\"""")
"""A pair of Erlang's."""
_VARIABLE = re.compile(
    r"""variable[ ]"(?<!\w.{10})(\w{1,64})"[ ]\{[^{}]{0,200}?\bdefault[ ]{0,16}=[ ]{0,4}"([^"\n]++)"""
)
_INPUT_VALUE, _INPUT_TYPE = "input_value=", ", input_type="
_LONGEST_INPUT = 512
_LOCATION = re.compile(r"(?:\A|\n)([\w.\[\]-]{1,256})\n[ \t]+[^\n]{0,512}\Z")
_PART = re.compile(
    r"""name=(?<!\wname=)["']?([\w.\[\]-]{2,100}+)["']?[^\r\n]{0,200}+\r?\n(?:[\w-]{2,40}+:[^\r\n]{0,200}+\r?\n){0,4}+\r?\n([^\r\n]{1,2048})"""
)
# The pair of a user and a password that clients of HTTP in Python take.
_LOGIN = re.compile(r"""auth=\(["'][^"'\n]{0,128}["'],[ ]?(["'])([^"'\n]{1,256}+)\1\)""")
_DEFAULT = re.compile(r'\$(\w{2,64})[ ]?:[ ]?[\w!\[\]]{1,64}[ ]?=[ ]?"([^"\n]++)')

_OPTION = re.compile(
    r"""-(?<![\w-]-)-?([A-Za-z][\w-]{2,40}+)[ ]{1,4}+(?:"([^"\n]++)|'([^'\n]++)|([^\s"',;|&-][^\s"',;|&]*+))"""
)
_LISTED = re.compile(r"""["']-{1,2}([A-Za-z][\w-]{2,40})["'],[ ]?(["'])([^"'\n]++)\2""")
_SPEAKS = frozenset(
    (
        "flag",
        "flags",
        "option",
        "options",
        "argument",
        "arguments",
        "parameter",
        "value",
        "values",
        "instead",
        "when",
        "via",
        "if",
    )
)
_COMMAND = re.compile(
    r"\b(curl|wget|https?|mysql\w{0,8}|mariadb\w{0,8}|sshpass|docker|podman|redis-cli|valkey-cli|mongo\w{0,8}|ldap\w{3,8}"
    r"|smbclient|htpasswd|openssl|helm|rabbitmqadmin|az|twine|cqlsh|clickhouse-client|nats|psql|etcd\w{0,3})\b(?=[^\n]{0,16}[ '\"]-)"
)
_COMMANDS = frozenset(
    b"""
    curl wget http https mysql mysqldump mysqladmin mysqlimport mysqlsh mysqlpump mysqlshow mysqlcheck mariadb sshpass docker podman
    redis valkey mongo mongosh mongodump mongorestore mongoexport mongoimport mongostat mongotop ldapsearch ldapadd ldapmodify
    ldapwhoami ldappasswd ldapdelete ldapmodrdn ldapcompare ldapexop smbclient htpasswd openssl helm rabbitmqadmin az twine cqlsh
    clickhouse nats psql etcd etcdctl
    """.split()
)
"""What each command begins with."""
_USER = re.compile(r"""[ ](?:-[uU]|--(?:user|proxy-user|login))[ =]?["']?[^\s:%"']{0,64}+[:%]([^\s"']++)""")
_SHORT = {
    "-p": re.compile(r"""[ "']-p["']?([^\s"'-][^\s"']*+)"""),
    "-p ": re.compile(r"""[ ]-p[ ]?["']?([^\s"'-][^\s"']*+)"""),
    "-a ": re.compile(r"""[ ]-a[ ]["']?([^\s"']++)"""),
    "-w ": re.compile(r"""[ ]-w[ ]["']?([^\s"']++)"""),
    "pass:": re.compile(r"[ ](?:-pass(?:in|out)?|-k)[ ](?:pass:)?([^\s:]++)"),
}
_SHORTS = (
    ("mysql", "-p"), ("mariadb", "-p"), ("sshpass", "-p "), ("docker", "-p "), ("podman", "-p "), ("mongo", "-p "),
    ("twine", "-p "), ("az", "-p "), ("helm", "-p "), ("cqlsh", "-p "), ("rabbitmqadmin", "-p "), ("redis", "-a "), ("valkey", "-a "),
    ("ldap", "-w "), ("http", "-a "), ("openssl", "pass:"),
)  # fmt: skip
_REGISTRIES = frozenset(("docker", "podman"))
_ARGUMENT = re.compile(r"[^\s\"']++")
_ARGUMENTS = 256

_COOKIE = re.compile(
    r"\t(?:TRUE|FALSE)\t/[^\t\n]{0,256}\t(?:TRUE|FALSE)\t[0-9]{1,12}\t[^\t\n]{1,256}\t([^\t\n]{1,4096})"
)
_PGPASS = re.compile(r":(?<=[\w.*-]:)(?:[0-9]{2,5}|\*):[\w*-]{1,64}:[\w*-]{1,64}:([^\s:\"',]{6,128})")
_PUTTY = re.compile(r"Private-Lines: [0-9]{1,3}\s{1,4}((?:[A-Za-z0-9+/=]{4,64}\s{0,4}){1,64})")
_JWK = re.compile(
    r"""["']\\{0,4}[ ]?[,{][ ]?\\{0,4}["'](?:d|p|q|dp|dq|qi|k)\\{0,4}["'][ ]?:[ ]?\\{0,4}["']([\w+/=-]{8,1024})"""
)
_ORACLE = re.compile(r"jdbc:oracle:\w{1,8}:[\w.$#-]{1,64}/([^\s@]{1,128})@")
_AT_HOST = re.compile(r"@(?:(tcp|udp|unix|unixgram)\(|(?:\[[0-9a-fA-F:]{2,45}\]|[\w.-]{1,253}):[0-9]{2,5}\b)")
_DROWSSAP = re.compile(r"""([^\s@/"'<>]{2,127}?[^\s@/:,;="'<>()\[\]{}]):[\w.%+-]{1,64}+(?![\w.%+/:-])""")
"""A password and the user before it, read backwards."""
_REACH = 200
_OPTION_COST = 3
_DEAR = 6
"""What looking around a place costs, in steps of `Work`."""


def said(text: str, lower: str, words: set[bytes], private: Private, work: Work) -> Iterator[list[Span]]:
    """What belongs to a private name in one of these grammars, one after the other.

    Args:
        text: Where to look.
        lower: The same in lower case.
        words: The runs of letters and digits in it, in lower case.
        private: Says of a name of what kind its value is, if it is private.
        work: What may be done.
    """
    some = work.some
    if "=" in text:
        yield from _with_equals(text, words, private, work)
    if b"entry" in words:
        yield some(_entries(text, private, work))
    if "<" in text and ("</" in text or "CDATA" in text):
        yield some(_elements(text, private, work))
        if '="' in text or "='" in text:
            yield some(_named(_ATTRIBUTED, text, private, work))
    if "{" in text and "," in text:
        yield some(_named(_TERM, text, private, work))
    if "-" in text:
        yield from _on_command_lines(text, lower, words, private, work)
    if ":" in text or "\t" in text:
        yield from _files(text, work)
    if "pass" in lower or "pwd" in lower or not WORDS.isdisjoint(words):
        yield from spoken(text, lower, words, private, work)
    if is_tabled(lower):
        yield some(tabled(text, private, work))


def may_say(text: str, lower: str, words: set[bytes]) -> bool:
    """Whether a text without `=` and colons may say something so."""
    return (
        "<" in text
        or "--" in text
        or " -" in text
        or "\t" in text
        or "'" in text
        or "pass" in lower
        or "pwd" in lower
        or not WORDS.isdisjoint(words)
        or is_tabled(lower)
    )


def _with_equals(text: str, words: set[bytes], private: Private, work: Work) -> Iterator[list[Span]]:
    some = work.some
    if ")=(" in text:
        yield some(_keys(text, private, work))
    if b"input" in words:
        yield some(_validated(text, private, work))
    if b"form" in words:
        yield some(_forms(text, private, work))
    if "auth=(" in text:
        yield some(_logins(text, work))
    if "$" in text:
        yield some(_named(_DEFAULT, text, private, work))
    if b"variable" in words:
        yield some(_named(_VARIABLE, text, private, work))


def _logins(text: str, work: Work) -> Iterator[Span]:
    for found in work.matches(_LOGIN, text):
        if could_be(Kind.PASSWORD, found[2]) and not MARK.fullmatch(found[2]):
            yield *found.span(2), _PAIR


def _entries(text: str, private: Private, work: Work) -> Iterator[Span]:
    for found in work.matches(_ENTRY, text):
        yield from _assigned(found[1], private(found[2].rpartition(".")[2]), *found.span(1))


def _named(pattern: re.Pattern[str], text: str, private: Private, work: Work) -> Iterator[Span]:
    """What has the name in its first group, and the value in its second."""
    for found in work.matches(pattern, text):
        yield from _assigned(found[2].strip(), private(found[1]), *found.span(2))


def _elements(text: str, private: Private, work: Work) -> Iterator[Span]:
    """What stands in an element of XML that is called so, or has an attribute that says so."""
    for found in work.matches(_ELEMENT, text):
        yield from _assigned(found[3].strip(), private(found[1]), *found.span(3))


def _assigned(value: str, kind: Kind, start: int, end: int) -> Iterator[Span]:
    if not kind or not value or NO_VALUE.fullmatch(value) or MARK.fullmatch(value):
        return
    if is_assigned(kind, MARK.sub("", value), spaced=False):
        yield start, end, _PAIR


def _keys(text: str, private: Private, work: Work) -> Iterator[Span]:
    for found in work.matches(_KEY, text):
        start = found.end()
        end = text.find(")", start)
        end = len(text) if end < 0 else end
        names = [one.strip(' "') for one in found[1].split(",")]
        values = text[start:end].split(", ")
        if not work.may(found.start(), len(names)):
            return
        kinds = [private(name) for name in names]
        if len(values) != len(names):
            if any(kinds):
                yield start, end, _PAIR
            continue
        for value, kind in zip(values, kinds, strict=True):
            yield from _assigned(value, kind, start, start + len(value))
            start += len(value) + 2


def _validated(text: str, private: Private, work: Work) -> Iterator[Span]:
    """What pydantic says of a value that is invalid, below the name of its field."""
    at = text.find(_INPUT_VALUE)
    while at >= 0 and work.may(at, _DEAR):
        start = at + len(_INPUT_VALUE)
        end = text.find(_INPUT_TYPE, start, start + _LONGEST_INPUT)
        if end > start and text[start] not in "{[" and text.find("\n", start, end) < 0:
            place = _LOCATION.search(text, max(0, at - 800), at)
            if place is not None and any(map(private, re.split(r"[.\[\]]", place[1]))):
                yield start, end, _PAIR
        at = text.find(_INPUT_VALUE, start)


def _forms(text: str, private: Private, work: Work) -> Iterator[Span]:
    """Fields of a `multipart/form-data` body (RFC 7578)."""
    for found in work.matches(_PART, text):
        yield from _assigned(found[2], private(found[1]), *found.span(2))


def _on_command_lines(
    text: str, lower: str, words: set[bytes], private: Private, work: Work
) -> Iterator[list[Span]]:
    listed = "'-" in text or '"-' in text
    if listed or "--" in text or " -" in text:
        yield work.some(_options(text, private, work))
        names = _COMMANDS & words
        if names:
            yield work.some(_commands(text, lower, names, work))
    if listed:
        yield work.some(_listed(text, private, work))


def _options(text: str, private: Private, work: Work) -> Iterator[Span]:
    for found in work.matches(_OPTION, text, cost=_OPTION_COST):
        kind = private(found[1])
        if not kind:
            continue
        group = found.lastindex or 2
        value = found[group]
        is_help = found.start(group) - found.end(1) > 1 and value.isalpha()
        if group == 4 and (is_help or value.lower() in _SPEAKS or is_status(value)):  # noqa: PLR2004 -- without quotes; until=never
            continue
        yield from _assigned(value, kind, *found.span(group))


def _listed(text: str, private: Private, work: Work) -> Iterator[Span]:
    """Options and their values as strings of a list."""
    for found in work.matches(_LISTED, text):
        if not found[3].startswith("-"):
            yield from _assigned(found[3], private(found[1]), *found.span(3))


def _commands(text: str, lower: str, names: frozenset[bytes], work: Work) -> Iterator[Span]:
    for command in work.near(_COMMAND, text, lower, tuple(sorted(name.decode() for name in names))):
        if not work.may(command.start(), _DEAR):
            return
        start, stop = command.end(), command.end() + _ARGUMENTS
        line = text.find("\n", start, stop)
        stop = stop if line < 0 else line
        name = command[1]
        if name in _REGISTRIES and text.find("login", start, stop) < 0:  # `-p` says which ports
            continue
        patterns = [_USER, *(_SHORT[option] for prefix, option in _SHORTS if name.startswith(prefix))]
        for pattern in patterns:
            for found in pattern.finditer(text, start, stop):
                whole = _ARGUMENT.match(text, found.start(1))
                if whole is not None and not MARK.match(text, found.start(1)):
                    yield *whole.span(), _PAIR


def _files(text: str, work: Work) -> Iterator[list[Span]]:
    """Lines of files that hold passwords, and addresses with one but no scheme."""
    if "@" in text:
        yield work.some(_at_hosts(text, work))
    for sign, pattern, is_secret in _FILES:
        if sign in text and pattern.search(text) is not None:
            yield work.some(
                (*found.span(1), _PAIR)
                for found in work.matches(pattern, text)
                if is_secret(found) and not MARK.fullmatch(found[1])
            )


def _at_hosts(text: str, work: Work) -> Iterator[Span]:
    """`user:password@host:port`, without a scheme."""
    for found in _AT_HOST.finditer(text):
        at = found.start()
        if not work.may(max(0, at - _REACH), _DEAR):
            return
        drow = _DROWSSAP.match(text[max(0, at - _REACH) : at][::-1])
        if drow is not None and (found[1] or looks_random(drow[1][::-1])):
            yield at - drow.end(1), at, _PAIR


def _always(found: re.Match[str]) -> bool:  # noqa: ARG001 -- one signature for all; until=never
    return True


def _is_pgpass(found: re.Match[str]) -> bool:
    """Whether a host stands before the port, and the password is one."""
    start = found.start()
    host = _TSOH.match(found.string[max(0, start - _LONGEST_HOST) : start][::-1])
    return host is not None and looks_random(found[1])


_LONGEST_HOST = 66
_TSOH = re.compile(r"[\w.*-]{1,64}(?![\w.*/:-])")
"""A host, read backwards."""


_FILES: tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str]], bool]], ...] = (
    ("E\t", _COOKIE, _always),
    ("jdbc:oracle", _ORACLE, _always),
    (":", _PGPASS, _is_pgpass),
    ("Private-Lines", _PUTTY, _always),
    ("kty", _JWK, _always),
)
"""What is there without fail and found at once, and where the secret is."""
