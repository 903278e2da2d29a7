"""Claims on a real Valkey, single and cluster: who has an event, for how long, and what is remembered of it."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

import pytest
import valkey as client

from quickwins.core.errors import ConfigError
from quickwins.dedup import Fenced
from quickwins.dedup.stores._claims import SHARDS, Claimed
from quickwins.dedup.stores.valkey_claims import ValkeyClaims
from quickwins.engines import ValkeyServer
from tests.eventually import DEADLINE_SECONDS, wait_until
from tests.integration.dedup.claiming import claims_at, events, place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engines import Target

pytestmark = [pytest.mark.asyncio, pytest.mark.engines("valkey"), pytest.mark.no_cover]
MINE = Claimed(mine=True)
SHORT_SECONDS = 3
"""The shortest lease that a busy machine can renew: an answer may take a third of it."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A cluster of one node that has all slots: it refuses what is not in one slot, as any other does."""
    with ValkeyServer.start(settings={"cluster-enabled": "yes"}) as server:
        with client.Valkey.from_url(server.url, decode_responses=True) as admin:
            admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            wait_until(lambda: _up(admin), "the cluster does not come up")
        yield server.url


def _up(admin: Any) -> bool:
    try:
        return bool(admin.set("up", "1"))
    except client.exceptions.ResponseError:
        return False


