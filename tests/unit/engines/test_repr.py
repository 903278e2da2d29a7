"""What a person sees of servers and children: name and state, and no setting, since one may be a password."""

from __future__ import annotations

import sys
from pathlib import Path

from quickwins.engines import Child, ValkeyServer


def test_a_child_shows_what_has_become_of_it(tmp_path: Path) -> None:
    child = Child(name="worker", log_path=tmp_path / "log", env={"TOKEN": "s3cret"})
    assert repr(child) == "<Child 'worker', not started>"
    child.run([sys.executable, "-c", "raise SystemExit(7)"])
    assert repr(child) == f"<Child 'worker', process {child.pid}>"
    child.wait()
    assert repr(child) == "<Child 'worker', ended with 7>"
    child.stop()
    assert repr(child) == "<Child 'worker', stopped>"


def test_a_server_shows_where_it_is_and_no_setting() -> None:
    with ValkeyServer.start(settings={"masterauth": "s3cret"}) as server:
        assert (
            repr(server) == f"<ValkeyServer version {server.version} at redis://127.0.0.1:{server.port}, "
            f"<Child 'valkey', process {server.pid}>>"
        )
        assert "s3cret" not in repr(server)
