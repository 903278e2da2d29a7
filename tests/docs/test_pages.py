"""Whatever the documentation shows, runs."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.docs.blocks import PAGES, ROOT, Block, BlockError, blocks, is_python

KINDS = {
    "postgres": ("DATABASE_URL", "create_pool()"),
    "kafka": ('"KAFKA_BOOTSTRAP"',),
    "valkey": ('"VALKEY_URL"',),
}
"""What a page has in it that needs a server of that kind."""


def needed(page: Path) -> list[str]:
    return [kind for kind, signs in KINDS.items() if any(sign in page.read_text() for sign in signs)]


def pages() -> list[object]:
    return [
        pytest.param(
            page,
            id=str(page.relative_to(ROOT)),
            marks=[pytest.mark.engines(*kinds), pytest.mark.any_server] if (kinds := needed(page)) else [],
        )
        for page in PAGES
    ]


@pytest.fixture
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """What a page finds in its environment, as a newcomer's terminal would have it."""
    kinds = [kind for mark in request.node.iter_markers("engines") for kind in mark.args]
    found = {}
    if "postgres" in kinds:
        found["DATABASE_URL"] = request.getfixturevalue("postgres_database")
        dsn = urlsplit(found["DATABASE_URL"])
        found |= {"PGHOST": dsn.hostname or "", "PGPORT": str(dsn.port), "PGDATABASE": dsn.path[1:]}
        found |= {"PGUSER": dsn.username or "", "PGPASSWORD": dsn.password or ""}
    if "kafka" in kinds:
        found["KAFKA_BOOTSTRAP"] = request.getfixturevalue("kafka").url
    if "valkey" in kinds:
        found["VALKEY_URL"] = request.getfixturevalue("valkey").url
    return found


@pytest.mark.timeout(180)  # a page starts some ten processes, one after the other
@pytest.mark.parametrize("page", pages())
def test_every_block_of_a_page_does_what_it_says(
    page: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    for one in blocks(page):
        one.run(tmp_path, environment)


def block(language: str, text: str, title: str = "") -> Block:
    return Block("docs/page.md:7", 8, language, title, text)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param(block("python", "import nowhere"), 'docs/page.md", line 8', id="python that fails"),
        pytest.param(block("python", "await undefined()"), 'docs/page.md", line 8', id="an await that fails"),
        pytest.param(
            block("python", "import warnings; warnings.warn('old')"), "UserWarning", id="python that warns"
        ),
        pytest.param(block("bash", "false\ntrue"), "ends with 1", id="a command that fails"),
        pytest.param(block("console", "$ echo one\ntwo\n"), "instead of", id="another answer"),
        pytest.param(block("text", "import os"), "this is Python", id="python under another name"),
        pytest.param(block("bash", f"true {'x' * 90}"), "wider", id="a line that a page cuts off"),
        pytest.param(block("cobol", "DISPLAY 1."), "nobody tries", id="a language that nobody tries"),
    ],
)
def test_a_block_that_does_not_do_what_it_says_is_named(wrong: Block, said: str, tmp_path: Path) -> None:
    with pytest.raises(BlockError, match=r"^docs/page\.md:7") as failed:
        wrong.run(tmp_path, {})
    assert said in str(failed.value)


def test_a_titled_block_is_a_file_for_those_after_it(tmp_path: Path) -> None:
    block("python", "ANSWER = 42", "service.py").run(tmp_path, {})
    block("python", "import asyncio, service\nawait asyncio.sleep(0)\nassert service.ANSWER == 42").run(
        tmp_path, {}
    )
    block("console", "$ cat service.py; echo; echo done\nANSWER = 42\ndone\n").run(tmp_path, {})


def test_a_mistake_in_a_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"docs/page\.md:7.*unknown key"):
        block("toml", "[backpressure]\ntreshold = 1\n").run(tmp_path, {})


def test_commands_and_output_are_no_python() -> None:
    assert not is_python("make demo    # a feed service")
    assert not is_python("one")
    assert is_python("gate = await made()")
