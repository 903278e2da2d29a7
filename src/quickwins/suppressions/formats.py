"""Writes findings for people, for programs, for code scanning (SARIF 2.1.0) and as annotations on GitHub."""

from __future__ import annotations

import json
from enum import StrEnum
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from quickwins.suppressions.scan.checks import IDENTITY_VERSION, Check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quickwins.suppressions.report import Finding


class Format(StrEnum):
    """How to write findings."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


def rendered(findings: Iterable[Finding], form: Format) -> str:
    """`findings` as text; it ends with a newline unless it is empty."""
    found = list(findings)
    match form:
        case Format.TEXT:
            return "".join(
                f"{_safe(one.path)}:{one.line}:{one.column}: {one.check} {_safe(one.message)}\n"
                for one in found
            )
        case Format.JSON:
            return json.dumps([_plain(one) for one in found], indent=1) + "\n"
        case Format.SARIF:
            return json.dumps(_sarif(found), indent=1) + "\n"
        case Format.GITHUB:
            return "".join(
                f"::error file={_property(one.path)},line={one.line},col={one.column},title={one.check}::{_data(one.message)}\n"
                for one in found
            )


def _plain(finding: Finding) -> dict[str, object]:
    identity = finding.identity
    return {
        "check": identity.check,
        "path": identity.path,
        "line": finding.line,
        "column": finding.column,
        "scope": identity.scope,
        "what": finding.what,
        "message": finding.message,
        "digest": identity.digest,
        "ordinal": identity.ordinal,
    }


def _sarif(findings: list[Finding]) -> dict[str, Any]:
    rules = [
        {
            "id": check.value,
            "shortDescription": {"text": check.summary},
            "help": {"text": check.remedy},
        }
        for check in Check
    ]
    results = [
        {
            "ruleId": one.check.value,
            "level": "error",
            "message": {"text": one.message},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": one.path, "uriBaseId": "SRCROOT"},
                        "region": {"startLine": one.line, "startColumn": one.column},
                    }
                }
            ],
            "partialFingerprints": {"quickwins/v1": str(one.identity).replace("\t", " ")},
        }
        for one in findings
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
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _safe(text: str) -> str:
    """`text` on one line, without characters that move a terminal's cursor."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
