"""What a PromQL expression names: metrics, and the labels that it selects them by."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from docs.generate import metric_modules
from quickwins.core.metrics import BASE_LABELS, Kind, Metric

ROOT: Final = Path(__file__).parents[1]
RULES: Final = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
TESTS: Final = ROOT / "deploy" / "prometheus" / "tests"

FOREIGN: Final = {
    "up",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
}
"""What Prometheus and prometheus_client bring."""
SCRAPED: Final = {*BASE_LABELS, "job", "instance", "pid"}
"""Labels that each of our series may have."""

_WORDS: Final = {"and", "or", "unless", "bool", "offset", "by", "on", "inf", "nan"}
_TEXT: Final = re.compile(r"\"[^\"]*\"|'[^']*'")
_GROUPING: Final = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_RANGE: Final = re.compile(r"\[[^\]]*\]|\boffset\s+\w+")
_NAME: Final = re.compile(r"(?<![\w.:$])([a-zA-Z_:][\w:]*)\s*(\(|\{([^}]*)\})?")


def named(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric that `expression` names, with the labels that it is selected by."""
    plain = _RANGE.sub("", _GROUPING.sub("", _TEXT.sub('""', expression)))
    for name, after, matchers in _NAME.findall(plain):
        if after == "(" or name in _WORDS or name in {"group_left", "group_right"}:
            continue
        yield name, set(re.findall(r"(\w+)\s*[=!]", matchers))


@cache
def declared() -> dict[str, set[str]]:
    """The series that the code declares, with their own labels."""
    found: dict[str, set[str]] = {}
    for module in metric_modules():
        metrics: tuple[Metric, ...] = importlib.import_module(module).METRICS
        for metric in metrics:
            if metric.kind is Kind.HISTOGRAM:
                found |= {f"{metric.name}_{part}": {*metric.labels} for part in ("count", "sum")}
                found[f"{metric.name}_bucket"] = {*metric.labels, "le"}
            else:
                found[metric.name] = {*metric.labels}
    return found


@cache
def rules() -> list[dict[str, Any]]:
    """Every rule of every file."""
    documents = [yaml.safe_load(path.read_text()) for path in RULES]
    return [rule for document in documents for group in document["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """The alerts by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def strangers(expression: str) -> list[str]:
    """What `expression` names that neither the code declares, nor a rule records, nor Prometheus brings."""
    ours, recorded = declared(), {rule["record"] for rule in rules() if "record" in rule}
    found = []
    for name, labels in named(expression):
        if name in ours:
            found += [f"{name}{{{label}}}" for label in labels - ours[name] - SCRAPED]
        elif name not in recorded | FOREIGN:
            found.append(name)
    return found
