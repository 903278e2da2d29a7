"""Servers, isolation and Hypothesis profiles for every test; `tests/engines.py` has the story."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
import valkey as valkey_client
from aiokafka.admin import AIOKafkaAdminClient
from coverage import Coverage
from hypothesis import is_hypothesis_test, settings

from quickwins.engines import Capability
from tests import untraced
from tests.eager import FACTORY
from tests.engines import (
    EXTERNAL,
    SERVERS,
    SKIPPED,
    Choice,
    Server,
    Servers,
    Target,
    UnavailableError,
    apart,
    decide,
    execute,
    leave_out,
    obstacles,
    summary,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import pytest_timeout
    from xdist.workermanage import WorkerController

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("few", max_examples=10, deadline=None)
settings.register_profile("soak", max_examples=10_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") == "true" else "dev"))


SERVERS_OF_RUN = pytest.StashKey[Servers]()
REASONS = pytest.StashKey[list[str]]()
VERSIONS = pytest.StashKey[set[str]]()
"""What the servers say they are that this process or one of its workers used."""

LIMIT = pytest.StashKey["pytest_timeout.Settings"]()
"""What a test has of time."""

VOLUME_SECONDS = 300
"""What a test of many repetitions may take, on a busy machine too."""

SOAK_SECONDS = 3_600
"""What each test may take in `make soak`, whatever it says: it does ten or twenty times as much there."""

INSIST_SECONDS = 20.0
"""How long after its time limit a test may take to end, before it is interrupted again."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engines",
        choices=[choice.value for choice in Choice],
        default=Choice.EMBEDDED.value,
        help="where servers come from: embedded (started from wheels), containers, external "
        f"({', '.join(EXTERNAL.values())}), or auto (containers where they can be had, else embedded)",
    )


def pytest_configure(config: pytest.Config) -> None:
    # A shell without job control starts what runs in its background with SIGINT ignored, and every process that
    # a test starts would inherit that: none of them could be tried with Ctrl-C.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    asked = Choice(config.getoption("--engines"))
    try:
        choice, reasons = decide(asked)
    except UnavailableError as error:
        raise pytest.UsageError(
            f"--engines={asked}: {error}; tests/images/ensure.sh gets what is missing"
        ) from error
    if choice is Choice.CONTAINERS:
        from tests.containers.daemon import prepare

        reasons += [f"removed {name}, left by a run that was killed" for name in prepare()]
    config.stash[SERVERS_OF_RUN] = Servers(choice)
    config.stash[REASONS] = reasons
    config.stash[VERSIONS] = set()
    if hasattr(config, "workerinput"):
        # The tracing that counts begins with the session; what began before would go on where `no_cover` pauses that.
        while before := Coverage.current():
            before.stop()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the tests and what they import, which all stay, out of the garbage collector's way.

    It went through them again and again while they came, and at each whole collection that a test asks for.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes a server by a fixture as well, so that `-m engines` is all that needs one.

    What is marked `volume` gets more time than the others, unless it says how much it needs. Neither it nor what draws its
    cases is traced: they come by the lines that their plain kin come by, thousands of times.
    """
    soak = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
    for item in items:
        if soak:
            item.add_marker(pytest.mark.timeout(SOAK_SECONDS), append=False)
        if item.get_closest_marker("volume"):
            item.add_marker(pytest.mark.no_cover)
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(VOLUME_SECONDS))
        elif is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.no_cover)
        for fixture in getattr(item, "fixturenames", ()):
            if (kind := fixture.removeprefix("own_")) in SERVERS:
                # Of a server of its own no kind is named: the shared one would be started to be asked what it can do.
                item.add_marker(pytest.mark.engines(kind) if fixture == kind else pytest.mark.engines())


def pytest_report_header(config: pytest.Config) -> list[str]:
    asked, choice = config.getoption("--engines"), config.stash[SERVERS_OF_RUN].choice
    first = f"engines: {choice}" if asked == choice else f"engines: {choice} (asked: {asked})"
    return [first, *(f"engines: {reason}" for reason in config.stash[REASONS])]


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    config.stash[VERSIONS].update(config.stash[SERVERS_OF_RUN].versions())
    if hasattr(config, "workeroutput"):
        config.workeroutput["versions"] = [*config.stash[VERSIONS]]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    """Take over from a worker what it knows of its servers; one that crashed has left nothing."""
    node.config.stash[VERSIONS].update(getattr(node, "workeroutput", {}).get("versions", ()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Keep coverage from the processes that an untraced test starts, too."""
    traced = {}
    if item.get_closest_marker("no_cover"):
        traced = {name: value for name, value in os.environ.items() if name not in untraced.environment()}
    for name in traced:
        del os.environ[name]
    try:
        return (yield)
    finally:
        os.environ.update(traced)


