"""What a person sees of the rig's objects: name and state."""

from __future__ import annotations

from random import Random

import pytest

from quickwins.rig import TcpBalancer, TcpProxy, ZipfKeys


def test_keys_show_how_many_they_are_and_how_unequal() -> None:
    assert repr(ZipfKeys(1_000, 1.1, Random(1))) == "<ZipfKeys 1000 keys, exponent 1.1>"


@pytest.mark.asyncio
async def test_a_proxy_shows_its_faults() -> None:
    proxy = TcpProxy("127.0.0.1", 5432)
    assert repr(proxy) == "<TcpProxy 0 to 127.0.0.1:5432, not listening, 0 connections>"
    async with proxy:
        assert repr(proxy) == f"<TcpProxy {proxy.port} to 127.0.0.1:5432, passing, 0 connections>"
        proxy.blackhole()
        proxy.latency(0.5)
        assert "blackhole, latency 0.5 s" in repr(proxy)
        await proxy.heal()
        await proxy.reset(refuse_new=True)
        assert ", refusing," in repr(proxy)
        await proxy.cut()
        assert "not listening" in repr(proxy)


def test_a_balancer_shows_where_connections_go() -> None:
    balancer = TcpBalancer([50051, 50052])
    assert repr(balancer) == "<TcpBalancer 0 to 50051, 50052, not listening, 0 connections>"
    balancer.targets.clear()
    assert " to nowhere," in repr(balancer)
