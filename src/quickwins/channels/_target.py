"""How many addresses a target has, as far as it says so itself, and which name to ask otherwise.

Source: gRPC's naming document. A name that has an address of each family is one address: IPv4 and IPv6 lead to the same place.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any, NamedTuple

from quickwins.channels.errors import ChannelConflict

if TYPE_CHECKING:
    from collections.abc import Iterable


class Target(NamedTuple):
    """What a target says.

    Attributes:
        addresses: How many it has; `None`: ask for `host`, or, without one, nobody can be asked.
        host: The name to look up.
        port: Its port.
    """

    addresses: int | None
    host: str | None = None
    port: str | None = None


_URLS = ("http", "https", "grpc", "grpcs", "tcp")
"""What people write before `://` that gRPC takes for a part of the name."""


def checked(target: object) -> str:
    """`target`, if it can lead anywhere. gRPC takes everything, and every call fails then.

    Raises:
        ChannelConflict: It cannot.
    """
    if not isinstance(target, str):
        raise ChannelConflict(
            f"the target is a {type(target).__name__}: text is needed, such as 'feed:50051'"
        )
    if not target.strip():
        raise ChannelConflict("the target is empty: say where to connect to, such as 'feed:50051'")
    if target != target.strip():
        raise ChannelConflict(f"the target {target!r} begins or ends with a space: no name does")
    scheme, _, rest = target.partition("://")
    if rest and scheme.lower() in _URLS:
        raise ChannelConflict(
            f"the target {target!r} is a URL, which gRPC would look up as a name: say {rest.strip('/')!r}, and use "
            "`credentials` for TLS"
        )
    found = parse(target)
    if found.addresses == 0 or found.host == "":
        raise ChannelConflict(
            f"the target {target!r} names nobody: say where to connect to, such as 'feed:50051'"
        )
    return target


def parse(target: str) -> Target:
    """Read a target as gRPC does, without looking anything up."""
    scheme, colon, rest = target.partition(":")
    if colon and scheme in {"ipv4", "ipv6"}:
        return Target(len([one for one in rest.split(",") if one]))
    if colon and scheme in {"unix", "unix-abstract", "vsock"}:
        return Target(1 if rest.strip("/") else 0)
    if colon and scheme == "dns":
        rest = rest.rpartition("/")[2] if rest.startswith("//") else rest
    elif colon and rest.startswith("//"):
        return Target(None)  # xds and other resolvers know themselves
    else:
        rest = target
    host, port = _host_and_port(rest)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return Target(None, host, port)
    return Target(1)


def _host_and_port(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, port.removeprefix(":") or None
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port or None
    return text, None


def distinct(found: Iterable[tuple[Any, ...]]) -> int:
    """How many addresses `getaddrinfo` has found, of the family that has more."""
    families = [family for family, _ in {(family, address[0]) for family, _, _, _, address in found}]
    return max(families.count(one) for one in (socket.AF_INET, socket.AF_INET6))
