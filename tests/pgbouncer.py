"""PgBouncer before a server; a test that needs one is skipped where it isn't installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest

from quickwins.engines._engine import free_port
from tests.engines import SKIPPED
from tests.eventually import wait_until

Mode = Literal["session", "transaction", "statement"]
MODES: tuple[Mode, ...] = ("session", "transaction", "statement")
SERVERS = 4
"""How many sessions it has with the server, fewer than its clients have with it."""


@contextmanager
def pgbouncer(url: str, mode: Mode, folder: Path) -> Iterator[str]:
    """The address of one that shares sessions of the server at `url`; `folder` is empty, and may be entered by every account."""
    program = shutil.which("pgbouncer")
    if program is None:
        pytest.skip(f"{SKIPPED}pgbouncer is not installed: tests/images/install.sh pgbouncer")
    parts, port = urlsplit(url), free_port()
    login, _, _ = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    (folder / "users.txt").write_text(f'"{user}" "{password}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"""
        [databases]
        * = host={parts.hostname} port={parts.port} user={user}{f" password={password}" if password else ""}
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        auth_type = any
        auth_file = {folder}/users.txt
        pool_mode = {mode}
        default_pool_size = {SERVERS}
        unix_socket_dir =
        """
    )
    root = os.geteuid() == 0
    process = subprocess.Popen(
        [program, "--quiet", str(folder / "pgbouncer.ini")],
        user="nobody" if root else None,  # it refuses to be root
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: process.poll() is not None or _listens(port), "PgBouncer does not listen")
        assert process.poll() is None, "PgBouncer has ended"
        yield parts._replace(netloc=f"{login}@127.0.0.1:{port}").geturl()
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0