@pytest.fixture(params=["single", "cluster"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "cluster":
        found: str = request.getfixturevalue("cluster")
        return found
    target: Target = request.getfixturevalue("valkey")
    return target.url


@pytest.fixture
def group() -> str:
    return f"group-{secrets.token_hex(6)}"


async def test_a_claim_is_one_consumers_until_it_is_done_and_then_remembered(url: str, group: str) -> None:
    async with claims_at(url) as store:
        ours, theirs = [await store.hold(place(group, partition)) for partition in (0, 1)]
        some = events(*range(50))
        assert await store.claim(ours, some) == [MINE] * 50
        assert all(0 < one.wait_seconds <= 30 for one in await store.claim(theirs, some))
        assert await store.complete(ours, some)
        assert await store.claim(theirs, some) == [Claimed(done_at=f"0:{number}") for number in range(50)]


async def test_a_claim_is_of_its_group_and_cluster(url: str, group: str) -> None:
    async with claims_at(url) as store:
        for other in (place(group), place(f"{group}2"), place(group)._replace(cluster="elsewhere")):
            hold = await store.hold(other)
            assert await store.claim(hold, events(1)) == [MINE]


async def test_an_id_that_comes_with_another_payload_is_told(url: str, group: str) -> None:
    async with claims_at(url) as store:
        hold = await store.hold(place(group))
        await store.claim(hold, events(1))
        await store.complete(hold, events(1))
        assert await store.claim(hold, events(1, payload=b"another!")) == [
            Claimed(done_at="0:1", altered=True)
        ]


async def test_one_that_is_given_back_is_anybodys_and_one_of_somebody_else_is_not(
    url: str, group: str
) -> None:
    async with claims_at(url) as store:
        ours, theirs = [await store.hold(place(group, partition)) for partition in (0, 1)]
        await store.claim(ours, events(1, 2))
        await store.release(theirs, events(1, 2))
        assert (await store.claim(theirs, events(1)))[0].wait_seconds > 0
        await store.release(ours, events(1))
        found = await store.claim(theirs, events(1, 2))
        assert found[0] == MINE
        assert found[1].wait_seconds > 0


async def test_nobody_completes_or_renews_what_somebody_else_works_on(url: str, group: str) -> None:
    """A zombie that wakes up behind its lease, and is told."""
    async with claims_at(url, lease_seconds=SHORT_SECONDS) as store:
        zombie, heir = [await store.hold(place(group, partition)) for partition in (0, 1)]
        await store.claim(zombie, events(1, 2))
        await _until_mine(store, heir, 1)
        assert not await store.renew(zombie, events(1, 2))
        assert not await store.complete(zombie, events(1, 2))
        assert await store.complete(heir, events(1))
        assert not await store.complete(zombie, events(1))
        # What nobody has taken meanwhile was the zombie's alone, and had its effect.
        assert await store.claim(heir, events(2)) == [Claimed(done_at="0:2")]


async def test_a_lease_that_is_renewed_does_not_end(url: str, group: str) -> None:
    async with claims_at(url, lease_seconds=SHORT_SECONDS) as store:
        ours, theirs = [await store.hold(place(group, partition)) for partition in (0, 1)]
        await store.claim(ours, events(1, 2))
        begun = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < begun + 1.5 * SHORT_SECONDS:
            assert await store.renew(ours, events(1))
            assert (await store.claim(theirs, events(1)))[0].wait_seconds > 0
            await asyncio.sleep(SHORT_SECONDS / 60)
        assert await store.claim(theirs, events(2)) == [MINE]


async def test_completed_again_because_the_answer_was_lost_it_was_ours(url: str, group: str) -> None:
    async with claims_at(url) as store:
        hold = await store.hold(place(group))
        await store.claim(hold, events(1))
        assert await store.complete(hold, events(1))
        assert await store.complete(hold, events(1))


async def test_claimed_again_because_the_answer_was_lost_it_is_still_ours(url: str, group: str) -> None:
    async with claims_at(url) as store:
        hold = await store.hold(place(group))
        assert await store.claim(hold, events(1)) == [MINE]
        assert await store.claim(hold, events(1)) == [MINE]


async def test_everything_that_is_written_expires(url: str, group: str) -> None:
    async with claims_at(url, lease_seconds=30, keep_seconds=30) as store:
        hold = await store.hold(place(group))
        await store.claim(hold, events(*range(40)))
        await store.complete(hold, events(*range(20)))
        await store.renew(hold, events(*range(20, 30)))
    with client.Valkey.from_url(url) as admin:
        keys = [*admin.scan_iter(match="quickwins:*")]
        keys = [key for key in keys if not key.startswith(b"quickwins:{query_cache:")]  # other tests' keys
        assert len(keys) >= 41
        assert [key for key in keys if admin.pttl(key) == -1] == []  # -2: it has expired since


async def test_a_claim_that_somebody_made_eternal_ends_all_the_same(url: str, group: str) -> None:
    async with claims_at(url, lease_seconds=SHORT_SECONDS) as store:
        dead, heir = [await store.hold(place(group, partition)) for partition in (0, 1)]
        await store.claim(dead, events(1))
        with client.Valkey.from_url(url) as admin:
            for key in admin.scan_iter(match="quickwins:claim:*"):
                admin.persist(key)
        await _until_mine(store, heir, 1)


async def test_what_is_not_kept_any_more_is_new_again(url: str, group: str) -> None:
    async with claims_at(url, lease_seconds=SHORT_SECONDS, keep_seconds=SHORT_SECONDS) as store:
        hold = await store.hold(place(group))
        await store.claim(hold, events(1))
        await store.complete(hold, events(1))
        assert (await store.claim(hold, events(1)))[0].done_at == "0:1"
        await _until_mine(store, hold, 1)


async def test_fences_grow_and_one_with_a_lower_one_claims_nothing(url: str, group: str) -> None:
    async with claims_at(url) as store:
        zombie = await store.hold(place(group))
        heir = await store.hold(place(group))
        assert heir.fence > zombie.fence
        with pytest.raises(Fenced):
            await store.claim(zombie, events(*range(20)))
        assert await store.claim(heir, events(*range(20))) == [MINE] * 20


async def test_many_that_take_a_partition_at_once_get_fences_of_their_own(url: str, group: str) -> None:
    async with claims_at(url) as store:
        holds = await asyncio.gather(*(store.hold(place(group)) for _ in range(50)))
        assert len({hold.fence for hold in holds}) == 50


async def test_of_many_that_claim_at_once_one_gets_it(url: str, group: str) -> None:
    async with claims_at(url) as store:
        holds = [await store.hold(place(group, partition)) for partition in range(20)]
        found = await asyncio.gather(*(store.claim(hold, events(7)) for hold in holds))
        assert sum(one.mine for (one,) in found) == 1


async def test_a_batch_is_a_call_a_shard_however_many_events_it_has(valkey: Target, group: str) -> None:
    async with claims_at(valkey.url) as store:
        hold = await store.hold(place(group))
        with client.Valkey.from_url(valkey.url) as admin:
            before = admin.info("commandstats").get("cmdstat_eval", {"calls": 0})["calls"]
            await store.claim(hold, events(*range(1_000)))
            after = admin.info("commandstats")["cmdstat_eval"]["calls"]
        assert after - before == SHARDS + 1


async def test_a_call_that_is_cancelled_leaves_its_answer_to_nobody(url: str, group: str) -> None:
    """A client that puts a connection back with an answer still to come gives that to whoever asks next."""
    async with claims_at(url) as store:
        hold = await store.hold(place(group))
        some = events(*range(200))
        for turns in range(12):
            task = asyncio.create_task(store.claim(hold, some))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert (await store.hold(place(group, 1))).fence > 10**15
        assert await store.claim(hold, some) == [MINE] * 200


async def test_a_server_that_throws_keys_away_when_it_is_full_is_refused() -> None:
    settings = {"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}
    with ValkeyServer.start(settings=settings) as server:
        with pytest.raises(ConfigError, match="allkeys-lru"):
            await ValkeyClaims(server.url).prepare()
        with client.Valkey.from_url(server.url) as admin:
            admin.config_set("maxmemory-policy", "noeviction")
        async with claims_at(server.url) as store:
            assert (await store.hold(place("g"))).fence > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "http://127.0.0.1"}, "valkey"),
        ({"lease_seconds": 0.5}, "lease_seconds"),
        ({"keep_seconds": 1}, "keep_seconds"),
        ({"keep_seconds": 1e9}, "keep_seconds"),
    ],
)
async def test_arguments_out_of_their_bounds_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ValkeyClaims(**{"url": "redis://127.0.0.1", **options})


async def test_no_password_is_in_what_a_person_sees() -> None:
    assert "hunter2" not in repr(ValkeyClaims("redis://me:hunter2@127.0.0.1:7000"))


async def _until_mine(store: ValkeyClaims, hold: Any, number: int) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            (found,) = await store.claim(hold, events(number))
            if found.mine:
                return
            await asyncio.sleep(found.wait_seconds or 0.05)
