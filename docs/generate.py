"""Writes what is derived from the code: the settings into `quickwins.example.toml` and a page, the metrics into another.

python docs/generate.py          write them
python docs/generate.py --check  exit 3 when they are not up to date
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import quickwins
from quickwins.cli.init import assignment, wrapped
from quickwins.core.config import ENV_PREFIX
from quickwins.core.flags import FlagSettings
from quickwins.core.metrics import BASE_LABELS, Metric
from quickwins.facade import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo

ROOT = Path(__file__).parents[1]
GENERATED = "<!-- Generated from the code by `make generate`. -->"


def example() -> str:
    """Every setting with its default and what it does."""
    lines = [
        "# Every setting of quickwins with its default. Generated from the models by `make generate`.",
        "#",
        "# A key that is left out has the value shown here. The environment beats this file:",
        f"# {ENV_PREFIX}BACKPRESSURE__THRESHOLD=0.9 stands for threshold under [backpressure].",
        "# The file is followed live. Its last line says that it is whole: with it, a file that was cut short is",
        "# recognised, and keys may be removed at any time.",
        "",
        "# The name of this service on every metric and event.",
        'service = ""',
    ]
    for name, model in SECTIONS.items():
        summary = (model.__doc__ or "").strip().splitlines()[0]
        lines += ["", *wrapped(summary), f"[{name}]"]
        for key, info in model.model_fields.items():
            lines += wrapped(info.description or "")
            lines.append(assignment(name, key, info))
    return "\n".join([*lines, "", "# quickwins: complete", ""])


def settings() -> str:
    """Every setting with its default and what it does, as a page."""
    flag = FlagSettings.model_fields
    lines = [
        "# Settings",
        "",
        GENERATED,
        "",
        "Every setting of `quickwins.toml`. How the file is read, and what may be in the environment instead:",
        "[Configuration](configuration.md). `quickwins init` writes a file with the settings of what you have installed.",
        "",
        "## The flag of every feature",
        "",
        "At the beginning of each feature's section; [Flags](flags.md) has the rest.",
        "",
        *table("backpressure", flag),
    ]
    for name, model in SECTIONS.items():
        summary = (model.__doc__ or "").strip().splitlines()[0]
        own = {key: info for key, info in model.model_fields.items() if key not in flag}
        lines += ["", f"## {name}", "", summary, "", *table(name, own)]
    return "\n".join([*lines, ""])


def table(section: str, fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    yield "| setting | default | what it does |"
    yield "| --- | --- | --- |"
    for key, info in fields.items():
        _, _, default = assignment(section, key, info).partition(" = ")
        yield f"| `{key}` | {f'`{default}`' if default else ''} | {(info.description or '').replace('|', chr(92) + '|')} |"


def metrics() -> str:
    """Every declared series, by the module that declares it."""
    lines = [
        "# Metrics",
        "",
        GENERATED,
        "",
        (
            f"Every series carries `{BASE_LABELS[0]}` (the service) and `{BASE_LABELS[1]}` (the instance, such as the pool; "
            "empty for what belongs to the whole process), then its own labels. Its own labels take a bounded number of values each; "
            "what comes after them is counted under `other`."
        ),
    ]
    for module in sorted(metric_modules()):
        declared: tuple[Metric, ...] = importlib.import_module(module).METRICS
        title = (
            module.removeprefix("quickwins.")
            .removeprefix("core.")
            .removesuffix(".metrics")
            .removeprefix("metrics.")
        )
        lines += [
            "",
            f"## {title}",
            "",
            "| metric | type | own labels | what it says |",
            "| --- | --- | --- | --- |",
        ]
        for metric in declared:
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |")
    return "\n".join([*lines, ""])


def metric_modules() -> list[str]:
    found = pkgutil.walk_packages(quickwins.__path__, "quickwins.", onerror=lambda _: None)
    names = [module.name for module in found if module.name.endswith(".metrics")]
    return [name for name in names if name != "quickwins.core.metrics"] + ["quickwins.core.metrics.reports"]


def main(arguments: list[str]) -> int:
    """Write the files, or say which ones are stale."""
    stale = []
    for path, text in {
        ROOT / "quickwins.example.toml": example(),
        ROOT / "docs" / "settings.md": settings(),
        ROOT / "docs" / "metrics.md": metrics(),
    }.items():
        if arguments == ["--check"]:
            if not path.exists() or path.read_text() != text:
                stale.append(path.name)
        else:
            path.write_text(text)
    if stale:
        print(f"not up to date: {', '.join(stale)}; run `make generate`")
    return 3 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
