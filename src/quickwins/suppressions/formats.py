"""Writes findings for people, for programs, for code scanning (SARIF 2.1.0) and as annotations on GitHub."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from quickwins.core.errors import ConfigError
from quickwins.suppressions.scan.checks import IDENTITY_VERSION, Check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quickwins.suppressions.report import Finding, Identity


class Format(StrEnum):
    """How to write findings."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


def rendered(findings: Iterable[Finding], form: Format, *, stale: Iterable[Identity] | None = None) -> str:
    """`findings` as text; it ends with a newline unless it is empty.

    Args:
        findings: What to report.
        form: How to write it.
        stale: What a baseline lists and is gone; `None` means that there was no baseline to compare with.

    Raises:
        ConfigError: There is no such form.
    """
    if form not in list(Format):
        raise ConfigError(f"form={form!r} is not allowed: one of {', '.join(Format)}")
    found, gone = list(findings), list(stale or ())
    match form:
        case Format.TEXT:
            lines = [f"{_safe(_place(one))}: {one.check} {_safe(one.message)}\n" for one in found]
            lines += [f"{_safe(one.path)}: {one.check} {_safe(_gone(one))}\n" for one in gone]
            return "".join(lines)
        case Format.JSON:
            state = "found" if stale is None else "new"
            rows = [_plain(one, state) for one in found] + [_plain_gone(one) for one in gone]
            return json.dumps(rows, indent=1) + "\n"
        case Format.SARIF:
            return json.dumps(_sarif(found, gone, is_compared=stale is not None), indent=1) + "\n"
        case Format.GITHUB:
            lines = [
                f"::error file={_property(one.path)},line={one.line},col={one.column},title={one.check}::{_data(one.message)}\n"
                for one in found
            ]
            lines += [
                f"::warning file={_property(one.path)},title={one.check}::{_data(_gone(one))}\n"
                for one in gone
            ]
            return "".join(lines)


def _place(finding: Finding) -> str:
    cell = f"cell {finding.cell}:" if finding.cell else ""
    return f"{finding.path}:{cell}{finding.line}:{finding.column}"


def _gone(identity: Identity) -> str:
    where = f" in {identity.scope}" if identity.scope else ""
    statement = f": {identity.statement}" if identity.statement else ""
    return f"listed but gone{where}{statement}; `quickwins suppressions check --fix` removes it from the list"


def _plain(finding: Finding, state: str) -> dict[str, object]:
    identity = finding.identity
    return {
        "state": state,
        "check": identity.check,
        "path": identity.path,
        "cell": finding.cell,
        "line": finding.line,
        "column": finding.column,
        "scope": identity.scope,
        "codes": identity.codes,
        "what": finding.what,
        "message": finding.message,
        "digest": identity.digest,
        "ordinal": identity.ordinal,
    }


def _plain_gone(identity: Identity) -> dict[str, object]:
    return {
        "state": "stale",
        "check": identity.check,
        "path": identity.path,
        "scope": identity.scope,
        "codes": identity.codes,
        "message": _gone(identity),
        "digest": identity.digest,
        "ordinal": identity.ordinal,
    }


def _sarif(findings: list[Finding], gone: list[Identity], *, is_compared: bool) -> dict[str, Any]:
    rules = [
        {
            "id": check.value,
            "shortDescription": {"text": check.summary},
            "help": {"text": check.remedy},
        }
        for check in Check
    ]
    results: list[dict[str, Any]] = [
        {
            "ruleId": one.check.value,
            "level": "error",
            "message": {"text": one.message},
            "locations": [_location(one.path, {"startLine": one.line, "startColumn": one.column})],
            "partialFingerprints": {"quickwins/v2": one.identity.digest},
            **({"baselineState": "new"} if is_compared else {}),
        }
        for one in findings
    ]
    results += [
        {
            "ruleId": one.check,
            "level": "note",
            "message": {"text": _gone(one)},
            "locations": [_location(one.path, None)],
            "partialFingerprints": {"quickwins/v2": one.digest},
            "baselineState": "absent",
        }
        for one in gone
    ]
    driver = {
        "name": "quickwins suppressions",
        "semanticVersion": version("quickwins"),
        "properties": {"identityVersion": IDENTITY_VERSION},
        "rules": rules,
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }


def _location(path: str, region: dict[str, int] | None) -> dict[str, Any]:
    place: dict[str, Any] = {
        "artifactLocation": {"uri": quote(os.fsencode(path)), "uriBaseId": "SRCROOT"},
    }
    return {"physicalLocation": place | ({"region": region} if region else {})}


def _safe(text: str) -> str:
    """`text` on one line, without characters that move a terminal's cursor."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def _data(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()  # a file's name may be no UTF-8
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
