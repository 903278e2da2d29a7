"""A program that starts a server, says so in one line of JSON, and waits: to be killed by the tests beside it.

`python parent.py ENGINE [OPTION]`; with `fork`, a forked child that outlives it holds copies of all it has open; with
`fork-and-exit`, one leaves the block and exits at once.
"""

from __future__ import annotations

import json
import os
import sys
import time

import psutil

from quickwins.engines import KafkaBroker, PostgresServer, ValkeyServer

ENGINES = {engine.name: engine for engine in (PostgresServer, ValkeyServer, KafkaBroker)}


def main() -> None:
    with ENGINES[sys.argv[1]].start() as server:
        forked = 0
        if "fork" in sys.argv[2:]:
            forked = os.fork()
            if not forked:
                time.sleep(60)
                os._exit(0)
        if "fork-and-exit" in sys.argv[2:]:
            forked = os.fork()
            if not forked:
                sys.exit(0)
            os.waitpid(forked, 0)
        supervisor = psutil.Process(server.child._supervisor.pid)
        pids = [supervisor.pid, *(process.pid for process in supervisor.children(recursive=True))]
        said = {"pids": pids, "port": server.port, "folder": str(server.folder), "forked": forked}
        print(json.dumps(said), flush=True)
        time.sleep(60)


if __name__ == "__main__":
    main()
