"""The three servers, started for others to use:

python -m tests.containers                      prints the variables for `--engines=external`, runs until Ctrl-C
python -m tests.containers COMMAND ARGUMENT...  runs the command with them, and exits with its status
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys

from tests.containers.daemon import obstacle, prepare
from tests.engines import EXTERNAL, Choice, Servers


def main(command: list[str]) -> int:
    if reason := obstacle():
        print(reason, file=sys.stderr)
        return 1
    for name in prepare():
        print(f"removed {name}, left by a run that was killed", file=sys.stderr)
    servers = Servers(Choice.CONTAINERS)
    # The clients log each of the attempts before a server is ready.
    logging.disable(logging.ERROR)
    # SIGTERM as Ctrl-C: the block below must be left in an orderly way.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        variables = {variable: servers.target(kind).url for kind, variable in EXTERNAL.items()}
        print(*servers.versions(), sep="\n", file=sys.stderr)
        if command:
            return subprocess.run(command, env={**os.environ, **variables}, check=False).returncode
        print(*(f"export {name}={url}" for name, url in variables.items()), sep="\n", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        return 130
    finally:
        servers.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
