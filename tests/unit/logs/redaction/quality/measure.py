"""How many secrets redaction shows, and how much it hides that engineers need, on packed corpora of made-up lines.

`secrets`, `clean`, `names`, `shapes`: half of a collection whose other half stayed elsewhere, so that nothing was fitted to that.
Held out here: the same families with values drawn again, the same contexts around other secrets, and sentences of our own.
"""

from __future__ import annotations

import base64
import builtins
import gzip
import json
import re
import urllib.parse
from collections import defaultdict
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from quickwins.logs._render.values import Walk
from quickwins.logs.redaction import Redaction
from quickwins.logs.redaction._scan import Scanner

_HERE = Path(__file__).parent
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))
Case = dict[str, Any]


@cache
def load(name: str) -> list[Any]:
    """The rows of one corpus."""
    with gzip.open(_HERE / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def decoded(value: Any) -> Any:  # noqa: PLR0911 -- one for each tag; until=never
    """The objects to log that tagged JSON stands for."""
    if isinstance(value, list):
        return [decoded(one) for one in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((tag, content),) = value.items()
        if tag == "$tuple":
            return tuple(map(decoded, content))
        if tag in {"$bytes", "$bytearray", "$memoryview"}:
            return getattr(builtins, tag[1:])(base64.b64decode(content))
        if tag == "$exception":
            return getattr(builtins, content["type"])(*content.get("args", [content.get("message")]))
        if tag == "$object":
            return type(content["type"], (), {"__repr__": lambda _: content["repr"]})()
    return {key: decoded(one) for key, one in value.items()}


def written(fields: Case, redaction: Redaction) -> str:
    """What a line would show of some fields."""
    return json.dumps(Walk(Scanner(redaction)).mapping(decoded(fields)), ensure_ascii=False)


def legible(line: str) -> str:
    """All readings of a line in which a secret could be read, one after the other."""
    texts = [line, *_strings(json.loads(line))]
    more = []
    for text in texts:
        more += [
            text.translate(_INVISIBLE),
            urllib.parse.unquote(text),
            text.replace("\\n", "\n").replace('\\"', '"'),
        ]
        for chunk in re.findall(r"[A-Za-z0-9+/_-]{12,}", text):
            try:
                more.append(base64.urlsafe_b64decode(chunk + "=" * (-len(chunk) % 4)).decode())
            except ValueError:
                continue
    return "\n".join([*texts, *more])


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [one for item in value.items() for part in item for one in _strings(part)]
    if isinstance(value, list):
        return [one for part in value for one in _strings(part)]
    return [str(value)]


def leaks(case: Case, redaction: Redaction) -> list[str]:
    """Those of a case's secrets that its line shows."""
    text = legible(written(case["fields"], redaction))
    return [secret for secret in case["secrets"] if secret in text]


def loses(case: Case, redaction: Redaction) -> list[str]:
    """What should stay of a case and is not in its line."""
    text = legible(written(case["fields"], redaction))
    return [kept for kept in case["keep"] if kept not in text]


def group(case: Case) -> str:
    """What the table says of a case with a secret."""
    if case["area"] == "context":
        return "contexts"
    return "the 60 commonest families" if case.get("rank", 1_000) <= 60 else "further families"


def redrawn(case: Case, rng: Random) -> Case:
    """The same case with other secrets: each character another one of its kind."""
    text = json.dumps(case["fields"])
    made = []
    for secret in case["secrets"]:
        other = _drawn(secret, rng)
        text = text.replace(json.dumps(secret)[1:-1], json.dumps(other)[1:-1])
        made.append(other)
    return {**case, "fields": json.loads(text), "secrets": made}


def _drawn(secret: str, rng: Random) -> str:
    keep = {0} | {at for found in _SIGNS.finditer(secret) for at in range(*found.span())}
    hexadecimal = {at for found in re.finditer("[0-9a-f-]{16,}", secret) for at in range(*found.span())}
    made = []
    for at, one in enumerate(secret):
        kinds = ["0123456789", "abcdef" if at in hexadecimal else LOWER, LOWER.upper()]
        made.append(one if at in keep else rng.choice(next((kind for kind in kinds if one in kind), one)))
    return "".join(made)


LOWER = "abcdefghijklmnopqrstuvwxyz"
_SIGNS = re.compile(
    r"T3BlbkFJ|8Q~|:AA|_secret_|\.atlasv1\.|AzFu|\+ACR|JQQJ99|FFFFNRAL|_mmk|us[0-9]{1,2}$|^dev-|^prd\.|^1-"
    r"|TlRMTVNTUAAD|^eyJ|^s\.|^1rD|:1[A-Za-z0-9]{5}:"
)
"""What an issuer puts into each of its keys."""


def crossed(cases: list[Case]) -> list[Case]:
    """Each context around each secret of its kind: those pairs that are not among `cases`."""
    texts = {case["fields"]["m"]: case["secrets"][0] for case in cases if list(case["fields"]) == ["m"]}
    contexts = sorted({text.replace(secret, "\0") for text, secret in texts.items() if len(secret) > 6})
    plain = sorted(
        {secret for secret in texts.values() if len(secret) > 12 and " " not in secret and "@" not in secret}
    )
    made = []
    for context in contexts:
        for secret in plain:
            text = context.replace("\0", secret)
            if "\0" in context and text not in texts:
                made.append({"area": "context", "fields": {"m": text}, "secrets": [secret]})
    return made


def table(cases: list[Case], redaction: Redaction) -> dict[str, list[int]]:
    """How many cases of each group there are, and how many leak."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for case in cases:
        counts[group(case)][0] += 1
        counts[group(case)][1] += bool(leaks(case, redaction))
    return counts
