"""Caches that `QuickWins` makes follow the flag of the file, and begin with nothing when it comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import strawberry
from prometheus_client import CollectorRegistry

from quickwins import ConfigError, QuickWins, pinned
from quickwins.query_cache import Policy, QueryCache
from tests.unit.query_cache.service import Mutation, Query, View, World, ask

ON = "enabled = true"
USER = '{ user(id: "1") { name } }'


class Wired:
    def __init__(self, folder: Path, text: str = ON) -> None:
        self.file = folder / "quickwins.toml"
        self.write(text)
        self.registry = CollectorRegistry()
        self.qw = QuickWins.load(self.file, env={}, registry=self.registry)
        self.world = World()
        self.cache = self.qw.query_cache(
            name="feed", shared_context=["world"], principal=lambda context: context["user"]
        )
        self.app = View(
            strawberry.Schema(Query, Mutation, extensions=[self.cache.extension]), cache=self.cache
        )
        self.app.world = self.world

    def write(self, text: str) -> None:
        self.file.write_text(
            f'service = "api"\n[flags]\naudit = false\n[query_cache]\n{text}\nmax_entries = 70\n# quickwins: complete\n'
        )

    def change(self, text: str) -> None:
        self.write(text)
        assert self.qw.flags.poll()

    async def name(self, **headers: str) -> Any:
        return (await ask(self.app, USER, **headers)).data["user"]["name"]


@pytest.mark.asyncio
async def test_off_it_is_strawberrys_own_view_and_on_again_it_begins_with_nothing(tmp_path: Path) -> None:
    wired = Wired(tmp_path)
    async with wired.qw:
        assert await wired.name() == await wired.name()
        wired.change("enabled = true\nkilled = true")
        reply = await ask(wired.app, USER)
        assert "cache-control" not in reply.headers
        await ask(wired.app, 'mutation { rename(id: "1", name: "New") }')
        wired.change(ON)
        assert await wired.name() == "New"
        assert wired.world.executed["user"] == 3
        labels = {"service": "api", "name": "feed", "policy": "PUBLIC", "layer": "l1"}
        assert wired.registry.get_sample_value("graphql_query_cache_hit_total", labels) == 1
    assert wired.cache.stats().entries == 0


@pytest.mark.asyncio
async def test_a_flag_that_goes_off_while_a_context_is_made_leaves_that_request_alone(tmp_path: Path) -> None:
    wired = Wired(tmp_path)

    class Turning(View):
        async def get_context(self, request: Any, response: Any) -> Any:
            wired.change("enabled = false")
            return await super().get_context(request, response)

    wired.app = Turning(wired.app.schema, cache=wired.cache)
    wired.app.world = wired.world
    async with wired.qw:
        # Its context is not observed, so that nobody knows what the answer depends on.
        reply = await ask(wired.app, "{ whose }", authorization="a")
        assert "cache-control" not in reply.headers
        assert wired.cache.stats().entries == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("again", [False, True])
async def test_a_change_that_no_request_sees_voids_too(again: bool, tmp_path: Path) -> None:
    wired = Wired(tmp_path)
    if again:  # as test clients start an application, whose cache was made once
        async with wired.qw:
            await wired.name()
    async with wired.qw:
        await wired.name()
        wired.change("enabled = false")
        wired.world.users["1"] = "New"
        wired.change(ON)
        assert await wired.name() == "New"


@pytest.mark.asyncio
async def test_a_percentage_is_one_of_principals_and_all_mutations_void(tmp_path: Path) -> None:
    wired = Wired(tmp_path, "enabled = true\npercent = 50")
    async with wired.qw:
        flag = wired.qw.flag("query_cache")
        users = [f"user-{number}" for number in range(40)]
        for _ in range(2):
            for user in users:
                await ask(wired.app, "{ me }", authorization=user)
        on = sum(map(flag.active_for, users))
        assert 0 < on < 40
        assert wired.world.executed["me"] == on + 2 * (40 - on)
        (inside, *_), (outside, *_) = (
            [user for user in users if flag.active_for(user) is is_on] for is_on in (True, False)
        )
        await wired.name(authorization=inside)
        await ask(wired.app, 'mutation { rename(id: "1", name: "New") }', authorization=outside)
        assert await wired.name(authorization=inside) == "New"
        with pinned("nobody"):
            await wired.name()


@pytest.mark.asyncio
async def test_where_it_is_made_at_each_start_its_name_is_free_each_time(tmp_path: Path) -> None:
    wired = Wired(tmp_path)
    async with wired.qw:
        pass
    async with wired.qw:
        assert wired.qw.query_cache(name="feed") is not wired.cache


def test_two_of_one_name_are_a_mistake_and_bounds_come_from_the_file(tmp_path: Path) -> None:
    wired = Wired(tmp_path)
    with pytest.raises(ConfigError, match="there is a query cache 'feed' already"):
        wired.qw.query_cache(name="feed")
    assert wired.cache.desk.serving.memory._bounds.max_entries == 70


def test_a_secret_comes_from_the_environment_alone(tmp_path: Path) -> None:
    file = tmp_path / "quickwins.toml"
    file.write_text('service = "api"\n[query_cache]\nsecret = "0123456789abcdef"\n# quickwins: complete\n')
    with pytest.raises(ConfigError, match="secret"):
        QuickWins.load(file, env={}, registry=CollectorRegistry())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param({"l2": "redis://127.0.0.1"}, r"l2 takes .* Valkey\(url\), not a str", id="an address"),
        pytest.param(
            {"principal": "user"}, "principal='user' is not allowed: a function of the context", id="a name"
        ),
        pytest.param({"shared_context": "db"}, r"shared_context='db' .* such as \['db'\]", id="one key"),
        pytest.param(
            {"policies": [Policy()]}, "policies takes a Policy for each name, not a list", id="a list"
        ),
        pytest.param({"l1": 64 << 20}, r"l1 takes an L1, such as .* not a int", id="a number of bytes"),
    ],
)
def test_a_wrong_argument_of_a_cache_is_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        QueryCache(**given, registry=CollectorRegistry())
