"""The Docker daemon: whether containers can be had from it, and removing those whose owner is gone."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from testcontainers.core.config import testcontainers_config
from testcontainers.core.docker_client import DockerClient, get_docker_host

from tests.containers.owner import RUN, is_orphan, labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from docker.models.containers import Container

IMAGES: Final[Mapping[str, str]] = {
    "postgres": "postgres:18",
    "valkey": "valkey/valkey:9",
    "kafka": "apache/kafka:4",
}

DEFAULT_HOST: Final = "unix:///var/run/docker.sock"

STAND_IN: Final = "org.quickwins.stand-in"
"""Label of an image that only keeps the official one's contract: what is in it."""

ANSWER_SECONDS: Final = 20
"""Limit of one answer of the daemon, which may have to ask a registry for it."""


@contextlib.contextmanager
def connected(timeout_seconds: int = ANSWER_SECONDS) -> Iterator[docker.DockerClient]:
    """A client of the daemon that `DOCKER_HOST` or the current context names; closed at the end.

    Raises:
        DockerException: No daemon answers.
    """
    client = DockerClient(timeout=timeout_seconds, version="auto").client
    try:
        yield client
    finally:
        client.close()


def obstacle() -> str:
    """Why containers cannot be had; empty if they can."""
    host = get_docker_host() or DEFAULT_HOST
    try:
        if (path := urlsplit(host)).scheme == "unix":
            # Asked first, because the client leaves its socket open when nobody answers.
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(path.path)
        with connected() as client:
            # Ports are published on 127.0.0.1 and nowhere else.
            if urlsplit(client.api.base_url).hostname not in {"localhost", "127.0.0.1"}:
                return f"the Docker daemon at {host} is not on this machine"
            return next(filter(None, (_missing(client, image) for image in IMAGES.values())), "")
    except (DockerException, requests.RequestException, OSError) as error:
        return f"no Docker daemon answers at {host}: {error}"


def describe() -> list[str]:
    """One line about the daemon and one about each image that stands in for the official one."""
    with connected() as client:
        stand_ins = ((name, stand_in(client, name)) for name in IMAGES.values())
        return [
            f"Docker {client.version()['Version']}",
            *(f"{name} is a stand-in: {found}" for name, found in stand_ins if found),
        ]


def stand_in(client: docker.DockerClient, name: str) -> str:
    """What is in an image that is not the official one; empty for the official one."""
    with contextlib.suppress(ImageNotFound):
        return str(client.images.get(name).labels.get(STAND_IN, ""))
    return ""


def prepare() -> list[str]:
    """Make ready for a run; the names of the containers that were left by runs which were killed, removed now."""
    with connected() as client:
        try:
            client.images.get(testcontainers_config.ryuk_image)
        except ImageNotFound:
            # Testcontainers' reaper is one more image; our labels do its work where it is not there.
            testcontainers_config.ryuk_disabled = True
        return [
            _remove(container)
            for container in client.containers.list(all=True, filters={"label": RUN}, ignore_removed=True)
            if is_orphan(container.labels)
        ]


def remove_mine() -> None:
    """Remove what this process started, also what it was interrupted in starting."""
    with connected() as client:
        mine = f"{RUN}={labels()[RUN]}"
        for container in client.containers.list(all=True, filters={"label": mine}, ignore_removed=True):
            _remove(container)


def _remove(container: Container) -> str:
    # Another run may sweep at the same moment.
    with contextlib.suppress(NotFound):
        try:
            container.remove(force=True, v=True)
        except APIError as error:
            if error.status_code != requests.codes.conflict:
                raise
    return str(container.name)


def _missing(client: docker.DockerClient, image: str) -> str:
    try:
        client.images.get(image)
    except ImageNotFound:
        try:
            client.images.get_registry_data(image)
        except (APIError, requests.RequestException) as error:
            return f"{image} is not there and cannot be pulled: {getattr(error, 'explanation', error)}"
    return ""