@pytest.hookimpl(wrapper=True)
def pytest_timeout_set_timer(
    item: pytest.Item, settings: pytest_timeout.Settings
) -> Generator[None, object, object]:
    """Interrupt a test again and again after its time limit: the first time may have hit a task of no importance."""
    done = yield
    signal.setitimer(signal.ITIMER_REAL, settings.timeout, INSIST_SECONDS)
    item.stash[LIMIT] = settings
    return done


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Interrupt a test, but not the report on it: that would end the whole run."""
    left, again = signal.setitimer(signal.ITIMER_REAL, 0)
    report = yield
    if left and not call.excinfo:
        signal.setitimer(signal.ITIMER_REAL, left, again)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Limit the end too, for which the plugin gives up after a failure: a task may ignore that its loop closes."""
    if settings := item.stash.get(LIMIT, None):
        item.ihook.pytest_timeout_set_timer(item=item, settings=settings)
    return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if versions := config.stash[VERSIONS]:
        terminalreporter.section(f"the servers of this run ({config.stash[SERVERS_OF_RUN].choice})")
        for version in sorted(versions):
            terminalreporter.write_line(version)
    reports = terminalreporter.stats.get("skipped", [])
    lines = summary(report.longrepr[2] for report in reports if isinstance(report.longrepr, tuple))
    if lines:
        terminalreporter.section("what the servers of this run cannot do")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """The servers of this run."""
    made = request.config.stash[SERVERS_OF_RUN]
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _needed_engines(request: pytest.FixtureRequest) -> None:
    """Skip, by name and with the reason, what this run's servers cannot do."""
    kinds = [kind for mark in request.node.iter_markers("engines") for kind in mark.args]
    needed = [capability for mark in request.node.iter_markers("capability") for capability in mark.args]
    wrong = [kind for kind in kinds if kind not in SERVERS]
    wrong += [
        str(one) for one in needed if not any(one in SERVERS[kind].can for kind in kinds if kind in SERVERS)
    ]
    if wrong:
        pytest.fail(f"no engine named in the markers has {', '.join(wrong)}: {[*SERVERS]}, {[*Capability]}")
    if kinds and (reasons := obstacles(request.getfixturevalue("servers"), kinds, needed)):
        leave_out(request.config.stash[SERVERS_OF_RUN].choice, "; ".join(reasons))


def _target(request: pytest.FixtureRequest, kind: str) -> Target:
    servers: Servers = request.getfixturevalue("servers")
    reasons = obstacles(servers, [kind], [])
    if reasons:
        leave_out(servers.choice, reasons[0])
    return servers.target(kind)


def _own(servers: Servers, kind: str) -> Iterator[Server]:
    try:
        server = servers.own(kind)
    except UnavailableError as error:
        leave_out(servers.choice, f"{SKIPPED}{kind} ({servers.choice}): {error}")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Target:
    """PostgreSQL for the whole run; `url` is a DSN of a superuser."""
    return _target(request, "postgres")


@pytest.fixture(scope="session")
def valkey(request: pytest.FixtureRequest) -> Target:
    """Valkey for the whole run."""
    return _target(request, "valkey")


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Target:
    """A broker for the whole run; `url` is its bootstrap address."""
    return _target(request, "kafka")


@pytest.fixture
def own_postgres(servers: Servers) -> Iterator[Server]:
    """A PostgreSQL for this test alone, to kill, pause and restart."""
    yield from _own(servers, "postgres")


@pytest.fixture
def own_valkey(servers: Servers) -> Iterator[Server]:
    """A Valkey for this test alone, to kill, pause and restart."""
    yield from _own(servers, "valkey")


@pytest.fixture
def own_kafka(servers: Servers) -> Iterator[Server]:
    """A broker for this test alone, to kill, pause and restart."""
    yield from _own(servers, "kafka")


@pytest.fixture
def postgres_database(postgres: Target) -> Iterator[str]:
    """The DSN of an empty database of this test's own."""
    name = f"test_{secrets.token_hex(6)}"
    apart(execute(postgres.url, f'CREATE DATABASE "{name}"'))
    yield urlsplit(postgres.url)._replace(path=f"/{name}").geturl()
    apart(execute(postgres.url, f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture
def key_prefix(valkey: Target) -> Iterator[str]:
    """A prefix for this test's keys, which are deleted afterwards."""
    prefix = f"test:{secrets.token_hex(6)}:"
    yield prefix
    with valkey_client.Valkey.from_url(valkey.url) as client:
        for key in client.scan_iter(match=f"{prefix}*"):
            client.delete(key)


@pytest.fixture
def topic_prefix(kafka: Target) -> Iterator[str]:
    """A prefix for this test's topics, which are deleted afterwards."""
    prefix = f"test-{secrets.token_hex(6)}-"
    yield prefix
    apart(_delete_topics(kafka.url, prefix))


async def _delete_topics(bootstrap: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        ours = [topic for topic in await admin.list_topics() if topic.startswith(prefix)]
        if ours:
            await admin.delete_topics(ours)
    finally:
        await admin.close()


@pytest_asyncio.fixture
async def eager() -> None:
    """This test's tasks begin where they are made, as services may have it; `-p tests.eager` does that to all tests."""
    if FACTORY is None:
        pytest.skip("before Python 3.12 no task begins where it is made")
    asyncio.get_running_loop().set_task_factory(FACTORY)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter; pytest's own `tmp_path` lies in a private one."""
    folder = Path(tempfile.mkdtemp(prefix="quickwins-test-"))
    if os.geteuid() == 0:
        folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def children_untraced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps coverage from the processes that this test starts, which take twice as long with it, but not from the test."""
    for name in os.environ.keys() - untraced.environment().keys():
        monkeypatch.delenv(name)


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """Puts back what a framework does to logging when its application starts, as Litestar's does."""
    ours = logging.getLogger("quickwins")
    before = logging.root.level, logging.root.handlers.copy(), ours.level, ours.disabled
    yield
    logging.root.setLevel(before[0])  # also forgets which loggers were enabled
    logging.root.handlers[:] = before[1]
    ours.setLevel(before[2])
    ours.disabled = before[3]
