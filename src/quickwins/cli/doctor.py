"""`quickwins doctor`: checks Python, configuration, extras and servers, and says what to fix."""

import asyncio
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Annotated

import typer

from quickwins.backpressure import BackpressureSettings
from quickwins.cli._application import application_findings, loaded, pool_findings, pools
from quickwins.cli._configuration import Configuration
from quickwins.cli._findings import (
    SERVERS,
    Finding,
    audit_finding,
    config_finding,
    connections_finding,
    extra_findings,
    failed_finding,
    keys_finding,
    python_finding,
    server_finding,
    started_finding,
)
from quickwins.cli.exit_codes import ExitCode
from quickwins.cli.options import ConfigOption, JsonOption
from quickwins.cli.output import print_json, print_table, working
from quickwins.core.clock import SystemClock
from quickwins.core.config import CONFIG_PATH_VARIABLE
from quickwins.core.errors import ConfigError, MissingExtraError, needs_extra
from quickwins.core.flags import FlagSettings, Snapshot
from quickwins.core.flags.history import keyless
from quickwins.core.flags.loading import config_path

EXAMPLE = "Example: quickwins doctor shop.main:app"
RECENT_SECONDS = 86_400.0
"""How long ago a process may have found no key to be worth mentioning."""


def doctor(
    app: Annotated[
        str | None,
        typer.Argument(
            metavar="APP",
            help="An ASGI application to look at, as module:attribute. It is imported, from the folder at hand.",
        ),
    ] = None,
    config: ConfigOption = None,
    start: Annotated[
        bool,
        typer.Option(
            "--start",
            help="Also start PostgreSQL, Valkey and the Kafka-protocol broker, and connect to each.",
        ),
    ] = False,
    pool_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Connections that the pools of one process may open: checks that the server of --dsn has enough for all replicas.",
        ),
    ] = None,
    dsn: Annotated[
        str | None,
        typer.Option(envvar="DATABASE_URL", help="The PostgreSQL server to check with --pool-size."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check the setup, and say what to fix.

    Looks at Python, the configuration, the audit file, and which extras and servers are installed; with APP also at the middleware of an application, its gates, and pools that have none. Exits with 0 if nothing needs attention, 2 if the configuration is wrong, 3 for any other finding.
    """
    snapshot, on_config = _configuration(config)
    findings = [python_finding(tuple(sys.version_info[:3])), on_config]
    if snapshot is not None:
        configuration = Configuration.at(config, SystemClock())
        findings.append(_audit(configuration))
        findings += _keys(configuration, snapshot)
    findings += extra_findings(requires("quickwins") or [], installed_version, _enabled(snapshot))
    findings += (
        _servers() if start else [server_finding(one, installed_version(SERVERS[one])) for one in SERVERS]
    )
    if app is not None:
        findings += _application(app, snapshot)
    if pool_size is not None:
        findings.append(_connections(snapshot, pool_size, dsn))
    ok = all(finding.ok for finding in findings)
    if as_json:
        print_json({"ok": ok, "findings": [asdict(finding) for finding in findings]})
    else:
        rows = [(one.check, "ok" if one.ok else "LOOK", one.detail, one.remedy) for one in findings]
        print_table(("check", "ok", "found", "what to do"), rows)
    if not on_config.ok:
        raise typer.Exit(ExitCode.USAGE)
    if not ok:
        raise typer.Exit(ExitCode.FINDING)


def _configuration(config: Path | None) -> tuple[Snapshot | None, Finding]:
    path = config_path(config, os.environ)
    named = config is not None or CONFIG_PATH_VARIABLE in os.environ
    snapshot, error = None, ""
    configuration = Configuration.at(config, SystemClock())
    try:
        snapshot = configuration.read()
    except ConfigError as failure:
        error = str(failure)
    else:
        error = configuration.refused()
        error = error and f"{error}; a process that is running refuses this file"
    return snapshot, config_finding(str(path), exists=os.path.lexists(path), named=named, error=error)


def _application(target: str, snapshot: Snapshot | None) -> list[Finding]:
    before = pools()
    try:
        found = loaded(target)
    except ConfigError as error:
        return [
            failed_finding("application", str(error), "name what your server is given, such as shop.main:app")
        ]
    features = () if snapshot is None else [one for one, state in snapshot.flags.items() if state.percent]
    return [*application_findings(target, found, features), *pool_findings(before)]


def _audit(configuration: Configuration) -> Finding:
    audit = configuration.audit()
    if audit is None:
        return audit_finding(None, writable=False)
    # The folder too: a full file is renamed, and a new one started.
    folder = os.access(audit.path.parent, os.W_OK | os.X_OK)
    writable = folder and (
        not audit.path.exists() or (audit.path.is_file() and os.access(audit.path, os.W_OK))
    )
    return audit_finding(str(audit.path), writable=writable)


def _keys(configuration: Configuration, snapshot: Snapshot) -> Iterator[Finding]:
    audit = configuration.audit()
    records = [] if audit is None else audit.records()
    said = keyless(records, configuration.clock.wall() - RECENT_SECONDS)
    for feature, state in snapshot.flags.items():
        if state.is_partial:
            record = said.get((feature, state.percent))
            where = (
                f"a process of {record['service'] or 'this service'} (pid {record['pid']})" if record else ""
            )
            yield keys_finding(feature, state.percent, where)


def _connections(snapshot: Snapshot | None, pool_size: int, dsn: str | None) -> Finding:
    if dsn is None:
        return failed_finding(
            "connections", "--pool-size needs a server", "add --dsn, or DATABASE_URL to the environment"
        )
    replicas = 1
    if snapshot is not None:
        replicas = snapshot.settings.section("backpressure", BackpressureSettings).replicas
    try:
        return connections_finding(replicas, pool_size, asyncio.run(_available(dsn)))
    except MissingExtraError as error:
        return failed_finding("connections", str(error), "pip install 'quickwins[backpressure]'")
    except Exception as error:  # noqa: BLE001 -- a driver has many kinds of errors, and here all mean the same; until=never
        # Without its message, which may contain an address, a user or a password.
        return failed_finding(
            "connections",
            f"cannot connect to the server of --dsn: {type(error).__name__}",
            "check that it is up, and the address",
        )


async def _available(dsn: str) -> int:
    """How many connections the server accepts from ordinary users."""
    with needs_extra("backpressure"):
        import asyncpg

    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        # `reserved_connections` came with PostgreSQL 16.
        available: int = await connection.fetchval(
            "SELECT 2 * max(setting::int) FILTER (WHERE name = 'max_connections') - sum(setting::int) "
            "FROM pg_settings WHERE name IN "
            "('max_connections', 'superuser_reserved_connections', 'reserved_connections')"
        )
        return available
    finally:
        await connection.close()


def _enabled(snapshot: Snapshot | None) -> set[str]:
    if snapshot is None:
        return set()
    sections = snapshot.settings.sections.items()
    return {name for name, one in sections if isinstance(one, FlagSettings) and one.enabled}


def installed_version(package: str) -> str | None:
    """Of a distribution; `None`: it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _servers() -> Iterator[Finding]:
    from quickwins.engines import EngineError, KafkaBroker, PostgresServer, ValkeyServer

    for kind in (PostgresServer, ValkeyServer, KafkaBroker):
        try:
            with working(f"starting {kind.name}"), kind.start() as server:
                lacking = [str(reason) for reason in server.lacking.values()]
                yield started_finding(kind.name, server.version, lacking)
        except MissingExtraError as error:
            yield failed_finding(f"server {kind.name}", str(error), "pip install 'quickwins[engines]'")
        except EngineError as error:
            yield failed_finding(
                f"server {kind.name}",
                str(error),
                "run doctor again; if that does not help, report it with this log",
            )
